import type { NameRules, RelPath } from "./path.ts";
import type { Checksum, DirEntry, Entry, FileEntry, LinkEntry } from "./entry.ts";

/** The capabilities of a backend, as data. */
export interface Traits {
  /** The precision of stored times in ms; undefined if times cannot be stored at all. */
  readonly timeStep: number | undefined;
  /** Whether a folder's time changes when a name in it is added or removed. */
  readonly dirTimes: boolean;
  readonly caseSensitive: boolean;
  /** Whether é in NFC and in NFD are one name. */
  readonly normalizes: boolean;
  /** Whether empty folders exist. Otherwise a folder exists while a file is below it, and makeDir() has no effect. */
  readonly hasDirs: boolean;
  /** Whether a reader never sees the name absent or half written while it is replaced. */
  readonly atomicWrite: boolean;
  /** Whether a rename replaces its target without a moment in which the name is absent. */
  readonly atomicRename: boolean;
  /** write() can replace the content of a file in place (WriteOptions.inPlace). */
  readonly inPlace?: true;
  /** Whether write() writes new files under their final names: see WriteOptions.onDirectWrite. It may become true at any time. */
  readonly directWrites?: boolean;
  readonly maxConnections: number;
  /** The number of files that are worth transferring in parallel. */
  readonly parallelFiles: number;
  readonly names: NameRules;
  /** The longest name in UTF-8 bytes. */
  readonly maxNameBytes: number;
  /** Whether listings show names that begin with a dot; undefined until a listing has shown it. It may become known at any time. */
  readonly showsDots?: boolean | undefined;
  /** Whether times are stored in nanoseconds, which other programs may compare. */
  readonly keepsNanoseconds?: true;
  /** Equal revisions do not prove equal bytes (WebDAV ETags): size and time must be equal as well. */
  readonly weakRevisions?: boolean;
  /** write() may return an entry of another size: the user accepts what the server makes of a file that it is sent. */
  readonly altersFiles?: true;
}

export interface CallOptions {
  readonly signal: AbortSignal;
}

/**
 * The precondition: the entry expected at the path. If it does not hold, the call rejects with kind "changed" and
 * changes nothing. Checked by a conditional request if the server enforces these, otherwise by a stat just before.
 * Files are compared by size, time and revision, other entries by kind.
 */
export interface Precondition {
  readonly expect?: Entry | "absent";
}

/** The largest file, or range of one, in bytes that is read and written as one array. */
export const SMALL_FILE_BYTES = 256 * 1024;

/** A file's bytes: small ones whole, large ones as a stream. */
export type Content = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;

/**
 * Returns the content, or the range from..to (to exclusive). May be called repeatedly and concurrently, so that a layer
 * can retry and a backend can send ranges in parallel.
 */
export type Body = (from?: number, to?: number) => Promise<Content>;

export interface ReadOptions extends CallOptions {
  /** First byte; 0 by default. */
  readonly offset?: number;
  /** Number of bytes; to the end by default. */
  readonly length?: number;
  /** Rejects with kind "changed" when the file is no longer this one, before the first or after the last byte. */
  readonly expect?: FileEntry;
  /** Called with the file's time before its content is passed on, if the time comes with the content and not with a listing. */
  onModified?(modified: number): void;
}

export interface WriteOptions extends CallOptions, Precondition {
  /** Number of bytes that `body` must return; fewer or more reject with kind "changed" and keep the old content. */
  readonly size: number;
  readonly modified?: number;
  /** The nanoseconds of the time beyond the ms of `modified`, if they are known: see Traits.keepsNanoseconds. */
  readonly nanoseconds?: number;
  /** rwx bits for a newly created file; a replaced file keeps its own. */
  readonly mode?: number;
  /** Whether a newly created file of no given mode gets x bits where it has r bits; ignored where modes are not stored. */
  readonly executable?: boolean;
  /**
   * Writes the new content into the existing file, which is the precondition: its owner, its ACL and its hard links
   * stay, and old and new content mix until the write ends, also when it rejects. Never through a link. Only if
   * Traits.inPlace is set.
   */
  readonly inPlace?: boolean;
  /**
   * Called, and awaited, before the first byte of a new file goes under its final name, on servers that refuse temporary
   * names or renames: from then on the file may be half written.
   */
  onDirectWrite?(): Promise<void>;
  /**
   * 16 lower-case hex digits that identify the source's bytes, the pair of roots and this machine's user. A backend
   * that writes under a temporary name includes the tag in it (temp_name.ts); a partial file of an interrupted write
   * with the same tag may be resumed.
   */
  readonly tag?: string;
  /** A secret of this machine's user. It keys the codes that authenticate the partial file of an interrupted write on a disk. */
  readonly partialFileKey?: string;
  /** Called with the number of bytes as they are sent to the target; negative when a retry discards some. */
  onBytes?(bytes: number): void;
  /**
   * Called with one sentence if the content was written but a lesser property was refused (its time, its mode); `about`
   * marks warnings about times, which are reported once for all files.
   */
  onWarning?(message: string, about?: "time"): void;
}

/**
 * A comparison of local content with the hash in an entry. Equal hashes prove equality; different ones prove nothing,
 * as the server may compute its hash in another way.
 */
export interface EqualityProof {
  /** Takes the next bytes; the whole content must be passed in order. */
  take(bytes: Uint8Array): void;
  /** Returns the content's checksum, and whether the entry's hash equals it. Called once, after the last byte. */
  result(): { readonly checksum: Checksum; readonly isEqual: boolean };
}

