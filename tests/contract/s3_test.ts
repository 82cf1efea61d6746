import { startProxy } from "../support/proxy.ts";
import { makeBucket, openTestS3 } from "../support/s3_target.ts";
import { skipsServer } from "../support/servers/install.ts";
import { startS3 } from "../support/servers/s3.ts";
import { shared } from "./shared.ts";
import { conform } from "./suite.ts";

const hollow = "a folder is there only while it holds something";
const beside = "an object and a folder of one name stand side by side: a scan reports both and touches neither";

const ignore = skipsServer("s3");
const running = shared(ignore, async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startS3());
  const bucket = stack.use(await makeBucket(server));
  const life = stack.move();
  return { server, bucket, [Symbol.asyncDispose]: () => life.disposeAsync() };
});

conform({
  name: "s3 on ceph",
  ignore,
  lacks: ["rename", "hardLink", "makeLink", "setMode", "flush"],
  gives: ["cut"],
  known: {
    "list() of an empty folder gives nothing": hollow,
    "list() tells folders, files and their sizes": hollow,
    "at() gives a backend whose dispose closes nothing": hollow,
    "write() to a missing parent rejects with notFound": hollow,
    "write() below a file rejects and leaves the file": beside,
    "write() over a folder rejects and leaves what it holds": beside,
    "write() over an empty folder rejects and leaves the folder": hollow,
    "write() that expects a folder rejects with changed when a file is there": hollow,
    "write() takes over no leftover that is longer than the source": "nothing is written under a temporary name",
    "makeDir() makes a folder and gives its entry": hollow,
    "makeDir() in a missing parent rejects with notFound": hollow,
    "makeDir() of a root makes its parents too": hollow,
    "remove() removes an empty folder, and what is absent is no error": hollow,
    "remove() of a folder that holds something rejects with changed": hollow,
    "remove() of a file where a folder is now rejects with changed": hollow,
    "remove() of a folder where a file is now rejects with changed": hollow,
  },
  async fresh() {
    await using stack = new AsyncDisposableStack();
    const { server, bucket } = running();
    const path = `/${crypto.randomUUID()}/own`;
    // Marks the folder, so that it is there though it is empty.
    await bucket.put(`${path.slice(1)}/`, "");
    const proxy = stack.use(await startProxy(server.port));
    const options = { Timeout: "10000" };
    const backend = stack.use(await openTestS3(server, { bucket: bucket.name, port: proxy.port, path, options }));
    const life = stack.move();
    return {
      backend,
      secret: server.secretKey,
      cut: () => proxy.refuse(true),
      [Symbol.asyncDispose]: () => life.disposeAsync(),
    };
  },
});
