import { hash } from "node:crypto";
import type { Backend, Body, CallOptions } from "../../core/backend.ts";
import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, parentOf, type RelPath } from "../../core/path.ts";
import { type Entry, type FileEntry, type LinkEntry, otherSide } from "../../core/entry.ts";
import { tempPath } from "../../core/temp_name.ts";
import { RECENT_MS, stepOf } from "../common/criteria.ts";
import { type TempOwner, toTempTag } from "../common/temp_tag.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { hasSourceTime, isSameEntry } from "../common/entry_check.ts";

/** A write target. */
export interface WriteTarget {
  readonly path: RelPath;
  readonly expect?: Entry | "absent";
}

/** `owner`: the owner of this pair's temporary names on the target side. */
export interface TransferOptions extends CallOptions {
  readonly owner: TempOwner;
  /**
   * The write target and the expected entry there (any, if not given); by default the action's path and what it
   * replaces.
   */
  readonly target?: WriteTarget;
  /** Reports the bytes since the last call; negative if a failed attempt is rolled back. */
  onBytes(bytes: number): void;
  /** The time at which the source was listed, in ms since the epoch. */
  readonly listedAt?: number;
  /** Reports that the transfer succeeded and something less important was rejected: one sentence; `about` names it. */
  onWarning(message: string, about?: "time"): void;
  /** Awaited before the first byte of a new file is written under its final name. */
  onDirectWrite?(action: Copy): Promise<void>;
  /** Reports that the source differs from the planned one: its present content is sent. */
  onOther?(): void;
}

/**
 * Transfers one file (or kept link) and returns the entry as the target side now shows it (with the checksum of the
 * sent content, if an edit of the same moment might later look the same). Returns undefined if the source vanished
 * meanwhile; the target is then unchanged. Rejects with changed if the replaced entry is not the one in the action. If
 * the source changes during the transfer, it is tried once more with the present version; if it changes again, the
 * transfer rejects with changed. The target shows its complete old or its complete new content at every instant, unless
 * the action writes in place.
 */
export async function transfer(
  action: Copy,
  sides: Backends,
  options: TransferOptions,
): Promise<FileEntry | LinkEntry | undefined> {
  if (action.source.kind === "link") return await transferLink(action, action.source, { sides, options });
  let source = action.source;
  for (let attempt = 1;; attempt++) {
    let sent = 0;
    try {
      if (attempt > 1) options.onOther?.();
      return await sendFile(action, source, {
        sides,
        options: { ...options, onBytes: (bytes) => (sent += bytes, options.onBytes(bytes)) },
      });
    } catch (error) {
      const why = toSyncError(error, "copy");
      if (options.signal.aborted) throw cancelled(options.signal, `copy "${escapeForDisplay(source.path)}"`);
      if (why.kind !== "changed" && why.kind !== "notFound") throw why;
      // A half-written file cannot match the plan again; the next run completes it.
      if (sent !== 0 && isInPlace(action, options)) throw why;
      const now = await sides[otherSide(action.to)].stat(source.path, options);
      if (sent !== 0) options.onBytes(-sent);
      if (now === undefined) return undefined;
      if (why.kind === "notFound" || now.kind !== "file" || isSameEntry(now, source) || attempt > 1) throw why;
      source = now;
    }
  }
}

/** Whether the content is written into the existing file. False if it is written under another name first. */
export function isInPlace({ inPlace }: Copy, { target }: { readonly target?: WriteTarget }): boolean {
  return inPlace === true && target === undefined;
}

/**
 * Returns the temporary path under which the new content can wait until its target is free; undefined if the backend
 * cannot rename.
 */
export function stagingPath({ to, path, source }: Copy, sides: Backends, owner: TempOwner): RelPath | undefined {
  const { rename, traits } = sides[to];
  if (rename === undefined || traits.directWrites === true || source.kind !== "file") return undefined;
  return tempPath(path, toTempTag(owner, "partial", source), traits.maxNameBytes);
}

async function sendFile(
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
  const { path, ...expecting } = targetOf(action, options);
  const inPlace = isInPlace(action, options);
  let begun = 0;
  const { modified, ahead } = await sourceTime(from, source, options);
  const nanoseconds = sides[action.to].traits.keepsNanoseconds === true ? from.nanosecondsOf?.(source) : undefined;
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
    tag: toTempTag(options.owner, "partial", source),
    partialFileKey: options.owner.key,
    ...expecting,
    ...(inPlace ? { inPlace } : {}),
    ...(modified === undefined ? {} : { modified }),
    ...(nanoseconds === undefined ? {} : { nanoseconds }),
    ...(((source.mode ?? 0) & OWNER_EXECUTES) === 0 ? {} : { executable: true }),
    onBytes: (bytes) => (begun += Math.abs(bytes), options.onBytes(bytes)),
    onWarning: options.onWarning,
    onDirectWrite: async () => await options.onDirectWrite?.(action),
  }).catch((error) => {
    throw inPlace && begun > 0 ? toPartialWriteError(action, toSyncError(error, "copy")) : error;
  });
  if (entry.size !== source.size && sides[action.to].traits.altersFiles === true) return entry;
  if (entry.size === source.size) return withSentChecksum(entry, sent, { source, to: sides[action.to], options });
  throw new SyncError(
    "unexpected",
    `"${escapeForDisplay(action.path)}" has ${entry.size} bytes on ${
      sides[action.to].label
    } after a copy of ${source.size} bytes`,
    { operation: "copy", path: action.path },
  );
}

