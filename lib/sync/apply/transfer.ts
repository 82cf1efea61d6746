import { createHash } from "node:crypto";
import type { Backend, Body, Call } from "../../core/backend.ts";
import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import { parentOf, printable, type RelPath } from "../../core/path.ts";
import { type Entry, type FileEntry, type LinkEntry, otherSide } from "../../core/entry.ts";
import { tempPath } from "../../core/temp_name.ts";
import { stepOf, YOUNG_MS } from "../common/criteria.ts";
import { type Owner, toTag } from "../common/temp_tag.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { isSame, keepsTime } from "../common/entry_check.ts";

/** A place to write to. */
export interface Place {
  readonly path: RelPath;
  readonly expect?: Entry | "absent";
}

/** `owner`: whose temporary names on the side that is written to are our own. */
export interface TransferOptions extends Call {
  readonly owner: Owner;
  /** Where to write instead, and what is expected there (whatever it is, if not given); else the action's path and what it replaces. */
  readonly place?: Place;
  /** Bytes since the last call; negative when an attempt that failed takes them back. */
  onBytes(bytes: number): void;
  /** When the source was listed, in ms since the epoch. */
  readonly listedAt?: number;
  /** The transfer is good, but something lesser was refused: one sentence; `about` says what. */
  onWarning(message: string, about?: "time"): void;
  /** The source is no longer the one that was planned with: its content as it is now is sent. */
  onOther?(): void;
}

/**
 * Brings one file (or kept link) to the other side and gives the entry as that side now shows it (with the checksum of what was sent,
 * where an edit of the same moment might later look like it); undefined when the source has vanished
 * meanwhile, with the target as it was. What is replaced must still be what the action says, else it rejects with changed. A source
 * that changes while it is read is tried once more as it is then; changing on, it rejects with changed. The target shows its complete
 * old or its complete new content at every instant.
 */
export async function transfer(
  action: Copy,
  sides: Backends,
  options: TransferOptions,
): Promise<FileEntry | LinkEntry | undefined> {
  if (action.source.kind === "link") return await carryLink(action, action.source, { sides, options });
  let source = action.source;
  for (let attempt = 1;; attempt++) {
    let sent = 0;
    try {
      if (attempt > 1) options.onOther?.();
      return await send(action, source, {
        sides,
        options: { ...options, onBytes: (bytes) => (sent += bytes, options.onBytes(bytes)) },
      });
    } catch (error) {
      const why = toSyncError(error, "copy");
      if (options.signal.aborted) throw cancelled(options.signal, `copy "${printable(source.path)}"`);
      if (why.kind !== "changed" && why.kind !== "notFound") throw why;
      // What is half written cannot be written once more as the plan saw it; the next run makes it whole.
      if (sent !== 0 && isInPlace(action, options)) throw why;
      const now = await sides[otherSide(action.to)].stat(source.path, options);
      if (sent !== 0) options.onBytes(-sent);
      if (now === undefined) return undefined;
      if (why.kind === "notFound" || now.kind !== "file" || isSame(now, source) || attempt > 1) throw why;
      source = now;
    }
  }
}

/** Does the content go into the file that is there? Not where it waits under another name first. */
export function isInPlace({ inPlace }: Copy, { place }: { readonly place?: Place }): boolean {
  return inPlace === true && place === undefined;
}

/** The name of our own under which what this copy brings can wait until its place is free; undefined where nothing can be renamed. */
export function stagingPath({ to, path, source }: Copy, sides: Backends, owner: Owner): RelPath | undefined {
  const { rename, traits } = sides[to];
  if (rename === undefined || source.kind !== "file") return undefined;
  return tempPath(path, toTag(owner, "partial", source), traits.maxNameBytes);
}

