import { posix } from "node:path";
import { cancelled } from "../../core/errors.ts";
import { parentOf, printable, type RelPath, root } from "../../core/path.ts";
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
import { makeFolder, removeEntry, removeLink, renameEntry, setEntryMode, setEntryTime } from "./changes.ts";
import { Folders, listFolder } from "./linked_folders.ts";
import { hashesOf, hashFile } from "./checksum.ts";
import { toLogin, unspell } from "./connect.ts";
import { look } from "./stat.ts";
import { FtpPool } from "./pool.ts";
import { readFile } from "./read.ts";
import { childOf, type Doing, onLink, type Site } from "./session.ts";
import { likelySetter, newTimes } from "./times.ts";
import { writeFile } from "./write.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Connects to an FTP server and logs in. Rejects with connection, timeout, auth, hostKey or badInput. */
export const openFtp: OpenProtocol = async (target, call) => {
  const { address, options } = target;
  const login = await toLogin(target);
  const { link, abilities } = await login.first(call);
  // The runtime keeps one TLS session for each host name. Servers that compare the sessions of data and control
  // connection therefore get one connection only.
  const isPicky = link.isSecure && !abilities.takesAnySession;
  const connections = isPicky ? 1 : numberOf(options.Connections, link.isFar ? FAR_CONNECTIONS : CONNECTIONS);
  const reconnectTime = numberOf(options.ReconnectTime, RECONNECT_MS);
  const pool = new FtpPool(link, {
    connect: (inner) => login.connect(inner),
    timeout: login.timeout,
    connections,
    reconnectTime,
  });
  const hasMlst = abilities.features.has("MLST");
  const setter = likelySetter({ abilities });
  const site: Site = {
    label: login.label,
    pool,
    abilities,
    spelling: login.spelling,
    hasMlst,
    hasChmod: hasMlst && /\bCHMOD\b/.test(abilities.site),
    altersBlanks: /PURE-FTPD/.test(abilities.site),
    look: (link, doing) => look(link, site, doing),
    learned: { ...newTimes(setter), listAll: true, showsDots: undefined, zone: undefined, folders: new Folders() },
  };
  const traits: Traits = {
    timeStep: setter === "none" ? undefined : 1000,
    dirTimes: false,
    caseSensitive: true,
    normalizes: false,
    hasDirs: true,
    atomicWrite: abilities.isUnix,
    atomicRename: abilities.isUnix,
    maxConnections: connections,
    parallelFiles: connections,
    names: "posix",
    maxNameBytes: 255,
    get showsDots() {
      return site.learned.showsDots;
    },
  };
  try {
    const home = unspell(abilities.home, login.spelling);
    return new Ftp({ site, traits, home }, { place: findPlace(address.path, { from: home, home }), owns: true });
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw error;
  }
};

/** The default number of connections. A server that allows fewer refuses the rest, and that is no error. */
const CONNECTIONS = 8;
/**
 * The default number of connections at high latency, when more of them help: each file takes two round trips at least.
 */
const FAR_CONNECTIONS = 12;
const RECONNECT_MS = 120_000;

/** The state shared by all backends of one server. */
interface Server {
  readonly site: Site;
  readonly traits: Traits;
  readonly home: string;
}

class Ftp implements Backend {
  readonly label: string;
  readonly traits: Traits;
  readonly place: Place;
  readonly peer?: string;
  readonly setModified?: (path: RelPath, modified: number, call: Call) => Promise<void>;
  readonly setMode?: (path: RelPath, mode: number, call: Call) => Promise<void>;
  readonly checksum?: (entry: FileEntry, wanted: readonly string[], call: Call) => Promise<Checksum | undefined>;
  readonly #server: Server;
  readonly #site: Site;
  readonly #owns: boolean;

