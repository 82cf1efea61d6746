import { parentOf, type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "../../core/entry.ts";
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
import { makeDir, makeHardLink, makeSymlink, removeEntry, renameEntry, setEntryMode, setEntryTime } from "./changes.ts";
import { connectSsh } from "../../ssh/connect.ts";
import { openSession, resolveRoot, type SessionLimits, type SftpSession } from "./connect.ts";
import { childOf, ParentCheck, type PathContext, pickExpected, stat, statExpecting } from "./stat.ts";
import { walk } from "./remote_find.ts";
import { list } from "./list.ts";
import type { Pool } from "./pool.ts";
import { unlessUnsent } from "./open_handles.ts";
import { readFile } from "./read.ts";
import { overwriteInPlace, writeFile } from "./write.ts";
import type { OperationContext } from "../../core/operation.ts";
import type { OpenProtocol } from "../../core/protocol.ts";

/**
 * Connects to an SFTP server: verifies the host key, authenticates, and opens one connection. Rejects with connection,
 * timeout, auth, hostKey or badInput.
 */
export const openSftp = (async (target, call, limits: SessionLimits = {}) => {
  const loadSystem = async () => (await import("../../ssh/system/client.ts")).connectSystemSsh;
  const { session, root } = await openSession(await connectSsh(target, call, loadSystem), target, call, limits);
  return new SftpBackend(session, { root, ownsPool: true });
}) satisfies OpenProtocol;

class SftpBackend implements Backend {
  readonly label: string;
  readonly fingerprint: string;
  readonly root: BackendRoot;
  readonly traits: Traits;
  readonly hardLink?: NonNullable<Backend["hardLink"]>;
  readonly walk?: NonNullable<Backend["walk"]>;
  readonly #session: SftpSession;
  readonly #pool: Pool;
  readonly #ownsPool: boolean;
  readonly #parentCheck = new ParentCheck((path) => this.#toServerPath(path));

  constructor(session: SftpSession, { root, ownsPool }: { readonly root: BackendRoot; readonly ownsPool: boolean }) {
    this.label = session.connector.label;
    this.fingerprint = session.connector.peer;
    this.root = root;
    this.traits = session.traits;
    this.#session = session;
    this.#pool = session.pool;
    this.#ownsPool = ownsPool;
    if (session.hardLinks) this.hardLink = (from, to, options) => this.#hardLink(from, to, options);
    if (session.runsCommands) this.walk = (dir, call) => this.#walk(dir, call);
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const client = await this.#pool.client(call);
    const root = await resolveRoot(client, folder, { ...call, from: this.root.path, home: this.#session.home });
    return new SftpBackend(this.#session, { root, ownsPool: false });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    const context = operationContext("list", dir, call);
    return await unlessUnsent(async () => {
      const client = await this.#pool.client(context);
      return await list(client, {
        ...context,
        serverPath: this.#toServerPath(dir),
        folderCheck: this.#parentCheck.check(client, dir, context),
        onDotEntry: () => void (this.#session.profile.showsDots = true),
      });
    });
  }

  async *#walk(dir: RelPath, call: CallOptions): AsyncIterable<readonly Entry[]> {
    const context = operationContext("list", dir, call);
    const found = await walk(this.#pool, { ...context, serverPath: this.#toServerPath(dir) });
    this.#session.profile.showsDots = true;
    yield found;
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    const context = operationContext("look at", path, call);
    return await stat(await this.#pool.client(context), this.#toServerPath(path), context);
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const context = { ...options, ...this.#resolve("read", path, options) };
    return await unlessUnsent(() => readFile(this.#pool, context));
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const resolved = this.#resolve("write", path, options);
    const context = { ...resolved, dir: this.#toServerPath(parentOf(path)), options };
    const write = options.inPlace === true ? overwriteInPlace : writeFile;
    return await unlessUnsent(() => write(this.#pool, body, context));
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    return await makeDir(this.#pool, this.#resolve("make the folder", path, call));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    await removeEntry(this.#pool, entry, this.#resolve("remove", entry.path, call));
    this.#parentCheck.invalidate(entry.path);
  }

  async rename(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const source = this.#resolve("rename", from, options);
    await renameEntry(this.#pool, source, { ...this.#resolve("rename", to, options), ...pickExpected(options) });
    this.#parentCheck.invalidate(from);
  }

  async #hardLink(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const target = { ...this.#resolve("link to", to, options), ...pickExpected(options) };
    await makeHardLink(this.#pool, this.#resolve("link to", from, options), target);
  }

  async makeLink(path: RelPath, target: string, options: CallOptions & Precondition): Promise<LinkEntry> {
    const resolved = this.#resolve("make the link", path, options);
    return await makeSymlink(this.#pool, target, {
      ...resolved,
      ...pickExpected(options),
      dir: this.#toServerPath(parentOf(path)),
    });
  }

  async setModified(path: RelPath, modified: number, call: CallOptions): Promise<void> {
    await setEntryTime(this.#pool, modified, this.#resolve("set the time of", path, call));
  }

  async setMode(path: RelPath, mode: number, call: CallOptions): Promise<void> {
    await setEntryMode(this.#pool, mode & 0o777, this.#resolve("set the mode of", path, call));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined> {
    if (!wanted.includes("sha256")) return undefined;
    const resolved = this.#resolve("hash", entry.path, call);
    const sum = await this.#session.checksums.sha256(resolved.serverPath, { ...resolved, size: entry.size });
    await statExpecting(await this.#pool.client(resolved), resolved.serverPath, { ...resolved, expect: entry });
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownsPool) await this.#pool[Symbol.asyncDispose]();
  }

  /** Returns the server path of a path. */
  #toServerPath(path: RelPath): string {
    return path === root ? this.root.path : childOf(this.root.path, path);
  }

  #resolve(operation: string, path: RelPath, call: CallOptions): PathContext {
    const context = operationContext(operation, path, call);
    return {
      ...context,
      serverPath: this.#toServerPath(path),
      checkParent: (client) => this.#parentCheck.checkNow(client, parentOf(path), context),
    };
  }
}

function operationContext(operation: string, path: RelPath, { signal }: CallOptions): OperationContext {
  return { operation, path, signal };
}
