import { startProxy } from "../support/proxy.ts";
import { openTestGcs } from "../support/targets/gcs_target.ts";
import { startGcs } from "../support/servers/gcs.ts";
import { noFolders } from "./no_folders.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const running = sharedServer(false, () => startGcs());

conform({
  name: "gcs",
  lacks: ["rename", "hardLink", "makeLink", "setMode", "flush"],
  gives: ["cut"],
  known: {
    ...noFolders,
    "write() takes over no leftover that is longer than the source":
      "an upload shows nothing before it is whole, so that nothing is written under a temporary name, and nobody's is removed",
  },
  async fresh() {
    await using stack = new AsyncDisposableStack();
    const server = running();
    const { name } = server.makeBucket(`bucket-${crypto.randomUUID()}`);
    const proxy = stack.use(await startProxy(server.port));
    const backend = stack.use(await openTestGcs(server, { port: proxy.port, bucket: name }));
    const life = stack.move();
    return {
      backend,
      secret: server.login.secret,
      cut: () => proxy.refuse(true),
      [Symbol.asyncDispose]: () => life.disposeAsync(),
    };
  },
});