/**
 * Returns the entry with the checksum of the sent content, if its time is too recent to distinguish it, or its source,
 * from a later edit, or was set by the server.
 */
function withSentChecksum(
  entry: FileEntry,
  sent: Uint8Array | undefined,
  { source, to, options }: { readonly source: FileEntry; readonly to: Backend; readonly options: TransferOptions },
): FileEntry {
  if (sent === undefined || sent.length !== entry.size || entry.revision !== undefined) return entry;
  const { listedAt = -Infinity } = options;
  const isYoung = entry.modified !== undefined &&
    Math.abs(listedAt - entry.modified) < Math.max(stepOf(entry, to.traits), source.timeStep ?? 0, RECENT_MS);
  if (hasSourceTime(entry, source, to.traits) && !isYoung) return entry;
  return { ...entry, checksum: `sha256:${hash("sha256", sent, "hex")}` };
}

function toPartialWriteError({ path }: Copy, { kind, message, facts }: SyncError): SyncError {
  const state = `"${escapeForDisplay(path)}" is half old, half new until the next run makes it whole`;
  return new SyncError(kind, `${message}; ${state}`, facts);
}

/**
 * Returns the source's time. If a backend stores times and does not list them, or lists only the day, the time comes
 * with the content of a small file, and from stat for a large one.
 */
async function sourceTime(
  from: Backend,
  source: FileEntry,
  { signal }: CallOptions,
): Promise<{ readonly modified: number | undefined; readonly ahead?: Uint8Array<ArrayBuffer> }> {
  const isListed = source.modified !== undefined && (source.timeStep ?? 0) < DAY_MS;
  if (isListed || (source.modified === undefined && from.traits.timeStep === undefined)) {
    return { modified: source.modified };
  }
  if (source.size > MAX_READ_AHEAD) {
    const now = await from.stat(source.path, { signal });
    return { modified: preciseTime(source, now?.kind === "file" ? now.modified : undefined) };
  }
  let modified: number | undefined;
  const onModified = (time: number) => void (modified = time);
  const content = await from.read(source.path, { signal, expect: source, onModified });
  if (content instanceof Uint8Array) return { modified: preciseTime(source, modified), ahead: content };
  await content.cancel();
  return { modified: preciseTime(source, modified) };
}

/** Returns the time, or the listed day if the time is not one of that day: then a zone is unknown, or a clock wrong. */
function preciseTime({ modified: listed, timeStep = 0 }: FileEntry, time: number | undefined): number | undefined {
  if (listed === undefined || time === undefined) return time ?? listed;
  return time >= listed && time < listed + timeStep ? time : listed;
}

const DAY_MS = 86_400_000;

/** The maximum size of a file that is read before its target is prepared. */
const MAX_READ_AHEAD = 256 * 1024;

async function transferLink(
  action: Copy,
  source: LinkEntry,
  { sides, options }: { readonly sides: Backends; readonly options: TransferOptions },
): Promise<LinkEntry | undefined> {
  const facts = { operation: "copy", path: action.path };
  const shown = `the link "${escapeForDisplay(source.path)}"`;
  if (action.to === "local" && pointsOutside(source)) {
    throw new SyncError(
      "refused",
      `Cannot create ${shown}: it points outside of the folder, to "${escapeForDisplay(source.target)}"`,
      facts,
    );
  }
  const target = sides[action.to];
  if (target.makeLink === undefined) {
    throw new SyncError("unsupported", `Cannot create ${shown}: ${target.label} supports no links`, facts);
  }
  const now = await sides[otherSide(action.to)].stat(source.path, options);
  if (now === undefined) return undefined;
  if (!isSameEntry(now, source)) throw new SyncError("changed", `${shown} has changed since it was listed`, facts);
  const { path, ...expecting } = targetOf(action, options);
  return await target.makeLink(path, source.target, { signal: options.signal, ...expecting });
}

function targetOf(action: Copy, { target }: TransferOptions): WriteTarget {
  return target ?? { path: action.path, expect: action.replaces ?? "absent" };
}

/** Whether the link points outside the root. Such a link from a peer is never created here. */
function pointsOutside(link: LinkEntry): boolean {
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

/** The mode bit of a program: its owner may run it. */
const OWNER_EXECUTES = 0o100;
