import type { Backend, CallOptions } from "../../core/backend.ts";
import { cancelled, isFatal, SyncError, toSyncError } from "../../core/errors.ts";
import { failureReason } from "../../core/operation.ts";
import { escapeForDisplay, parentOf, type RelPath, root } from "../../core/path.ts";
import { tempTag } from "../../core/temp_name.ts";
import type { DirEntry, Entry, FileEntry, OpaqueEntry, Snapshot } from "../../core/entry.ts";
import { type Displaced, isDisplaced, resolveDisplaced } from "./displaced.ts";
import { runConcurrently } from "../common/concurrency.ts";
import { isForeignLeftover } from "./foreign_leftovers.ts";
import { EntryValidator } from "./entry_validator.ts";
import { toSnapshot, toTree } from "./snapshot.ts";
import type { TempOwner } from "../common/temp_tag.ts";
import { endsRun, ListingTooLarge } from "../common/ends_run.ts";

/** The options of a scan. */
export interface ScanOptions extends CallOptions {
  readonly links: "Skip" | "Keep";
  /** Whether temporary, partial and lock files of other programs are ordinary files. */
  readonly includeForeign?: boolean;
  /** The owner of this pair's temporary names on this side. */
  readonly owner: TempOwner;
  /** The number of concurrent folder listings, by default the backend's value. */
  readonly concurrency?: number;
  /** The maximum memory of the listing in bytes: 1 GiB by default. */
  readonly maxBytes?: number | undefined;
}

/** The listing of a side. */
export interface Scan {
  readonly snapshot: Snapshot;
  /** Whether a name that begins with a dot was listed. */
  readonly showsDots: boolean;
  /** This pair's temporary files, which are not in the snapshot. */
  readonly leftovers: readonly RelPath[];
  /**
   * The old versions that an interrupted run left under temporary names. The snapshot shows them under their own names,
   * to which they are renamed before the plan is carried out.
   */
  readonly displaced: readonly Displaced[];
}

/**
 * Lists everything below the root. A folder that cannot be read becomes one opaque entry of cause "unreadable", without
 * its content; so does a name that one listing contains twice. Rejects if nothing can be known: the root is absent
 * (notFound), cannot be read (its kind) or is a file (badInput); the server is lost or rejects the credentials
 * (connection, timeout, auth, hostKey); the signal is aborted.
 */
export async function scan(backend: Backend, options: ScanOptions): Promise<Scan> {
  const { maxBytes } = options;
  const wall = new EntryValidator({ maxBytes, label: backend.label, names: backend.traits.names });
  const found: ScanState = { entries: [], leftovers: [], oldVersions: [], validator: wall, showsDots: false };
  try {
    if (!await listRecursively(backend, found, options)) await listFolders(backend, found, options);
  } catch (error) {
    throw options.signal.aborted
      ? cancelled(options.signal, `list ${backend.label}`)
      : await rootError(backend, error, options);
  }
  if (options.signal.aborted) throw cancelled(options.signal, `list ${backend.label}`);
  const { showsDots } = found;
  const { displaced, entries, leftovers } = resolveDisplaced(found.oldVersions, found.entries);
  const all = entries.length === 0 ? found.entries : [...found.entries, ...entries];
  const snapshot = toTree(all) ?? toSnapshot(repairTree(all));
  return { snapshot, leftovers: [...found.leftovers, ...leftovers], displaced, showsDots };
}

interface ScanState {
  readonly entries: Entry[];
  readonly leftovers: RelPath[];
  readonly oldVersions: FileEntry[];
  readonly validator: EntryValidator;
  showsDots: boolean;
}

interface Folder {
  readonly entry: DirEntry;
  readonly depth: number;
}

const DOT = 46;
const TRASH = ".tandem-trash";
const LOCK = ".tandem-lock";
// A hostile server may list folders without end; no disk is that deep.
const MAX_DEPTH = 1000;
/**
 * The number of folders whose listing may lose the connection while the server itself answers; beyond it the server
 * counts as lost.
 */
const MAX_LOST = 3;
const MAX_FOLDERS_AT_ONCE = 64;

async function listFolders(backend: Backend, found: ScanState, options: ScanOptions): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let lost = 0;
  const waiting: Folder[] = [{ entry: { kind: "dir", path: root }, depth: 0 }];

  async function listOne({ entry, depth }: Folder): Promise<void> {
    if (depth > MAX_DEPTH) throw failure(`it is more than ${MAX_DEPTH} folders deep`);
    const children = await backend.list(entry.path, { signal });
    const checked = children.map((child) => found.validator.checkChild(child, entry.path));
    if (entry.path !== root) found.entries.push(entry);
    for (const child of checked) {
      const admitted = filterOwnFiles(child, found, options);
      if (admitted?.kind === "dir") waiting.push({ entry: admitted, depth: depth + 1 });
      else if (admitted !== undefined) found.entries.push(admitted);
    }
  }

  async function tryOne(folder: Folder): Promise<void> {
    const { path } = folder.entry;
    try {
      await listOne(folder).catch(async (error) => {
        const why = toSyncError(error, "list");
        if (path === root || await endsRun(why, backend, { signal })) throw why;
        if (isFatal(why.kind) && ++lost > MAX_LOST) throw why;
        if (why.kind === "notFound" && await isGone(backend, path, { signal })) return;
        found.entries.push(unreadable(path, `it cannot be listed: ${failureReason(why)}`));
      });
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }

  const limit = options.concurrency ?? Math.min(MAX_FOLDERS_AT_ONCE, backend.traits.parallelFiles);
  await runConcurrently(() => waiting.pop(), tryOne, { limit: Math.max(1, limit), signal });
}

