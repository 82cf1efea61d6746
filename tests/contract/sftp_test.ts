import { startProxy } from "../support/proxy.ts";
import { skipsServer } from "../support/servers/install.ts";
import { startSshd } from "../support/servers/sftp.ts";
import { openTestSftp } from "../support/targets/sftp_target.ts";
import { ownFolder, sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const ignore = skipsServer("sftp");
const running = sharedServer(ignore, startSshd);

conform({
  name: "sftp",
  ignore,
  lacks: ["copy", "flush"],
  gives: ["cut", "disk"],
  async fresh() {
    await using stack = new AsyncDisposableStack();
    const server = running();
    const { disk, root } = await ownFolder(server, stack);
    const proxy = stack.use(await startProxy(server.port));
    const options = { Timeout: "10000", ReconnectTime: "2000" };
    const backend = stack.use(await openTestSftp(server, { port: proxy.port, path: root, options }));
    const life = stack.move();
    return {
      backend,
      disk,
      cut: () => proxy.refuse(true),
      [Symbol.asyncDispose]: () => life.disposeAsync(),
    };
  },
});
