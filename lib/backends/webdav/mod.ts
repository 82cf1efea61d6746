import { posix } from "node:path";
import { cancelled } from "../../core/errors.ts";
import { type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type {
  Backend,
  BackendRoot,
  Body,
  CallOptions,
  Content,
  Precondition,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import { sessionClosed } from "../../http/exchange.ts";
import { fetchChecksum, makeDir, moveEntry, removeEntry, setModified } from "./changes.ts";
import { connectWebdav, type DavConnection } from "./connect.ts";
import { splitPath } from "./href.ts";
import { UPLOAD_PATIENCE, type UploadPatience } from "./upload_patience.ts";
import { readFile } from "./read.ts";
import { writeFile } from "./write.ts";
import type { OpenProtocol } from "../../core/protocol.ts";
import type { PathContext } from "./client.ts";
import { list } from "./list.ts";
import { stat } from "./stat.ts";
import { statusOf } from "../../http/errors.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Connects to a WebDAV server (RFC 4918): verifies the certificate, logs in, and finds out the server's features.
 * Rejects with connection, timeout, auth, hostKey, refused or badInput.
 */
export const openWebdav: OpenProtocol = webdavOpener();

/** Returns openWebdav() with its own patience: tests do not wait for minutes. */
export function webdavOpener(patience: UploadPatience = UPLOAD_PATIENCE): OpenProtocol {
  return async (target, call) => {
    const connection = await connectWebdav(target, { ...call, patience });
    return new WebdavBackend(connection, { path: resolveFolder("/", connection.start), owns: true });
  };
}

class WebdavBackend implements Backend {
  readonly label: string;
  readonly root: BackendRoot;
  readonly traits: Traits;
  readonly setModified?: NonNullable<Backend["setModified"]>;
  readonly checksum?: NonNullable<Backend["checksum"]>;
  readonly #connection: DavConnection;
  readonly #owns: boolean;
  readonly #serverPath: readonly string[];

  constructor(connection: DavConnection, { path, owns }: { readonly path: string; readonly owns: boolean }) {
    this.label = connection.label;
    // A collection that a server offers is a share.
    this.root = { path, isOrdinary: true };
    this.traits = traitsOf(connection);
    this.#connection = connection;
    this.#owns = owns;
    this.#serverPath = splitPath(path);
    const { times, checksums } = connection.profile;
    if (times !== "none") this.setModified = (path, modified, call) => this.#setModified(path, modified, call);
    if (checksums) this.checksum = (entry, wanted, call) => this.#checksum(entry, wanted, call);
  }

  pinnedOptions(): Readonly<Record<string, string>> {
    const { scheme } = this.#connection.client.http;
    return scheme === undefined ? {} : { Auth: scheme };
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const context = this.#resolve("open the folder", root, call);
    if (call.signal.aborted) throw cancelled(call.signal, context.operation);
    if (this.#connection.isClosed) throw sessionClosed(context);
    return await Promise.resolve(
      new WebdavBackend(this.#connection, { path: resolveFolder(this.root.path, folder), owns: false }),
    );
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    return await list(this.#connection.client, this.#resolve("list", dir, call));
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    return (await stat(this.#connection.client, this.#resolve("look at", path, call)))?.entry;
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    return await readFile(this.#connection.client, { ...options, ...this.#resolve("read", path, options) });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const { client, profile, observed, directWrites } = this.#connection;
    const context = this.#resolve("write", path, options);
    const pending = { ...context, body, options, profile, observed, directWrites };
    return await this.#change(context, () => writeFile(client, pending));
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    const context = this.#resolve("make the folder", path, call);
    return await this.#change(context, () => makeDir(this.#connection.client, context));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    const context = this.#resolve("remove", entry.path, call);
    await this.#change(context, () => removeEntry(this.#connection.client, entry, context));
  }

  async rename(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    await this.#move("rename", from, { to, options, method: "MOVE" });
  }

  async copy(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const { entry } = await this.#move("copy", from, { to, options, method: "COPY" });
    if (entry.kind !== "file" || entry.modified === undefined || this.setModified === undefined) return;
    await this.setModified(to, entry.modified, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#connection[Symbol.asyncDispose]();
  }

  async #setModified(path: RelPath, modified: number, call: CallOptions): Promise<void> {
    const { client, profile } = this.#connection;
    await setModified(client, modified, { ...this.#resolve("set the time of", path, call), dialect: profile });
  }

  async #checksum(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined> {
    return await fetchChecksum(this.#connection.client, entry, { ...this.#resolve("hash", entry.path, call), wanted });
  }

  async #move(operation: string, from: RelPath, { to, options, method }: MoveOptions) {
    const { client } = this.#connection;
    const target = { ...this.#resolve(operation, to, options), method };
    const { expect } = options;
    return await moveEntry(client, this.#resolve(operation, from, options), {
      ...target,
      ...(expect === undefined ? {} : { expect }),
    });
  }

  /** Carries out a change. A refusal by a server that is known to refuse all of them says why. */
  async #change<T>(context: PathContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { refusalAdvice } = this.#connection.profile;
      const status = statusOf(error);
      if (refusalAdvice === undefined || !REFUSED_CHANGES.includes(status ?? 0)) throw error;
      throw operationError(context, "unsupported", { why: `${refusalAdvice} (${status})`, cause: error });
    }
  }

  #resolve(operation: string, path: RelPath, { signal }: CallOptions): PathContext {
    return { operation, path, signal, serverPath: [...this.#serverPath, ...splitPath(path)] };
  }
}

/** The statuses with which a server refuses a method, or a state that no client of WebDAV makes. */
const REFUSED_CHANGES: readonly number[] = [400, 405, 409, 501];

interface MoveOptions {
  readonly to: RelPath;
  readonly options: CallOptions & Precondition;
  readonly method: "MOVE" | "COPY";
}

/** Resolves a folder: "/x" is absolute, all others start at `from`. */
function resolveFolder(from: string, folder: string): string {
  return posix.resolve(from, folder);
}

function traitsOf({ client, profile, connections, observed, directWrites }: DavConnection): Traits {
  return {
    timeStep: { property: 1, header: 1000, none: undefined }[profile.times],
    dirTimes: false,
    caseSensitive: true,
    normalizes: false,
    hasDirs: true,
    atomicWrite: profile.atomic,
    atomicRename: profile.atomic,
    inPlace: true,
    ...(client.acceptsAltered ? { altersFiles: true } : {}),
    get directWrites() {
      // PUT itself replaces a file at once: nothing waits under another name.
      return profile.writes === "staged" && directWrites.isOn;
    },
    maxConnections: connections,
    parallelFiles: connections * 2,
    names: "posix",
    maxNameBytes: profile.maxNameBytes,
    // Servers build ETags as they like: one that stays the same, or comes from another node, proves nothing alone.
    weakRevisions: true,
    get showsDots() {
      return observed.showsDots;
    },
  };
}
