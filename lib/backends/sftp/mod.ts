import { parentOf, type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "../../core/entry.ts";
import type {
  Backend,
  Body,
  Call,
  Content,
  Expecting,
  OpenProtocol,
  Place,
  ReadOptions,
  Target,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import { removeEntry, renameEntry, setEntryMode, setEntryTime } from "./changes.ts";
import { connectSftp } from "../../ssh/connect.ts";
import { childOf, look, lookFor } from "./stat.ts";
import { Folders } from "./parent_check.ts";
import { findBelow } from "./remote_find.ts";
import { Hashes } from "./remote_checksum.ts";
import { listFolder } from "./list.ts";
import { HARD_LINK, makeFolder, makeHardLink, makeSymlink } from "./create.ts";
import { findPlace, loginFolder } from "./root.ts";
import { Pool } from "./pool.ts";
import { readFile } from "./read.ts";
import { POSIX_RENAME } from "./temp_file.ts";
import type { Wire } from "./client.ts";
import { overwrite } from "./overwrite.ts";
import { writeFile } from "./write.ts";
import type { OperationContext } from "../../core/operation.ts";
import type { SshConnector } from "../../ssh/types.ts";

/**
 * Connects to an SFTP server: verifies the host key, authenticates, and opens one connection. Rejects with connection,
 * timeout, auth, hostKey or badInput.
 */
export const openSftp: OpenProtocol = async (target, call) => {
  return await openSftpOver(await connectSftp(target, call), target, call);
};

/** Opens the backend over the connections of the given connector. */
async function openSftpOver(
  connector: SshConnector,
  { address, options }: Pick<Target, "address" | "options">,
  call: Call,
): Promise<Backend> {
  const pool = new Pool(connector, {
    timeout: numberOf(options.Timeout, TIMEOUT_MS),
    reconnectTime: numberOf(options.ReconnectTime, RECONNECT_MS),
    connections: numberOf(options.Connections, CONNECTIONS),
  });
  try {
    await pool.open(call);
    const wire = await pool.wire(call);
    const home = loginFolder(wire, call);
    const [place] = await Promise.all([findPlace(wire, address.path, { ...call, home }), home]);
    const learned: Learned = {};
    const traits = traitsOf(wire, numberOf(options.Connections, CONNECTIONS), learned);
    const abilities = { runsCommands: wire.software.startsWith("OpenSSH"), linksFiles: wire.offers(HARD_LINK) };
    const server = { connector, pool, home, hashes: new Hashes(pool), traits, learned, ...abilities };
    return new Sftp(server, { place, owns: true });
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
interface Server {
  readonly connector: SshConnector;
  readonly pool: Pool;
  readonly home: Promise<string>;
  readonly hashes: Hashes;
  /**
   * Whether commands are run. Servers other than OpenSSH may misread a command, or run it on another file system than
   * the SFTP server's.
   */
  readonly runsCommands: boolean;
  readonly linksFiles: boolean;
  readonly traits: Traits;
  readonly learned: Learned;
}

/**
 * The server's behaviour, as found during the session. `showsDots`: its listings leave out no name that begins with a
 * dot.
 */
interface Learned {
  showsDots?: boolean;
}

class Sftp implements Backend {
  readonly label: string;
  readonly peer: string;
  readonly place: Place;
  readonly traits: Traits;
  readonly hardLink?: NonNullable<Backend["hardLink"]>;
  readonly walk?: NonNullable<Backend["walk"]>;
  readonly #server: Server;
  readonly #pool: Pool;
  readonly #owns: boolean;
  readonly #folders = new Folders((path) => this.#at(path));

  constructor(server: Server, { place, owns }: { readonly place: Place; readonly owns: boolean }) {
    this.label = server.connector.label;
    this.peer = server.connector.peer;
    this.place = place;
    this.traits = server.traits;
    this.#server = server;
    this.#pool = server.pool;
    this.#owns = owns;
    if (server.linksFiles) this.hardLink = (from, to, options) => this.#hardLink(from, to, options);
    if (server.runsCommands) this.walk = (dir, call) => this.#walk(dir, call);
  }

  async at(folder: string, call: Call): Promise<Backend> {
    const wire = await this.#pool.wire(call);
    const place = await findPlace(wire, folder, { ...call, from: this.place.path, home: this.#server.home });
    return new Sftp(this.#server, { place, owns: false });
  }

  async list(dir: RelPath, call: Call): Promise<readonly Entry[]> {
    const ask = asking("list", dir, call);
    const wire = await this.#pool.wire(ask);
    const isFolder = this.#folders.check(wire, dir, ask);
    const onDot = () => void (this.#server.learned.showsDots = true);
    return await listFolder(wire, { ...ask, at: this.#at(dir), isFolder, onDot });
  }

  async *#walk(dir: RelPath, call: Call): AsyncIterable<readonly Entry[]> {
    const ask = asking("list", dir, call);
    const found = await findBelow(this.#pool, { ...ask, at: this.#at(dir) });
    this.#server.learned.showsDots = true;
    yield found;
  }

  async stat(path: RelPath, call: Call): Promise<Entry | undefined> {
    const ask = asking("look at", path, call);
    return await look(await this.#pool.wire(ask), this.#at(path), ask);
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    return await readFile(this.#pool, { ...options, ...this.#spot("read", path, options) });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const spot = this.#spot("write", path, options);
    const writing = { ...spot, dir: this.#at(parentOf(path)), options };
    return options.inPlace === true
      ? await overwrite(this.#pool, body, writing)
      : await writeFile(this.#pool, body, writing);
  }

  async makeDir(path: RelPath, call: Call): Promise<DirEntry> {
    return await makeFolder(this.#pool, this.#spot("make the folder", path, call));
  }

  async remove(entry: Entry, call: Call): Promise<void> {
    await removeEntry(this.#pool, entry, this.#spot("remove", entry.path, call));
    this.#folders.forget(entry.path);
  }

  async rename(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    const source = this.#spot("rename", from, options);
    await renameEntry(this.#pool, source, { ...this.#spot("rename", to, options), ...expecting(options) });
    this.#folders.forget(from);
  }

  async #hardLink(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    const target = { ...this.#spot("link to", to, options), ...expecting(options) };
    await makeHardLink(this.#pool, this.#spot("link to", from, options), target);
  }

  async makeLink(path: RelPath, target: string, options: Call & Expecting): Promise<LinkEntry> {
    const spot = this.#spot("make the link", path, options);
    return await makeSymlink(this.#pool, target, { ...spot, ...expecting(options), dir: this.#at(parentOf(path)) });
  }

  async setModified(path: RelPath, modified: number, call: Call): Promise<void> {
    await setEntryTime(this.#pool, modified, this.#spot("set the time of", path, call));
  }

  async setMode(path: RelPath, mode: number, call: Call): Promise<void> {
    await setEntryMode(this.#pool, mode & 0o777, this.#spot("set the mode of", path, call));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: Call): Promise<Checksum | undefined> {
    if (!wanted.includes("sha256")) return undefined;
    const spot = this.#spot("hash", entry.path, call);
    const sum = await this.#server.hashes.sha256(spot.at, { ...spot, size: entry.size });
    await lookFor(await this.#pool.wire(spot), spot.at, { ...spot, expect: entry });
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#pool[Symbol.asyncDispose]();
  }

  /** Returns the server path of a path. */
  #at(path: RelPath): string {
    return path === root ? this.place.path : childOf(this.place.path, path);
  }

  #spot(operation: string, path: RelPath, call: Call): OperationContext & Where {
    const ask = asking(operation, path, call);
    return {
      ...ask,
      at: this.#at(path),
      checkParent: (wire) => this.#folders.checkNow(wire, parentOf(path), ask),
    };
  }
}

interface Where {
  readonly at: string;
  checkParent(wire: Wire): Promise<void>;
}

function asking(operation: string, path: RelPath, { signal }: Call): OperationContext {
  return { operation, path, signal };
}

function expecting({ expect }: Expecting): Expecting {
  return expect === undefined ? {} : { expect };
}

function traitsOf(wire: Wire, connections: number, learned: Learned): Traits {
  const atomic = wire.offers(POSIX_RENAME);
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
      return learned.showsDots;
    },
  };
}

function numberOf(text: string | undefined, fallback: number): number {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fallback;
}