/**
 * Lists everything recursively in one listing. Returns false if the backend does not support that, and the folders must
 * be listed one by one.
 */
async function listRecursively(backend: Backend, found: ScanState, options: ScanOptions): Promise<boolean> {
  if (backend.walk === undefined) return false;
  const all: Entry[] = [];
  try {
    for await (const batch of backend.walk(root, options)) {
      for (const entry of batch) if (entry.path !== root) all.push(found.validator.check(entry));
    }
  } catch (error) {
    if (toSyncError(error, "list").kind === "unsupported") return false;
    throw error;
  }
  for (const entry of all) {
    const admitted = filterOwnFiles(entry, found, options);
    if (admitted !== undefined) found.entries.push(admitted);
  }
  return true;
}

/**
 * Returns the entries as a tree: of two entries with one path neither is kept, missing parent folders are added up to
 * the root, and nothing is below an entry that is not a folder.
 */
function repairTree(entries: readonly Entry[]): readonly Entry[] {
  const all = new Map<RelPath, Entry>();
  for (const entry of entries) all.set(entry.path, mergeEntries(all.get(entry.path), entry));
  // The loop also visits paths that are added here.
  for (const path of all.keys()) {
    const dir = parentOf(path);
    const parent = all.get(dir);
    if (dir === root || parent?.kind === "dir" || parent?.kind === "opaque") continue;
    all.set(
      dir,
      parent === undefined ? { kind: "dir", path: dir } : unreadable(dir, "it is a file and a folder at once"),
    );
  }
  const closed = new Set<RelPath>();
  for (const entry of all.values()) if (entry.kind === "opaque" && entry.cause !== "name") closed.add(entry.path);
  return Array.from(all.values()).filter((entry) => closed.size === 0 || !isBelowAny(entry.path, closed));
}

/** Combines two entries of one path. */
function mergeEntries(before: Entry | undefined, entry: Entry): Entry {
  if (before === undefined) return entry;
  const bothUnnamed = isUnnamed(before) && isUnnamed(entry);
  const why = bothUnnamed ? "several names look like this one, none can be opened" : "the listing names it twice";
  if (bothUnnamed) return { ...before, why, ...(entry.incomplete === true ? { incomplete: true } : {}) };
  const hidesMore = isIncomplete(before) || isIncomplete(entry);
  return hidesMore ? { ...unreadable(entry.path, why), incomplete: true } : unreadable(entry.path, why);
}

/** Whether the entry stands for lines of a listing that cannot be read. */
function isIncomplete(entry: Entry): boolean {
  return entry.kind === "opaque" && entry.incomplete === true;
}

function isUnnamed(entry: Entry): entry is OpaqueEntry {
  return entry.kind === "opaque" && entry.cause === "name";
}

/** Returns the entry as the snapshot shows it; undefined for Tandem's own files. */
function filterOwnFiles(entry: Entry, found: ScanState, options: ScanOptions): Entry | undefined {
  const { path } = entry;
  if (path.charCodeAt(path.lastIndexOf("/") + 1) === DOT) found.showsDots = true;
  if (path.includes(".tandem-")) {
    if (path === LOCK || path.split("/").includes(TRASH)) return undefined;
    const tag = entry.kind === "opaque" ? undefined : tempTag(path);
    if (tag !== undefined) {
      const { partial, aside } = options.owner;
      if (isDisplaced(entry, partial)) {
        found.oldVersions.push(entry);
        return undefined;
      }
      if (entry.kind === "dir" || !(tag.startsWith(partial) || tag.startsWith(aside))) {
        return { kind: "opaque", path, cause: "special", why: "its name is that of a temporary file of another run" };
      }
      found.leftovers.push(path);
      return undefined;
    }
  }
  if (entry.kind === "file" && options.includeForeign !== true && isForeignLeftover(path)) {
    return { kind: "opaque", path, cause: "foreign", why: "its name is that of a leftover of another program" };
  }
  if (entry.kind !== "link" || options.links === "Keep") return entry;
  return { kind: "opaque", path, cause: "link", why: `it is a link to "${escapeForDisplay(entry.target)}"` };
}

function isBelowAny(path: RelPath, dirs: ReadonlySet<RelPath>): boolean {
  for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) if (dirs.has(dir)) return true;
  return false;
}

/** Whether a folder that was listed a moment ago is now proven absent. */
async function isGone(backend: Backend, path: RelPath, call: CallOptions): Promise<boolean> {
  try {
    return await backend.stat(path, call) === undefined;
  } catch (error) {
    const why = toSyncError(error, "list");
    if (await endsRun(why, backend, call)) throw why;
    return false;
  }
}

function unreadable(path: RelPath, why: string): OpaqueEntry {
  return { kind: "opaque", path, cause: "unreadable", why };
}

function failure(message: string): SyncError {
  return new SyncError("unexpected", message, { operation: "list" });
}

/** Returns the error for a failed listing, depending on what exists at the root. */
async function rootError(backend: Backend, error: unknown, call: CallOptions): Promise<SyncError> {
  const why = toSyncError(error, "list");
  if (isFatal(why.kind) || why instanceof ListingTooLarge) return why;
  const facts = { operation: "list", backend: backend.label, cause: why };
  const place = `"${escapeForDisplay(backend.root.path)}" (${backend.label})`;
  const entry = await backend.stat(root, call).catch(() => why);
  if (entry === undefined) return new SyncError("notFound", `The folder ${place} does not exist`, facts);
  if (entry.kind === "file") {
    return new SyncError("badInput", `${place} is a file: name a folder`, facts);
  }
  return new SyncError(why.kind, `Cannot list ${place}: ${failureReason(why)}`, facts);
}
