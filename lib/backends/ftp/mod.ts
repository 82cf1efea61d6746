import { posix } from "node:path";
import { cancelled } from "../../core/errors.ts";
import { escapeForDisplay, parentOf, type RelPath, root } from "../../core/path.ts";
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
import { makeDir, remove, removeLink, rename, setMode, setModified } from "./changes.ts";
import { LinkedFolderIndex } from "./linked_folders.ts";
import { list } from "./list.ts";
import { hashCommands, hashFile } from "./checksum.ts";
import { toConnector } from "./connect.ts";
import { describesFiles, type ServerProfile } from "./profile.ts";
import { stat } from "./stat.ts";
import { FtpPool } from "./pool.ts";
import { readFile } from "./read.ts";
import { childOf, type FtpSession, type PathContext, withConnection } from "./session.ts";
import { chooseTimeSetter, initialTimes } from "./times.ts";
import { UNDOTTED_FACT, writeFile } from "./write.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import type { ConnectContext, OpenProtocol } from "../../core/protocol.ts";
import { listingTimeout, numberOption } from "../shared/options.ts";
import { DirectWrites } from "../shared/direct_writes.ts";

/** Connects to an FTP server and logs in. Rejects with connection, timeout, auth, hostKey or badInput. */
export const openFtp: OpenProtocol = async (target, call) => {
  const { address, options } = target;
  const connector = await toConnector(target);
  const { control, profile } = await connector.connectFirst(call);
  // The runtime keeps one TLS session for each host name. Servers that compare the sessions of data and control
  // connection therefore get one connection only.
  const needsOneConnection = control.isSecure && !profile.acceptsAnyTlsSession;
  const connections = needsOneConnection
    ? 1
    : numberOption(options.Connections, control.highLatency ? HIGH_LATENCY_CONNECTIONS : CONNECTIONS);
  const reconnectTime = numberOption(options.ReconnectTime, RECONNECT_MS);
  const pool = new FtpPool(control, {
    connect: (inner) => connector.connect(inner),
    timeout: connector.timeout,
    connections,
    reconnectTime,
  });
  const hasMlst = profile.features.has("MLST");
  const setter = chooseTimeSetter({ profile });
  const warned = new Set<string>();
  const { serverMemory } = target;
  const session: FtpSession = {
    label: connector.label,
    pool,
    directWrites: new DirectWrites(connector.label, target),
    serverMemory,
    warnOnce(message) {
      if (warned.has(message)) return;
      warned.add(message);
      target.warn(message);
    },
    profile,
    encoding: connector.encoding,
    // Not a parameter: tests shorten it.
    listingTimeout: listingTimeout(options),
    finalReplyTime: Math.max(numberOption(options.FinalReplyTime, FINAL_REPLY_MS), connector.timeout),
    get hasMlst() {
      return hasMlst && !session.learned.lacksMlst;
    },
    hasChmod: hasMlst && /\bCHMOD\b/.test(profile.siteHelp),
    altersTrailingBlanks: /PURE-FTPD/.test(profile.siteHelp),
    stat: (control, context) => stat(control, session, context),
    learned: {
      ...initialTimes(setter),
      usesListAll: true,
      lacksMlst: false,
      lacksList: false,
      lacksRest: false,
      // A listing that hides dot names could not prove such a file.
      usesUndottedTemps: !describesFiles(profile) || serverMemory?.get(UNDOTTED_FACT) !== undefined,
      showsDots: undefined,
      hashesTooSlowly: false,
      unanswered: new Set(),
      zoneOffset: undefined,
      linkedFolders: new LinkedFolderIndex(),
      unreadLines: new Map(),
    },
  };
  warnOfMissing(profile, target);
  const traits: Traits = {
    get timeStep() {
      const isHidden = session.learned.mlstLacksTimes && !profile.features.has("MDTM");
      return setter === "none" || isHidden ? undefined : 1000;
    },
    dirTimes: false,
    caseSensitive: true,
    normalizes: false,
    hasDirs: true,
    atomicWrite: profile.isUnix,
    atomicRename: profile.isUnix,
    inPlace: true,
    get directWrites() {
      return session.directWrites.isOn;
    },
    maxConnections: connections,
    parallelFiles: connections,
    names: "posix",
    maxNameBytes: 255,
    get showsDots() {
      return session.learned.showsDots;
    },
  };
  try {
    const home = connector.encoding.decode(profile.home);
    return new FtpBackend({ session, traits, home }, {
      place: resolveRoot(address.path, { from: home, home, knowsHome: profile.knowsHome }),
      owns: true,
    });
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw error;
  }
};

/** Says what a bare server lacks, and what that means. */
function warnOfMissing({ features }: ServerProfile, target: ConnectContext): void {
  if (features.has("MLST")) return;
  if (!features.has("SIZE")) {
    target.warn(
      "The server has no SIZE and no MLST: sizes come from listings only, and each upload is checked by two of them",
    );
  }
  if (!features.has("MDTM")) {
    target.warn("The server has no MDTM and no MLST: times come from listings, as the server's own clock shows them");
  }
}

