import {
  type Checksum,
  type DirEntry,
  type FileEntry,
  type LinkEntry,
  otherSide,
  type Side,
  sides as bothSides,
} from "../../core/entry.ts";
import { compareTimes, isReplaced, isSameTime, sameChecksum, stepOf, toSideStamp } from "../common/criteria.ts";
import type { PlanContext } from "./context.ts";
import type { Row } from "./rows.ts";
import type { BaseEntry, SideStamp } from "../../core/history.ts";

/**
 * How a file changed since the last run, compared with its own side only. "same"; "moved": another time or revision,
 * the content proven the same; "touched": another time or revision, the content unknown; "unsure": same stamps, which
 * are no proof; "changed".
 */
export type ChangeState = "same" | "moved" | "touched" | "unsure" | "changed";

/**
 * Returns how the file changed since the last run. It is compared with its own side only, at that side's time step, so
 * the two clocks need not agree. A side without a stamp has changed.
 */
export function changeSince(context: PlanContext, side: Side, entry: FileEntry, base: BaseEntry): ChangeState {
  const stamp = base[side];
  const proof = sameChecksum(entry.checksum, base.checksum);
  if (proof === false) return "changed";
  if (stamp === undefined) return proof === true ? "moved" : "changed";
  if (entry.size !== stamp.size) return "changed";
  const found = compareStamp(context, side, entry, stamp);
  if (proof === true) return found === "same" ? "same" : "moved";
  if (found === "same") return comparesChecksum(context) || isUnsure(base, side, entry) ? "unsure" : "same";
  if (comparesChecksum(context)) return "touched";
  return found === "time" && !comparesTime(context) ? "same" : "touched";
}

/** Whether the file looks as its stamp says, and its content may be another nevertheless. */
export function isUnsure(base: BaseEntry, side: Side, entry: FileEntry): boolean {
  const stamp = base[side];
  return isUnproven(base, side) || (stamp !== undefined && isReplaced(entry, stamp));
}

/** Whether a stamp lacks the change time that its file now has, as those of older versions do. */
export function lacksChangeTime(base: BaseEntry, files: Readonly<Record<Side, FileEntry>>): boolean {
  return bothSides.some((side) => {
    const stamp = base[side];
    return stamp !== undefined && stamp.changeTime === undefined && files[side].changeTime !== undefined;
  });
}

/** Whether the side's stamp was too recent to be trusted when it was written. */
export function isUnproven({ unprovenSide: provisional }: BaseEntry, side: Side): boolean {
  return provisional === side || provisional === "both";
}

/**
 * Returns the side whose file may be half old and half new, because a run was interrupted while it replaced the content
 * in place.
 */
export function findPartialSide(
  context: PlanContext,
  files: Readonly<Record<Side, FileEntry>>,
  base: BaseEntry | undefined,
): Side | undefined {
  if (base?.kind !== "file" || base.partialSide === undefined) return undefined;
  if (sameChecksum(files.local.checksum, files.remote.checksum) === true) return undefined;
  const found = changeSince(context, base.partialSide, files[base.partialSide], base);
  return found === "same" || found === "unsure" ? undefined : base.partialSide;
}

/** Whether the Checksum criterion is selected. */
export function comparesChecksum(context: PlanContext): boolean {
  return context.options.criteria.some((criterion) => criterion.needs === "checksum");
}

/** Whether the Time criterion is selected. */
export function comparesTime(context: PlanContext): boolean {
  return context.options.criteria.some((criterion) => criterion.name === "Time");
}

/**
 * Compares the two modification times. Returns "unknown" if a backend cannot keep times, since it then shows the time
 * of the upload.
 */
export function editTimes(context: PlanContext, local: FileEntry, remote: FileEntry): ReturnType<typeof compareTimes> {
  const { local: here, remote: there } = context.sides;
  if (here.traits.timeStep === undefined || there.traits.timeStep === undefined) return "unknown";
  if (local.isUploadTime || remote.isUploadTime) return "unknown";
  const steps = { local: stepOf(local, here.traits), remote: stepOf(remote, there.traits) };
  return compareTimes(local.modified, remote.modified, steps);
}

/**
 * Whether two files have the same content, as far as that is known without reading them. Undefined if only a checksum
 * can decide.
 */
export function sameContent(context: PlanContext, local: FileEntry, remote: FileEntry): boolean | undefined {
  if (local.size !== remote.size) return false;
  const proof = sameChecksum(local.checksum, remote.checksum);
  if (proof !== undefined) return proof;
  if (comparesTime(context)) return editTimes(context, local, remote) === "same" ? true : undefined;
  return comparesChecksum(context) ? undefined : true;
}

/** Records in history that both sides are equal, unless history says so already. */
export function recordEqual(context: PlanContext, row: Row, checksum?: Checksum): void {
  if (context.history === undefined) return;
  const base = toBaseEntry(context, row, checksum);
  if (base === undefined) return;
  if (row.base !== undefined && row.base.path !== base.path) removeFromHistory(context, row.base);
  else if (row.base !== undefined && isSameBase(row.base, base)) return;
  context.builder.historyUpdates.push({ path: base.path, base });
}

/**
 * Removes from history a path that one side lacks from now on, so that no later run takes the absence for a deletion.
 */
export function removeFromHistory(context: PlanContext, base: BaseEntry | undefined): void {
  if (base !== undefined) context.builder.historyUpdates.push({ path: base.path, base: undefined });
}

