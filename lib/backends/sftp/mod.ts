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
import { removeEntry, renameEntry, setEntryMode, setEntryTime } from "./changes.ts";
import { connectSsh } from "../../ssh/connect.ts";
import { childOf, stat, statExpecting } from "./stat.ts";
import { ParentCheck } from "./parent_check.ts";
import { walk } from "./remote_find.ts";
import { RemoteChecksums } from "./remote_checksum.ts";
import { list } from "./list.ts";
import { HARD_LINK, makeDir, makeHardLink, makeSymlink } from "./create.ts";
import { loginFolder, resolveRoot } from "./root.ts";
import { Pool } from "./pool.ts";
import { readFile } from "./read.ts";
import { POSIX_RENAME } from "./temp_file.ts";
import type { SftpClient } from "./client.ts";
import { overwriteInPlace } from "./overwrite.ts";
import { writeFile } from "./write.ts";
import type { OperationContext } from "../../core/operation.ts";
import type { SshConnector } from "../../ssh/types.ts";
import type { ConnectContext, OpenProtocol } from "../../core/protocol.ts";
import { numberOption } from "../shared/options.ts";

/**
 * Connects to an SFTP server: verifies the host key, authenticates, and opens one connection. Rejects with connection,
 * timeout, auth, hostKey or badInput.
 */
export const openSftp: OpenProtocol = async (target, call) => {
  return await openSftpOver(await connectSsh(target, call), target, call);
};

/** Opens the backend over the connections of the given connector. */
async function openSftpOver(
  connector: SshConnector,
  { address, options }: Pick<ConnectContext, "address" | "options">,
  call: CallOptions,
): Promise<Backend> {
  const pool = new Pool(connector, {
    timeout: numberOption(options.Timeout, TIMEOUT_MS),
    reconnectTime: numberOption(options.ReconnectTime, RECONNECT_MS),
    connections: numberOption(options.Connections, CONNECTIONS),
  });
  try {
    await pool.open(call);
    const client = await pool.client(call);
    const home = loginFolder(client, call);
    const [place] = await Promise.all([resolveRoot(client, address.path, { ...call, home }), home]);
    const profile: ServerProfile = {};
    const traits = traitsOf(client, numberOption(options.Connections, CONNECTIONS), profile);
    const capabilities = { runsCommands: client.software.startsWith("OpenSSH"), hardLinks: client.supports(HARD_LINK) };
    const session = { connector, pool, home, checksums: new RemoteChecksums(pool), traits, profile, ...capabilities };
    return new SftpBackend(session, { place, owns: true });
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw error;
  }
}

const TIMEOUT_MS = 15_000;
const RECONNECT_MS = 120_000;
const CONNECTIONS = 4;
const PARALLEL_FILES = 256;

/** The state shared by all backends of one server. */
interface SftpSession {
  readonly connector: SshConnector;
  readonly pool: Pool;
  readonly home: Promise<string>;
  readonly checksums: RemoteChecksums;
  /**
   * Whether commands are run. Servers other than OpenSSH may misread a command, or run it on another file system than
   * the SFTP server's.
   */
  readonly runsCommands: boolean;
  readonly hardLinks: boolean;
  readonly traits: Traits;
  readonly profile: ServerProfile;
}

/**
 * The server's behaviour, as found during the session. `showsDots`: its listings leave out no name that begins with a
 * dot.
 */
interface ServerProfile {
  showsDots?: boolean;
}

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

  constructor(server: SftpSession, { place, owns }: { readonly place: BackendRoot; readonly owns: boolean }) {
    this.label = server.connector.label;
    this.fingerprint = server.connector.peer;
    this.root = place;
    this.traits = server.traits;
    this.#session = server;
    this.#pool = server.pool;
    this.#ownsPool = owns;
    if (server.hardLinks) this.hardLink = (from, to, options) => this.#hardLink(from, to, options);
    if (server.runsCommands) this.walk = (dir, call) => this.#walk(dir, call);
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const client = await this.#pool.client(call);
    const place = await resolveRoot(client, folder, { ...call, from: this.root.path, home: this.#session.home });
    return new SftpBackend(this.#session, { place, owns: false });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    const context = operationContext("list", dir, call);
    const client = await this.#pool.client(context);
    const isFolder = this.#parentCheck.check(client, dir, context);
    const onDot = () => void (this.#session.profile.showsDots = true);
    return await list(client, {
      ...context,
      serverPath: this.#toServerPath(dir),
      folderCheck: isFolder,
      onDotEntry: onDot,
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
    return await readFile(this.#pool, { ...options, ...this.#resolve("read", path, options) });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const spot = this.#resolve("write", path, options);
    const writing = { ...spot, dir: this.#toServerPath(parentOf(path)), options };
    return options.inPlace === true
      ? await overwriteInPlace(this.#pool, body, writing)
      : await writeFile(this.#pool, body, writing);
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
    const spot = this.#resolve("make the link", path, options);
    return await makeSymlink(this.#pool, target, {
      ...spot,
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
    const spot = this.#resolve("hash", entry.path, call);
    const sum = await this.#session.checksums.sha256(spot.serverPath, { ...spot, size: entry.size });
    await statExpecting(await this.#pool.client(spot), spot.serverPath, { ...spot, expect: entry });
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownsPool) await this.#pool[Symbol.asyncDispose]();
  }

  /** Returns the server path of a path. */
  #toServerPath(path: RelPath): string {
    return path === root ? this.root.path : childOf(this.root.path, path);
  }

  #resolve(operation: string, path: RelPath, call: CallOptions): OperationContext & PathContext {
    const context = operationContext(operation, path, call);
    return {
      ...context,
      serverPath: this.#toServerPath(path),
      checkParent: (client) => this.#parentCheck.checkNow(client, parentOf(path), context),
    };
  }
}

interface PathContext {
  readonly serverPath: string;
  checkParent(client: SftpClient): Promise<void>;
}

function operationContext(operation: string, path: RelPath, { signal }: CallOptions): OperationContext {
  return { operation, path, signal };
}

function pickExpected({ expect }: Precondition): Precondition {
  return expect === undefined ? {} : { expect };
}

function traitsOf(client: SftpClient, connections: number, profile: ServerProfile): Traits {
  const atomic = client.supports(POSIX_RENAME);
  return {
    timeStep: 1000,
    dirTimes: true,
    caseSensitive: true,
    normalizes: false,
    hasDirs: true,
    atomicWrite: atomic,
    atomicRename: atomic,
    inPlace: true,
    maxConnections: connections,
    parallelFiles: PARALLEL_FILES,
    names: "posix",
    maxNameBytes: 255,
    get showsDots() {
      return profile.showsDots;
    },
  };
}
