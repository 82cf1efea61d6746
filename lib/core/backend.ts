import type { NameRules, RelPath } from "./path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "./entry.ts";

/**
 * What a place can do, as data. `timeStep` in ms, undefined where times cannot be kept at all; `dirTimes`: a folder's time moves when a
 * name in it comes or goes; `normalizes`: é in NFC and NFD are one name; `hasDirs`: empty folders exist; `atomicWrite`: a reader never
 * sees the name absent or half written while it is replaced; `names`: which names fit; `maxNameBytes` in UTF-8 bytes.
 */
export interface Traits {
  readonly timeStep: number | undefined;
  readonly dirTimes: boolean;
  readonly caseSensitive: boolean;
  readonly normalizes: boolean;
  readonly hasDirs: boolean;
  readonly atomicWrite: boolean;
  readonly atomicRename: boolean;
  /** write() can replace the content of a file in place (WriteOptions.inPlace). */
  readonly inPlace?: true;
  readonly maxConnections: number;
  /** How many files may usefully be in flight at once. */
  readonly parallelFiles: number;
  readonly names: NameRules;
  readonly maxNameBytes: number;
  /** Whether listings show names that begin with a dot; undefined until something told. It may become known at any time. */
  readonly showsDots?: boolean | undefined;
  /** An equal revision is no proof of equal bytes (ETags of WebDAV): size and time have to agree as well. */
  readonly weakRevisions?: boolean;
}

export interface Call {
  readonly signal: AbortSignal;
}

/** What is expected at the path right now; else the call rejects with kind "changed" and changes nothing. A conditional request where that is real, else a stat just before. Files are compared by size, time and revision, other entries by kind. */
export interface Expecting {
  readonly expect?: Entry | "absent";
}

/** A file's bytes: small ones whole, large ones as a stream. */
export type Content = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;

/** Gives the content, or the range from..to (to exclusive), anew each time it is called, several at once too, so that a layer can try again and a backend can send ranges side by side. */
export type Body = (from?: number, to?: number) => Promise<Content>;

export interface ReadOptions extends Call {
  /** First byte; 0 by default. */
  readonly offset?: number;
  /** Number of bytes; to the end by default. */
  readonly length?: number;
  /** Rejects with kind "changed" when the file is no longer this one, before the first or after the last byte. */
  readonly expect?: FileEntry;
  /** Called with the file's time before its content is handed over, where it comes with the content and not with a listing. */
  onModified?(modified: number): void;
}

export interface WriteOptions extends Call, Expecting {
  /** Bytes that `body` must give; fewer or more reject with kind "changed" and leave what was there. */
  readonly size: number;
  readonly modified?: number;
  /** rwx bits to give a file that is new here; a replaced file keeps its own. */
  readonly mode?: number;
  /**
   * The new content goes into the file that is expected there: its owner, its ACL, its other names stay, and old and new mix until it is
   * done, also when this rejects. Never through a link. Only where Traits.inPlace says so.
   */
  readonly inPlace?: boolean;
  /**
   * 16 lower-case hex digits that stand for these very source bytes, this pair of roots and this machine's user. A backend that
   * writes under a temporary name puts it there (temp.ts); what a broken write left under the same tag may be continued.
   */
  readonly tag?: string;
  /** A secret of this machine's user: what a broken write left on a disk is proven by codes made with it. */
  readonly proofKey?: string;
  /** Called with bytes as they are on their way to the target; negative when a retry takes some back. */
  onBytes?(bytes: number): void;
  /** Called when the content is in place but something lesser was refused (its time, its mode): one sentence; `about` tells times, which are reported once for all files. */
  onWarning?(message: string, about?: "time"): void;
}

/** Content at hand, compared with what an entry shows. Equality is proven by a hash; inequality proves nothing, as the mark may be made in another way. */
export interface Proof {
  /** The content, all of it in order. */
  take(bytes: Uint8Array): void;
  /** Called once, behind the last byte: the content's checksum, and whether the entry's own content has it too. */
  result(): { readonly checksum: Checksum; readonly isEqual: boolean };
}

/** Where a backend is rooted. `path`: as the server names it. `broad`: why nobody means to empty this folder ("the login folder"). `disk`: its real path where it lies on a disk of this machine. */
export interface Place {
  readonly path: string;
  readonly broad?: string;
  readonly disk?: string;
}

/**
 * A folder somewhere. Every method may run beside any other, rejects with a SyncError and nothing else, ends in bounded time when the
 * link dies, and rejects with kind "cancelled" once `signal` is aborted. Rooted: paths are relative to the folder given to `at`.
 * Absence is a value (`stat`), existing folders and absent things to remove are no errors. An optional method is present exactly when
 * the server can do it. After dispose every call rejects.
 */
export interface Backend extends AsyncDisposable {
  /** For messages: "sftp://deploy@web1"; holds no secret. */
  readonly label: string;
  readonly traits: Traits;
  readonly place: Place;
  /** Who answered, where that was proven: the host key's "SHA256:…". */
  readonly peer?: string;
  /** Options by which another process has to reach the server, beside those that were given: what this login settled and must not be talked out of. */
  settled?(): Readonly<Record<string, string>>;

  /** The same connection, rooted elsewhere: absolute, or relative to this root. The folder need not exist; `stat(root)` tells. Disposing it closes nothing; disposing the backend that was opened does. */
  at(folder: string, call: Call): Promise<Backend>;

  /** Children of one folder, all of them, in no order, never the folder itself, each name through the gate (a refused one is an opaque entry of cause "name"). Links are LinkEntry where their target can be told, else opaque. Rejects with notFound when the folder is absent, with denied when it cannot be read. */
  list(dir: RelPath, call: Call): Promise<readonly Entry[]>;

