import { openGcs } from "../../lib/backends/gcs/mod.ts";
import { skipsServer } from "../support/servers/install.ts";
import { startGcsEmulator } from "../support/servers/gcs_emulator.ts";
import { gcsTarget } from "../support/targets/gcs_target.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { noFolders } from "./no_folders.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const ignore = skipsServer("gcs-emulator");
const running = sharedServer(ignore, async () => {
  await using stack = new AsyncDisposableStack();
  const emulator = stack.use(await startGcsEmulator());
  const key = await Deno.makeTempFile({ prefix: "tandem-key-", suffix: ".json" });
  stack.defer(() => Deno.remove(key));
  await Deno.writeTextFile(key, emulator.keyFile());
  const life = stack.move();
  return { ...emulator, key, [Symbol.asyncDispose]: () => life.disposeAsync() };
});

const noMetadata = "the emulator sets no metadata of an object that is there (501)";
const noCopies = "the emulator copies nothing at this path (501)";

conform({
  name: "gcs on firebase's emulator",
  ignore,
  lacks: ["rename", "hardLink", "makeLink", "setMode", "flush"],
  gives: ["cut", "silence", "busy"],
  known: {
    ...noFolders,
    "write() takes over no leftover that is longer than the source": "nothing is written under a temporary name",
    "read() starts at the offset and ends after the length":
      "the emulator sends all of an object for a range at its end",
    "write() that expects absence makes a new file, and never replaces one": "the emulator compares no generations",
    "write() that expects a file of another time rejects with changed": noMetadata,
    "remove() of a file whose time alone is another rejects with changed": noMetadata,
    "setModified() sets the time within timeStep and nothing else": noMetadata,
    "copy() makes a second file of the same content": noCopies,
    "copy() over what is not expected rejects with changed": noCopies,
  },
  async fresh({ timeout = 10_000 } = {}) {
    const { port: own, key } = running();
    const bucket = `bucket-${crypto.randomUUID()}`;
    const options = { Timeout: String(timeout), KeyFile: key };
    const call = { signal: new AbortController().signal };
    const proxied = await throughProxy(own, (port) => openGcs(gcsTarget({ port }, { bucket, options }), call));
    return { ...proxied, busy: proxied.answer503 };
  },
});