async function send(
  action: Copy,
  source: FileEntry,
  { sides, options }: { readonly sides: Backends; readonly options: TransferOptions },
): Promise<FileEntry> {
  const { signal } = options;
  const from = sides[otherSide(action.to)];
  const body: Body = (start = 0, end) =>
    from.read(source.path, {
      signal,
      expect: source,
      ...(start === 0 ? {} : { offset: start }),
      ...(end === undefined ? {} : { length: end - start }),
    });
  const { path, ...expecting } = placeOf(action, options);
  const inPlace = isInPlace(action, options);
  let begun = 0;
  const { modified, ahead } = await untold(from, source, options);
  let whole = ahead;
  let sent: Uint8Array | undefined;
  const bodyAhead: Body = async (start = 0, end) => {
    const isWhole = start === 0 && (end ?? source.size) >= source.size;
    const content = (isWhole ? whole : undefined) ?? await body(start, end);
    whole = undefined;
    sent = isWhole && content instanceof Uint8Array ? content : undefined;
    return content;
  };
  const entry = await sides[action.to].write(path, bodyAhead, {
    signal,
    size: source.size,
    tag: toTag(options.owner, "partial", source),
    proofKey: options.owner.key,
    ...expecting,
    ...(inPlace ? { inPlace } : {}),
    ...(modified === undefined ? {} : { modified }),
    onBytes: (bytes) => (begun += Math.abs(bytes), options.onBytes(bytes)),
    onWarning: options.onWarning,
  }).catch((error) => {
    throw inPlace && begun > 0 ? halfWritten(action, toSyncError(error, "copy")) : error;
  });
  if (entry.size === source.size) return proven(entry, sent, { source, to: sides[action.to], options });
  throw new SyncError(
    "unexpected",
    `"${printable(action.path)}" has ${entry.size} bytes on ${
      sides[action.to].label
    } after a copy of ${source.size} bytes`,
    { operation: "copy", path: action.path },
  );
}

/** The entry with the checksum of what was sent, where its time is too young to tell it from a later edit, or is the place's own. */
function proven(
  entry: FileEntry,
  sent: Uint8Array | undefined,
  { source, to, options }: { readonly source: FileEntry; readonly to: Backend; readonly options: TransferOptions },
): FileEntry {
  if (sent === undefined || sent.length !== entry.size || entry.revision !== undefined) return entry;
  const { listedAt = -Infinity } = options;
  const isYoung = entry.modified !== undefined &&
    Math.abs(listedAt - entry.modified) < Math.max(stepOf(entry, to.traits), YOUNG_MS);
  if (keepsTime(entry, source, to.traits) && !isYoung) return entry;
  return { ...entry, checksum: `sha256:${createHash("sha256").update(sent).digest("hex")}` };
}

function halfWritten({ path }: Copy, { kind, message, facts }: SyncError): SyncError {
  const state = `"${printable(path)}" is half old, half new until the next run makes it whole`;
  return new SyncError(kind, `${message}; ${state}`, facts);
}

/** The source's time. Where a place keeps it and does not list it, it comes with the content of a small file, and a large one is looked at. */
async function untold(
  from: Backend,
  source: FileEntry,
  { signal }: Call,
): Promise<{ readonly modified: number | undefined; readonly ahead?: Uint8Array<ArrayBuffer> }> {
  if (source.modified !== undefined || from.traits.timeStep === undefined) return { modified: source.modified };
  if (source.size > MOST_AHEAD) {
    const now = await from.stat(source.path, { signal });
    return { modified: now?.kind === "file" ? now.modified : undefined };
  }
  let modified: number | undefined;
  const onModified = (time: number) => void (modified = time);
  const content = await from.read(source.path, { signal, expect: source, onModified });
  if (content instanceof Uint8Array) return { modified, ahead: content };
  await content.cancel();
  return { modified };
}

/** Bytes of a file that is fetched before its place is made ready. */
const MOST_AHEAD = 256 * 1024;

async function carryLink(
  action: Copy,
  source: LinkEntry,
  { sides, options }: { readonly sides: Backends; readonly options: TransferOptions },
): Promise<LinkEntry | undefined> {
  const facts = { operation: "copy", path: action.path };
  const shown = `the link "${printable(source.path)}"`;
  if (action.to === "local" && leadsOut(source)) {
    throw new SyncError(
      "refused",
      `Not made: ${shown} leads out of the folder, to "${printable(source.target)}"`,
      facts,
    );
  }
  const target = sides[action.to];
  if (target.makeLink === undefined) {
    throw new SyncError("unsupported", `Cannot keep ${shown}: ${target.label} has no links`, facts);
  }
  const now = await sides[otherSide(action.to)].stat(source.path, options);
  if (now === undefined) return undefined;
  if (!isSame(now, source)) throw new SyncError("changed", `${shown} has changed since it was listed`, facts);
  const { path, ...expecting } = placeOf(action, options);
  return await target.makeLink(path, source.target, { signal: options.signal, ...expecting });
}

function placeOf(action: Copy, { place }: TransferOptions): Place {
  return place ?? { path: action.path, expect: action.replaces ?? "absent" };
}

/** Does the link point outside the root? A peer's link that does is never made here. */
function leadsOut(link: LinkEntry): boolean {
  if (/^[/\\]|^[A-Za-z]:/.test(link.target)) return true;
  const dir = parentOf(link.path);
  let depth = dir === "" ? 0 : dir.split("/").length;
  for (const name of link.target.split(/[/\\]/)) {
    if (name === "..") depth--;
    else if (name !== "" && name !== ".") depth++;
    if (depth < 0) return true;
  }
  return false;
}