  /** One entry, not followed when it is a link; undefined when absent. The root's path is "". */
  stat(path: RelPath, call: Call): Promise<Entry | undefined>;

  /** The content, or a range of it. A file that gives fewer bytes than its size rejects (the stream errors) with kind "changed". */
  read(path: RelPath, options: ReadOptions): Promise<Content>;

  /** Old or new: the path shows its complete old or its complete new content at every instant (Traits.atomicWrite), also when this rejects. The parent must exist (notFound). Gives the entry as the place now shows it, its size checked. Never writes through a link. */
  write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry>;

  /** Makes the folder; for the root also its parents. An existing folder is no error; a file there rejects with exists. */
  makeDir(path: RelPath, call: Call): Promise<DirEntry>;

  /** Removes a file, a link (never what it points to) or an EMPTY folder. Absent: no error. Compared first with `entry` (kind "changed" when it is another): size, time and revision of files. A folder that holds something rejects with kind "changed". */
  remove(entry: Entry, call: Call): Promise<void>;

  /** Removes a link that the listing showed as the folder it points to, never anything in there; false for a folder, which stays. Present where listings may show links so. Rejects with refused for a link that is to be left alone. */
  removeLink?(dir: DirEntry, call: Call): Promise<boolean>;
  rename?(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void>;
  copy?(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void>;
  /** Gives a file a second name. */
  hardLink?(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void>;
  makeLink?(path: RelPath, target: string, options: Call & Expecting): Promise<LinkEntry>;
  setModified?(path: RelPath, modified: number, call: Call): Promise<void>;
  setMode?(path: RelPath, mode: number, call: Call): Promise<void>;

  /** A danger that was seen while folders were listed, which a user should know of though the run goes on: a sentence. */
  caution?(): string | undefined;

  /** Works on the entry where a disk of this machine has it: no link leads to `at`, which holds for as long as the work takes. */
  onDisk?<T>(path: RelPath, work: (at: string) => Promise<T>, call: Call): Promise<T>;

  /** Names that came, went or changed in these folders are on the disk itself when it resolves: no power cut takes them back. A folder that is gone is no error. */
  flush?(dirs: readonly RelPath[], call: Call): Promise<void>;

  /** A content hash made where the file lies, in the first of the `wanted` algorithms (sha256, sha1, md5 …) that is offered; undefined when none is. */
  checksum?(entry: FileEntry, wanted: readonly string[], call: Call): Promise<Checksum | undefined>;

  /** What proves, with nothing asked of the server, that content at hand is the entry's; undefined where the entry shows nothing to compare with. */
  proof?(entry: FileEntry): Proof | undefined;

  /** The whole subtree below `dir` in no order, in batches of any size, where one listing is cheaper than one per folder. A folder that cannot be read is an opaque entry of cause "unreadable"; anything less than a complete listing rejects; with unsupported, before the first batch, where folders have to be listed one by one after all. */
  walk?(dir: RelPath, call: Call): AsyncIterable<readonly Entry[]>;
}

/** A parsed address: everything decoded. `pins`: fingerprints named in it. `path` as written after the host, "" when there is none. */
export interface Address {
  readonly scheme: string;
  readonly user?: string;
  readonly host: string;
  readonly port?: number;
  readonly path: string;
  readonly pins: readonly string[];
}

/** What a protocol needs to open a connection. Secrets are functions, fetched late. `options` are keyed by ProtocolOption.name. */
export interface Target {
  readonly address: Address;
  readonly options: Readonly<Record<string, string>>;
  /** "password", or a secret option's name ("SshPrivateKeyPassphrase"); undefined when the user gave none. */
  secret(name: string): Promise<string | undefined>;
  /** Asks at the terminal; undefined when there is none. */
  ask(prompt: string, echo: boolean): Promise<string | undefined>;
  /** A secret the user typed here that would open this server again: it may travel with the session to the next process. */
  keep(name: string, value: string): void;
  /** Names a further secret, such as a token that a login server gave: no output may show it. */
  conceal(secret: string): void;
  /** Shown once on stderr: a sentence a user should read though the run goes on. */
  warn(message: string): void;
  /** An environment variable (HOME, SSH_AUTH_SOCK …). */
  env(name: string): string | undefined;
  /** Nothing may be written on this machine (-WhatIf): no known host is stored. */
  readonly readOnly: boolean;
}

/** A parameter that a protocol adds to New-Session, Sync-Path and Compare-Path. A list reaches Target.options joined with ";", a duration in ms. */
export interface ProtocolOption {
  readonly name: string;
  readonly kind: "text" | "list" | "toggle" | "number" | "duration" | "secret";
  readonly values?: readonly string[];
  readonly aliases?: readonly string[];
  readonly help: string;
}

/** Opens a connection, rooted at the address's path or else the login folder. Rejects with connection, timeout, auth, hostKey or badInput. */
export type OpenProtocol = (target: Target, call: Call) => Promise<Backend>;

/** A row of the protocol table. The client library is imported when load() is called. `names`: values of -Protocol. `local`: the place is a disk of this machine and needs no host. */
export interface Protocol {
  readonly schemes: readonly string[];
  readonly names: readonly string[];
  readonly defaultPort: number | undefined;
  readonly local?: boolean;
  /** The host of an address is a bucket's name (or an endpoint, where a port follows). */
  readonly buckets?: boolean;
  readonly options: readonly ProtocolOption[];
  load(): Promise<OpenProtocol>;
}

/** A decorator: retry, limit, log. */
export type Layer = (inner: Backend) => Backend;
