import assert from "node:assert/strict";
import { assertCode, type FolderContent, stampFolder } from "./sftp_pair.ts";
import { type GcsBucket, type GcsRequest, type GcsServer, startGcs } from "../servers/gcs.ts";
import { type RunOptions, type RunResult, startTandem, tandem } from "../tandem.ts";

/** A local folder, a bucket of a server of its own, and the program between them as a process of its own. */
export interface GcsPair extends AsyncDisposable {
  readonly server: GcsServer;
  readonly bucket: GcsBucket;
  /** A folder of this disk; `home` holds the key and what the program keeps. */
  readonly local: string;
  readonly home: string;
  readonly keyFile: string;
  /** The remote folder as the program is told it: a prefix, beside which other objects lie. */
  readonly address: string;
  /** The words that every run needs. */
  readonly login: readonly string[];
  /** Runs Sync-Path over the pair with these words behind it; another command when the first word is its name. */
  sync(words: string, options?: RunOptions): Promise<RunResult>;
  /** The same, still running. */
  start(words: string): Deno.ChildProcess;
  /** Puts an object below the prefix as another tool would. */
  put(path: string, content: string, metadata?: Readonly<Record<string, string>>): void;
  /** The objects below the prefix: path → content. */
  objects(): FolderContent;
  /** The requests since the last call, log-ins left out. */
  requests(): readonly GcsRequest[];
  /** Runs Sync-Path with these words and fails unless it only listed: no write, nothing asked of a single object, no file written here. */
  idle(words: string): Promise<void>;
}

/** Starts a server with one bucket and makes the folders. */
export async function startGcsPair(): Promise<GcsPair> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startGcs());
  const bucket = server.makeBucket("bucket");
  const dir = await Deno.makeTempDir({ prefix: "tandem-gcs-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const [local, home, keyFile] = [`${dir}/local`, `${dir}/home`, `${dir}/home/key.json`];
  for (const folder of [local, home]) await Deno.mkdir(folder);
  await Deno.writeTextFile(keyFile, server.keyFile());
  const address = "gs://bucket/site";
  const login = ["-Endpoint", server.endpoint, "-KeyFile", keyFile];
  const toArgs = (words: string) => {
    const [first = "", ...rest] = words.split(" ");
    const [command, more] = first.startsWith("-") ? ["Sync-Path", [first, ...rest]] : [first, rest];
    return [command, local, address, ...more, ...login];
  };
  // What lies beside the prefix is none of the program's business.
  bucket.store.put({ name: "site2/other", bytes: bytesOf("other") }, new URLSearchParams());
  let seen = 0;
  const asked = () => {
    const since = server.requests.slice(seen);
    seen = server.requests.length;
    return since;
  };
  const sync = (words: string, options: RunOptions = {}) => tandem(toArgs(words), { home, ...options });
  const life = stack.move();
  return {
    ...{ server, bucket, local, home, keyFile, address, login, sync, requests: asked },
    start: (words) => startTandem(toArgs(words), { home }),
    put: (path, content, metadata) =>
      void bucket.store.put({
        name: `site/${path}`,
        bytes: bytesOf(content),
        ...(metadata === undefined ? {} : { metadata }),
      }, new URLSearchParams()),
    objects: () => objectsIn(bucket),
    async idle(words) {
      const files = stampFolder(local);
      asked();
      const ran = await sync(words);
      assertCode(ran, 0);
      assert.deepEqual(asked().map(({ what }) => what).filter((what) => what !== "list"), []);
      assert.deepEqual(stampFolder(local), files);
      const { UploadCount, DownloadCount, RemovalCount, TouchCount } = ran.result();
      assert.deepEqual([UploadCount, DownloadCount, RemovalCount, TouchCount], [0, 0, 0, 0]);
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** The objects below the prefix. Fails when what lies beside it is no longer as it was. */
function objectsIn({ store }: GcsBucket): FolderContent {
  assert.equal(store.get("site2/other")?.bytes.length, 5);
  const found: Record<string, string> = {};
  for (const name of store.names()) {
    if (name === "site2/other") continue;
    found[name.replace(/^site\//, "")] = new TextDecoder().decode(store.get(name)?.bytes);
  }
  return found;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
