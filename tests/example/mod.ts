import { posix } from "node:path";
import type {
  Backend,
  BackendRoot,
  Body,
  CallOptions,
  Content,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../lib/core/backend.ts";
import type { DirEntry, Entry, FileEntry } from "../../lib/core/entry.ts";
import { cancelled } from "../../lib/core/errors.ts";
import { type RelPath, root } from "../../lib/core/path.ts";
import { sessionClosed } from "../../lib/http/exchange.ts";
import { makeDir, removeEntry } from "./changes.ts";
import { toServerPath } from "./client.ts";
import { connectExample, DEFAULT_PORT, type ExampleServer } from "./connect.ts";
import { list } from "./list.ts";
import { exampleOptions } from "./options.ts";
import { readFile } from "./read.ts";
import { stat } from "./stat.ts";
import { writeFile } from "./write.ts";
import type { OpenProtocol, Protocol } from "../../lib/core/protocol.ts";
import type { ResolvedPath } from "../../lib/core/operation.ts";

/** Connects to an example server. Rejects with connection, timeout, auth or badInput. */
export const openExample: OpenProtocol = async (context, call) => {
  const server = await connectExample(context, call);
  return new ExampleBackend(server, { path: server.start, owns: true });
};

/** The row of the protocol table. A protocol of Tandem's own has its row in lib/backends/mod.ts. */
export const exampleProtocol: Protocol = {
  schemes: ["example"],
  names: ["Example"],
  defaultPort: DEFAULT_PORT,
  options: exampleOptions,
  load: () => Promise.resolve(openExample),
};

class ExampleBackend implements Backend {
  readonly label: string;
  readonly root: BackendRoot;
  readonly traits: Traits;
  readonly #server: ExampleServer;
  readonly #owns: boolean;

  constructor(server: ExampleServer, { path, owns }: { readonly path: string; readonly owns: boolean }) {
    const { label, connections } = server;
    this.label = label;
    this.root = path === "/" ? { path, risk: "the server's root folder" } : { path };
    this.traits = { ...traits, maxConnections: connections, parallelFiles: connections };
    this.#server = server;
    this.#owns = owns;
  }

  withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const target = this.#resolve("open the folder", root, call);
    if (call.signal.aborted) return Promise.reject(cancelled(call.signal, target.operation));
    if (this.#server.client.isClosed) return Promise.reject(sessionClosed(target));
    const path = posix.resolve(this.root.path, folder);
    return Promise.resolve(new ExampleBackend(this.#server, { path, owns: false }));
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    return await list(this.#server.client, this.#resolve("list", dir, call));
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    return await stat(this.#server.client, this.#resolve("look at", path, call));
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    return await readFile(this.#server.client, this.#resolve("read", path, options), options);
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    return await writeFile(this.#server.client, this.#resolve("write", path, options), { ...options, body });
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    return await makeDir(this.#server.client, this.#resolve("make the folder", path, call));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    await removeEntry(this.#server.client, entry, this.#resolve("remove", entry.path, call));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#server.client[Symbol.asyncDispose]();
  }

  #resolve(operation: string, path: RelPath, { signal }: CallOptions): ResolvedPath {
    return { operation, path, signal, serverPath: toServerPath(this.root.path, path) };
  }
}

const traits: Traits = {
  timeStep: 1,
  dirTimes: false,
  caseSensitive: true,
  normalizes: false,
  hasDirs: true,
  atomicWrite: true,
  atomicRename: false,
  maxConnections: 4,
  parallelFiles: 4,
  names: "posix",
  maxNameBytes: 255,
};