/** The root of a backend. */
export interface BackendRoot {
  /** As the server names it. */
  readonly path: string;
  /** The reason why a user is unlikely to want this folder emptied: "the login folder". */
  readonly risk?: string;
  /** Whether the backend knows that the root may be emptied although it is the server's: a bucket, a share, the only folder of a locked-in account. */
  readonly isOrdinary?: boolean;
  /** Its real path if it is on a disk of this machine. */
  readonly diskPath?: string;
}

/**
 * A folder on a disk or server. Every method may run concurrently with any other, rejects only with a SyncError, ends
 * in bounded time if the connection breaks, and rejects with kind "cancelled" once `signal` is aborted. Paths are
 * relative to the root, the folder given to `withRoot`. Absence is a value (`stat`); to create an existing folder or to
 * remove an absent entry is not an error. An optional method is present exactly if the server supports it. After
 * dispose every call rejects.
 */
export interface Backend extends AsyncDisposable {
  /** For messages: "sftp://deploy@web1"; holds no secret. */
  readonly label: string;
  readonly traits: Traits;
  readonly root: BackendRoot;
  /** The fingerprint of the authenticated server: the host key's "SHA256:…". Absent if the server proved no key. */
  readonly fingerprint?: string;
  /** Returns the options, in addition to the given ones, with which another process must connect: choices of this login that no downgrade may undo. */
  pinnedOptions?(): Readonly<Record<string, string>>;

  /**
   * Returns a backend over the same connection with another root: absolute, or relative to this root. The folder need
   * not exist; `stat(root)` reports that. Disposing the result closes nothing; disposing the originally opened backend
   * does.
   */
  withRoot(folder: string, call: CallOptions): Promise<Backend>;

  /**
   * Lists all children of one folder, in no order, never the folder itself. Each name passes checkName() (a refused one is
   * an opaque entry of cause "name"). Links are LinkEntry if their target can be read, otherwise opaque. Rejects with
   * notFound if the folder is absent, with denied if it cannot be read.
   */
  list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]>;

  /** Returns one entry, without following a link; undefined if absent. The root's path is "". */
  stat(path: RelPath, call: CallOptions): Promise<Entry | undefined>;

  /** Reads the content, or a range of it. A file with fewer bytes than its size rejects (the stream errors) with kind "changed". */
  read(path: RelPath, options: ReadOptions): Promise<Content>;

  /**
   * Replaces a file atomically: the path has its complete old or its complete new content at every instant
   * (Traits.atomicWrite), also when this rejects. The parent must exist (notFound), unless Traits.hasDirs is false; a path
   * below a file always rejects. Returns the entry as the server now
   * reports it, with its size checked. Never writes through a link.
   */
  write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry>;

  /** Creates the folder; for the root also its parents. An existing folder is not an error; a file there rejects with exists. */
  makeDir(path: RelPath, call: CallOptions): Promise<DirEntry>;

  /**
   * Removes a file, a link (never what it points to) or an EMPTY folder. An absent one is not an error. First compares
   * it with `entry` by size, time and revision of files, and rejects with kind "changed" if it differs. A non-empty
   * folder rejects with kind "changed".
   */
  remove(entry: Entry, call: CallOptions): Promise<void>;

  /**
   * Removes a link that the listing reported as the folder it points to, never anything in that folder; returns false
   * for a real folder, which stays. Present if listings may report links in this way. Rejects with refused for a link
   * that must not be removed.
   */
  removeLink?(dir: DirEntry, call: CallOptions): Promise<boolean>;
  rename?(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void>;
  copy?(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void>;
  /** Creates a hard link to a file. */
  hardLink?(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void>;
  makeLink?(path: RelPath, target: string, options: CallOptions & Precondition): Promise<LinkEntry>;
  setModified?(
    path: RelPath,
    modified: number,
    options: CallOptions & Pick<WriteOptions, "nanoseconds">,
  ): Promise<void>;
  /** Returns the nanoseconds of the file's time beyond its ms, 0 to 999,999; undefined if they cannot be read, or the time is another one now. */
  nanosecondsOf?(entry: FileEntry): number | undefined;
  setMode?(path: RelPath, mode: number, call: CallOptions): Promise<void>;

  /** Returns a warning, one sentence, about a risk found while listing folders that does not end the run. */
  securityWarning?(): string | undefined;

  /** Runs `work` with the entry's real path on a disk of this machine: the path contains no link, which stays true until the work ends. */
  withDiskPath?<T>(path: RelPath, work: (at: string) => Promise<T>, call: CallOptions): Promise<T>;

  /** Flushes these folders to the disk: names added, removed or changed in them survive a power cut once it resolves. An absent folder is not an error. */
  flush?(dirs: readonly RelPath[], call: CallOptions): Promise<void>;

  /** Returns a content hash computed by the server, in the first of the `wanted` algorithms (sha256, sha1, md5 …) that it offers; undefined if it offers none. */
  checksum?(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined>;

  /** Returns a check, without a request to the server, whether local content equals the entry's; undefined if the entry has no hash to compare with. */
  equalityProof?(entry: FileEntry): EqualityProof | undefined;

  /**
   * Lists the whole subtree below `dir` in no order, in batches of any size; present if one listing is cheaper than one
   * per folder. A folder that cannot be read is an opaque entry of cause "unreadable"; an incomplete listing rejects;
   * it rejects with unsupported, before the first batch, if folders must be listed one by one after all.
   */
  walk?(dir: RelPath, call: CallOptions): AsyncIterable<readonly Entry[]>;
}

/** A decorator of a backend: retry, limit, log. */
export type Layer = (inner: Backend) => Backend;