/** The default number of connections. A server that allows fewer refuses the rest, and that is no error. */
const CONNECTIONS = 8;
/**
 * The default number of connections at high latency, when more of them help: each file takes two round trips at least.
 */
const HIGH_LATENCY_CONNECTIONS = 12;
const RECONNECT_MS = 120_000;
/** The least wait for the final reply of a transfer: virus scanners and stores behind a server take minutes. */
const FINAL_REPLY_MS = 300_000;

/** The state shared by all backends of one server. */
interface ServerState {
  readonly session: FtpSession;
  readonly traits: Traits;
  readonly home: string;
}

class FtpBackend implements Backend {
  readonly label: string;
  readonly traits: Traits;
  readonly root: BackendRoot;
  readonly fingerprint?: string;
  readonly setModified?: (path: RelPath, modified: number, call: CallOptions) => Promise<void>;
  readonly setMode?: (path: RelPath, mode: number, call: CallOptions) => Promise<void>;
  readonly checksum?: (entry: FileEntry, wanted: readonly string[], call: CallOptions) => Promise<Checksum | undefined>;
  readonly #server: ServerState;
  readonly #session: FtpSession;
  readonly #owns: boolean;

  constructor(server: ServerState, { place, owns }: { readonly place: BackendRoot; readonly owns: boolean }) {
    const { session } = server;
    this.label = session.label;
    this.traits = server.traits;
    this.root = place;
    session.learned.linkedFolders.addRoot(place.path);
    if (session.profile.peer !== undefined) this.fingerprint = session.profile.peer;
    this.#server = server;
    this.#session = session;
    this.#owns = owns;
    if (server.traits.timeStep !== undefined) {
      this.setModified = (path, modified, call) =>
        setModified(session, modified, this.#context("set the time of", path, call));
    }
    if (session.hasChmod) {
      this.setMode = (path, mode, call) => setMode(session, mode, this.#context("set the mode of", path, call));
    }
    if (hashCommands(session).length > 0) {
      this.checksum = (entry, wanted, call) =>
        hashFile(session, wanted, { ...this.#context("hash", entry.path, call), entry });
    }
  }

  withRoot(folder: string, { signal }: CallOptions): Promise<Backend> {
    if (signal.aborted) return Promise.reject(cancelled(signal, "open a folder"));
    return this.#session.pool.use({ signal, operation: "open a folder" }, () => {
      const { home, session: { profile: { knowsHome } } } = this.#server;
      const place = resolveRoot(folder, { from: this.root.path, home, knowsHome });
      return Promise.resolve(new FtpBackend(this.#server, { place, owns: false }));
    });
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    const context = this.#context("list", dir, call);
    return await withConnection(
      this.#session,
      context,
      async (control) => (await list(control, this.#session, context)).entries,
    );
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    const context = this.#context("look at", path, call);
    return await withConnection(
      this.#session,
      context,
      (control) => stat(control, this.#session, { ...context, precise: true }),
    );
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    return await readFile(this.#session, { ...options, ...this.#context("read", path, options) });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    const context = this.#context("write", path, options);
    return await writeFile(this.#session, body, {
      ...context,
      serverParent: this.#serverPath(parentOf(path)),
      options,
    });
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    return await makeDir(this.#session, this.#context("make the folder", path, call));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    await remove(this.#session, entry, this.#context("remove", entry.path, call));
  }

  async removeLink({ path }: DirEntry, call: CallOptions): Promise<boolean> {
    return await removeLink(this.#session, this.#context("remove", path, call));
  }

  async rename(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const target = { ...this.#context("rename", to, options) };
    const expecting = options.expect === undefined ? {} : { expect: options.expect };
    await rename(this.#session, this.#context("rename", from, options), { ...target, ...expecting });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#session.pool[Symbol.asyncDispose]();
  }

  /** Returns the path as the server names it. */
  #serverPath(path: RelPath): string {
    return path === root ? this.root.path : childOf(this.root.path, path);
  }

  #context(operation: string, path: RelPath, { signal }: CallOptions): PathContext {
    return { operation, path, signal, serverPath: this.#serverPath(path) };
  }
}

/**
 * Resolves a folder: "/x" and "//x" are absolute, "~", "~/x" and "/~/x" start at the login folder, and all others at
 * `from`.
 */
function resolveRoot(
  folder: string,
  { from, home, knowsHome }: { readonly from: string; readonly home: string; readonly knowsHome: boolean },
): BackendRoot {
  const context: OperationContext = { signal: new AbortController().signal, operation: "open", path: root };
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(folder)) {
    throw operationError(context, "badInput", { why: `"${escapeForDisplay(folder)}" contains a control character` });
  }
  const [, , below] = /^(\/?~(?:\/|$))(.*)$/s.exec(folder) ?? [];
  const joined = below === undefined ? posix.resolve(from, folder) : posix.join(home, below);
  const path = joined.replace(/^\/+/, "/").replace(/(?<=.)\/+$/, "");
  if (path === home && home !== "/") return { path, risk: "the login folder" };
  if (path === "/" && (home !== "/" || !knowsHome)) return { path, risk: "the server's root folder" };
  return { path, isOrdinary: true };
}
