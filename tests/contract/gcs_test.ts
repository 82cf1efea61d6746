import { startProxy } from "../support/proxy.ts";
import { openTestGcs } from "../support/gcs_target.ts";
import { startGcs } from "../support/servers/gcs.ts";
import { shared } from "./shared.ts";
import { conform } from "./suite.ts";

/** These cases look at a folder that holds nothing, or count on an absent one. */
const noFolders = Object.fromEntries(
  [
    "list() of an empty folder gives nothing",
    "list() tells folders, files and their sizes",
    "at() gives a backend whose dispose closes nothing",
    "write() to a missing parent rejects with notFound",
    "write() over an empty folder rejects and leaves the folder",
    "write() that expects a folder rejects with changed when a file is there",
    "makeDir() makes a folder and gives its entry",
    "makeDir() in a missing parent rejects with notFound",
    "makeDir() of a root makes its parents too",
    "remove() removes an empty folder, and what is absent is no error",
    "remove() of a folder that holds something rejects with changed",
    "remove() of a file where a folder is now rejects with changed",
    "remove() of a folder where a file is now rejects with changed",
  ].map((name) => [name, "a folder is there only while it holds something"]),
);

const running = shared(false, () => startGcs());

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
