import { startProxy } from "../support/proxy.ts";
import { skipsServer } from "../support/servers/install.ts";
import { startSshd } from "../support/servers/sftp.ts";
import { openTestSftp } from "../support/sftp_target.ts";
import { conform } from "./suite.ts";

conform({
  name: "sftp",
  ignore: skipsServer("sftp"),
  lacks: ["copy", "walk"],
  gives: ["cut", "disk"],
  async fresh() {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await startSshd());
    const proxy = stack.use(await startProxy(server.port));
    const options = { Timeout: "10000", ReconnectTime: "2000" };
    const backend = stack.use(await openTestSftp(server, { port: proxy.port, options }));
    const life = stack.move();
    return {
      backend,
      disk: server.disk,
      cut: () => proxy.refuse(true),
      [Symbol.asyncDispose]: () => life.disposeAsync(),
    };
  },
});