  constructor(server: Server, { place, owns }: { readonly place: Place; readonly owns: boolean }) {
    const { site } = server;
    this.label = site.label;
    this.traits = server.traits;
    this.place = place;
    site.learned.folders.addRoot(place.path);
    if (site.abilities.peer !== undefined) this.peer = site.abilities.peer;
    this.#server = server;
    this.#site = site;
    this.#owns = owns;
    if (server.traits.timeStep !== undefined) {
      this.setModified = (path, modified, call) =>
        setEntryTime(site, modified, this.#doing("set the time of", path, call));
    }
    if (site.hasChmod) {
      this.setMode = (path, mode, call) => setEntryMode(site, mode, this.#doing("set the mode of", path, call));
    }
    if (hashesOf(site).length > 0) {
      this.checksum = (entry, wanted, call) =>
        hashFile(site, wanted, { ...this.#doing("hash", entry.path, call), entry });
    }
  }

  at(folder: string, { signal }: Call): Promise<Backend> {
    if (signal.aborted) return Promise.reject(cancelled(signal, "open a folder"));
    return this.#site.pool.use({ signal, operation: "open a folder" }, () => {
      const place = findPlace(folder, { from: this.place.path, home: this.#server.home });
      return Promise.resolve(new Ftp(this.#server, { place, owns: false }));
    });
  }

  async list(dir: RelPath, call: Call): Promise<readonly Entry[]> {
    const doing = this.#doing("list", dir, call);
    return await onLink(this.#site, doing, async (link) => (await listFolder(link, this.#site, doing)).entries);
  }

  async stat(path: RelPath, call: Call): Promise<Entry | undefined> {
    const doing = this.#doing("look at", path, call);
    return await onLink(this.#site, doing, (link) => look(link, this.#site, { ...doing, precise: true }));
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    return await readFile(this.#site, { ...options, ...this.#doing("read", path, options) });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const doing = this.#doing("write", path, options);
    return await writeFile(this.#site, body, { ...doing, dir: this.#at(parentOf(path)), options });
  }

  async makeDir(path: RelPath, call: Call): Promise<DirEntry> {
    return await makeFolder(this.#site, this.#doing("make the folder", path, call));
  }

  async remove(entry: Entry, call: Call): Promise<void> {
    await removeEntry(this.#site, entry, this.#doing("remove", entry.path, call));
  }

  async removeLink({ path }: DirEntry, call: Call): Promise<boolean> {
    return await removeLink(this.#site, this.#doing("remove", path, call));
  }

  async rename(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    const target = { ...this.#doing("rename", to, options) };
    const expecting = options.expect === undefined ? {} : { expect: options.expect };
    await renameEntry(this.#site, this.#doing("rename", from, options), { ...target, ...expecting });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#site.pool[Symbol.asyncDispose]();
  }

  /** Returns the path as the server names it. */
  #at(path: RelPath): string {
    return path === root ? this.place.path : childOf(this.place.path, path);
  }

  #doing(operation: string, path: RelPath, { signal }: Call): Doing {
    return { operation, path, signal, at: this.#at(path) };
  }
}

/**
 * Resolves a folder: "/x" and "//x" are absolute, "~", "~/x" and "/~/x" start at the login folder, and all others at
 * `from`.
 */
function findPlace(folder: string, { from, home }: { readonly from: string; readonly home: string }): Place {
  const ask: OperationContext = { signal: new AbortController().signal, operation: "open", path: root };
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(folder)) {
    throw operationError(ask, "badInput", { why: `"${printable(folder)}" holds a control character` });
  }
  const [, , below] = /^(\/?~(?:\/|$))(.*)$/s.exec(folder) ?? [];
  const joined = below === undefined ? posix.resolve(from, folder) : posix.join(home, below);
  const path = joined.replace(/^\/+/, "/").replace(/(?<=.)\/+$/, "");
  if (path === home && home !== "/") return { path, broad: "the login folder" };
  if (path === "/" && home !== "/") return { path, broad: "the server's root folder" };
  return { path };
}

function numberOf(text: string | undefined, fallback: number): number {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fallback;
}
