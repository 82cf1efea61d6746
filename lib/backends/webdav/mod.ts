import { posix } from "node:path";
import { cancelled } from "../../core/errors.ts";
import { type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type {
  Backend,
  Body,
  Call,
  Content,
  Expecting,
  OpenProtocol,
  Place,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import { closed } from "../../http/exchange.ts";
import { makeFolder, moveEntry, removeEntry, serverChecksum, setTime } from "./changes.ts";
import { connectWebdav, type Server } from "./connect.ts";
import { children, find, type Spot } from "./propfind.ts";
import { namesOf } from "./href.ts";
import { readFile } from "./read.ts";
import { writeFile } from "./write.ts";

/**
 * Connects to a WebDAV server (RFC 4918): verifies the certificate, logs in, and finds out the server's features.
 * Rejects with connection, timeout, auth, hostKey, refused or badInput.
 */
export const openWebdav: OpenProtocol = async (target, call) => {
  const server = await connectWebdav(target, call);
  return new Webdav(server, { path: resolved("/", server.start), owns: true });
};

class Webdav implements Backend {
  readonly label: string;
  readonly place: Place;
  readonly traits: Traits;
  readonly setModified?: NonNullable<Backend["setModified"]>;
  readonly checksum?: NonNullable<Backend["checksum"]>;
  readonly #server: Server;
  readonly #owns: boolean;
  readonly #names: readonly string[];

  constructor(server: Server, { path, owns }: { readonly path: string; readonly owns: boolean }) {
    this.label = server.label;
    this.place = { path };
    this.traits = traitsOf(server);
    this.#server = server;
    this.#owns = owns;
    this.#names = namesOf(path);
    const { times, checksums } = server.dialect;
    if (times !== "none") this.setModified = (path, modified, call) => this.#setModified(path, modified, call);
    if (checksums) this.checksum = (entry, wanted, call) => this.#checksum(entry, wanted, call);
  }

  settled(): Readonly<Record<string, string>> {
    const { scheme } = this.#server.finder.link;
    return scheme === undefined ? {} : { Auth: scheme };
  }

  async at(folder: string, call: Call): Promise<Backend> {
    const ask = this.#spot("open the folder", root, call);
    if (call.signal.aborted) throw cancelled(call.signal, ask.operation);
    if (this.#server.isClosed) throw closed(ask);
    return await Promise.resolve(new Webdav(this.#server, { path: resolved(this.place.path, folder), owns: false }));
  }

  async list(dir: RelPath, call: Call): Promise<readonly Entry[]> {
    return await children(this.#server.finder, this.#spot("list", dir, call));
  }

  async stat(path: RelPath, call: Call): Promise<Entry | undefined> {
    return (await find(this.#server.finder, this.#spot("look at", path, call)))?.entry;
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    return await readFile(this.#server.finder, { ...options, ...this.#spot("read", path, options) });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const { finder, dialect, origin, learned } = this.#server;
    return await writeFile(finder, { ...this.#spot("write", path, options), body, options, dialect, origin, learned });
  }

  async makeDir(path: RelPath, call: Call): Promise<DirEntry> {
    return await makeFolder(this.#server.finder, this.#spot("make the folder", path, call));
  }

  async remove(entry: Entry, call: Call): Promise<void> {
    await removeEntry(this.#server.finder, entry, this.#spot("remove", entry.path, call));
  }

  async rename(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    await this.#move("rename", from, { to, options, method: "MOVE" });
  }

  async copy(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    const { entry } = await this.#move("copy", from, { to, options, method: "COPY" });
    if (entry.kind !== "file" || entry.modified === undefined || this.setModified === undefined) return;
    await this.setModified(to, entry.modified, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#server[Symbol.asyncDispose]();
  }

  async #setModified(path: RelPath, modified: number, call: Call): Promise<void> {
    const { finder, dialect } = this.#server;
    await setTime(finder, modified, { ...this.#spot("set the time of", path, call), dialect });
  }

  async #checksum(entry: FileEntry, wanted: readonly string[], call: Call): Promise<Checksum | undefined> {
    return await serverChecksum(this.#server.finder, entry, { ...this.#spot("hash", entry.path, call), wanted });
  }

  async #move(operation: string, from: RelPath, { to, options, method }: Moved) {
    const { finder, origin } = this.#server;
    const target = { ...this.#spot(operation, to, options), origin, method };
    const { expect } = options;
    return await moveEntry(finder, this.#spot(operation, from, options), {
      ...target,
      ...(expect === undefined ? {} : { expect }),
    });
  }

  #spot(operation: string, path: RelPath, { signal }: Call): Spot {
    return { operation, path, signal, names: [...this.#names, ...namesOf(path)] };
  }
}

interface Moved {
  readonly to: RelPath;
  readonly options: Call & Expecting;
  readonly method: "MOVE" | "COPY";
}

/** Resolves a folder: "/x" is absolute, all others start at `from`. */
function resolved(from: string, folder: string): string {
  return posix.resolve(from, folder);
}

function traitsOf({ dialect, connections, learned }: Server): Traits {
  return {
    timeStep: { property: 1, header: 1000, none: undefined }[dialect.times],
    dirTimes: false,
    caseSensitive: true,
    normalizes: false,
    hasDirs: true,
    atomicWrite: dialect.atomic,
    atomicRename: dialect.atomic,
    maxConnections: connections,
    parallelFiles: connections * 2,
    names: "posix",
    maxNameBytes: dialect.maxNameBytes,
    // Servers build ETags as they like: one that stays the same, or comes from another node, proves nothing alone.
    weakRevisions: true,
    get showsDots() {
      return learned.showsDots;
    },
  };
}