/** Returns whether a side has an entry in these rows that history does not know. "ask": only a checksum can decide. */
export function findNewContent(context: PlanContext, side: Side, rows: readonly Row[]): "some" | "none" | "ask" {
  let asked = false;
  for (const row of rows) {
    const entry = row[side];
    if (entry === undefined || entry.kind === "opaque") continue;
    // If the other side cannot hold empty folders, an empty folder in the block may be an old one.
    const isOld = entry.kind === "dir" && row.base === undefined && row !== rows[0];
    if (isOld && !context.sides[otherSide(side)].traits.hasDirs) continue;
    const change = entryChange(context, side, entry, row.base);
    if (change === "changed") return "some";
    if (change === "ask") asked = true;
  }
  return asked ? "ask" : "none";
}

/** Returns how one entry changed, for `findNewContent`. "ask": a checksum can decide, and may be computed. */
export function entryChange(
  context: PlanContext,
  side: Side,
  entry: DirEntry | FileEntry | LinkEntry,
  base: BaseEntry | undefined,
): "same" | "changed" | "ask" {
  if (base === undefined || base.kind !== entry.kind) return "changed";
  if (entry.kind === "dir") return "same";
  if (entry.kind === "link") return base.target === entry.target ? "same" : "changed";
  // A file that may be half written is not new content. A file that was not written to, and was never equal, is new.
  if (base.partialSide === side) {
    const isWhole = ["same", "unsure"].includes(changeSince(context, side, entry, base));
    return isWhole && base[otherSide(side)] === undefined ? "changed" : "same";
  }
  const found = changeSince(context, side, entry, base);
  if (found === "same" || found === "moved") return "same";
  if (found === "changed") return "changed";
  if (canCompareChecksum(context, base)) return "ask";
  if (found === "touched") return "changed";
  // Without a checksum in history, size and time are all that can be compared.
  const stamp = base.checksum === undefined ? base[side] : undefined;
  const looksSame = stamp !== undefined && compareStamp(context, side, entry, stamp) === "same";
  return looksSame || !comparesChecksum(context) ? "same" : "changed";
}

/** Whether the file's checksum may be computed and history holds one to compare it with. */
function canCompareChecksum(context: PlanContext, base: BaseEntry): boolean {
  if (base.checksum === undefined) return false;
  return context.options.checksumPolicy === "free" ||
    (context.options.checksumPolicy === "needed" && comparesChecksum(context));
}

/**
 * Compares the entry with its stamp: by revision if both have one (by time as well if revisions are weak), otherwise by
 * time. Returns "same" or the property that changed.
 */
export function compareStamp(
  context: PlanContext,
  side: Side,
  entry: FileEntry,
  stamp: SideStamp,
): "same" | "time" | "revision" {
  const { traits } = context.sides[side];
  const hasSameTime = () => isSameTime(stamp.modified, entry.modified, stepOf(entry, traits));
  if (entry.revision === undefined || stamp.revision === undefined) return hasSameTime() ? "same" : "time";
  const isSameRevision = entry.revision === stamp.revision;
  if (traits.weakRevisions !== true) return isSameRevision ? "same" : "revision";
  if (!hasSameTime()) return "time";
  return isSameRevision || context.volatileRevisions[side] ? "same" : "revision";
}

/** Returns the stamp to record. A weak revision that changed although the file did not is omitted. */
export function stampToRecord(
  context: PlanContext,
  side: Side,
  entry: FileEntry,
  base: BaseEntry | undefined,
): SideStamp {
  const { revision, ...stamp } = toSideStamp(entry);
  const { traits } = context.sides[side];
  const old = traits.weakRevisions === true ? base?.[side] : undefined;
  const isStill = old?.size === stamp.size && isSameTime(old.modified, stamp.modified, stepOf(entry, traits));
  return revision === undefined || (isStill && old?.revision !== revision) ? stamp : { ...stamp, revision };
}

function toBaseEntry(
  context: PlanContext,
  { local, remote, base }: Row,
  checksum: Checksum | undefined,
): BaseEntry | undefined {
  if (local === undefined || remote === undefined) return undefined;
  const { sides } = context;
  const { path } = local;
  if (local.kind === "dir" && remote.kind === "dir") {
    return { path, kind: "dir", ...folderStamp("local", local, sides), ...folderStamp("remote", remote, sides) };
  }
  if (local.kind === "link") return { path, kind: "link", target: local.target };
  if (local.kind !== "file" || remote.kind !== "file") return undefined;
  const sum = local.checksum ?? remote.checksum ?? checksum;
  const stamps = {
    local: stampToRecord(context, "local", local, base),
    remote: stampToRecord(context, "remote", remote, base),
  };
  return { path, kind: "file", ...stamps, ...(sum === undefined ? {} : { checksum: sum }) };
}

/** Returns the folder's time as a stamp, if the backend updates it when a name in the folder is added or removed. */
function folderStamp(
  side: Side,
  { modified }: DirEntry,
  sides: PlanContext["sides"],
): Partial<Record<Side, SideStamp>> {
  return modified === undefined || !sides[side].traits.dirTimes ? {} : { [side]: { size: 0, modified } };
}

function isSameBase(a: BaseEntry, b: BaseEntry): boolean {
  if (
    a.kind !== b.kind || a.target !== b.target || a.unprovenSide !== b.unprovenSide || a.partialSide !== b.partialSide
  ) {
    return false;
  }
  if (b.checksum !== undefined && a.checksum !== b.checksum) return false;
  return isSameSideStamp(a, b, "local") && isSameSideStamp(a, b, otherSide("local"));
}

function isSameSideStamp(a: BaseEntry, b: BaseEntry, side: Side): boolean {
  const [x, y] = [a[side], b[side]];
  if (a.kind === "dir") return y === undefined || x?.modified === y.modified;
  if (x === undefined || y === undefined) return x === y || a.kind !== "file";
  return x.size === y.size && x.modified === y.modified && x.revision === y.revision && x.fileId === y.fileId &&
    x.changeTime === y.changeTime;
}
