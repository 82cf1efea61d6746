import {
  type Checksum,
  type DirEntry,
  type FileEntry,
  type Known,
  type LinkEntry,
  type Mark,
  otherSide,
  type Side,
} from "../../core/entry.ts";
import { compareTimes, sameChecksum, sameStamp, stepOf, toMark } from "../common/criteria.ts";
import type { Context } from "./context.ts";
import type { Row } from "./rows.ts";

/**
 * How a file stands to what history knows of its own side. "same"; "moved": another time or revision, the content proven to be the
 * same; "touched": another time or revision, the content unknown; "unsure": it looks the same but that is no proof; "changed".
 */
export type Since = "same" | "moved" | "touched" | "unsure" | "changed";

/** Each side is compared with itself alone, at its own step, so clocks need not agree. A side without a mark has changed. */
export function since(context: Context, side: Side, entry: FileEntry, known: Known): Since {
  const mark = known[side];
  const proof = sameChecksum(entry.checksum, known.checksum);
  if (proof === false) return "changed";
  if (mark === undefined) return proof === true ? "moved" : "changed";
  if (entry.size !== mark.size) return "changed";
  const stamp = stampOf(context, side, entry, mark);
  if (proof === true) return stamp === "same" ? "same" : "moved";
  if (stamp === "same") return wantsChecksum(context) || isProvisional(known, side) ? "unsure" : "same";
  if (wantsChecksum(context)) return "touched";
  return stamp === "time" && !comparesTime(context) ? "same" : "touched";
}

/** Was the side's mark too young to be trusted when it was written? */
export function isProvisional({ provisional }: Known, side: Side): boolean {
  return provisional === side || provisional === "both";
}

/** The side whose file may be half old, half new: a run was ended while it replaced its content in place. */
export function brokenSide(
  context: Context,
  files: Readonly<Record<Side, FileEntry>>,
  known: Known | undefined,
): Side | undefined {
  if (known?.kind !== "file" || known.begun === undefined) return undefined;
  if (sameChecksum(files.local.checksum, files.remote.checksum) === true) return undefined;
  const found = since(context, known.begun, files[known.begun], known);
  return found === "same" || found === "unsure" ? undefined : known.begun;
}

/** Is the Checksum criterion in force? */
export function wantsChecksum(context: Context): boolean {
  return context.options.criteria.some((criterion) => criterion.needs === "checksum");
}

/** Is the Time criterion in force? */
export function comparesTime(context: Context): boolean {
  return context.options.criteria.some((criterion) => criterion.name === "Time");
}

/** Both times, where both places keep the time of the edit; a place that cannot keep times shows when the file came there. */
export function editTimes(context: Context, local: FileEntry, remote: FileEntry): ReturnType<typeof compareTimes> {
  const { local: here, remote: there } = context.sides;
  if (here.traits.timeStep === undefined || there.traits.timeStep === undefined) return "unknown";
  if (local.isArrival || remote.isArrival) return "unknown";
  const steps = { local: stepOf(local, here.traits), remote: stepOf(remote, there.traits) };
  return compareTimes(local.modified, remote.modified, steps);
}

/** Are two files one content, as far as can be told without reading them? Undefined where only a checksum could tell. */
export function sameContent(context: Context, local: FileEntry, remote: FileEntry): boolean | undefined {
  if (local.size !== remote.size) return false;
  const proof = sameChecksum(local.checksum, remote.checksum);
  if (proof !== undefined) return proof;
  if (comparesTime(context)) return editTimes(context, local, remote) === "same" ? true : undefined;
  return wantsChecksum(context) ? undefined : true;
}

/** Notes that both sides are equal as they stand, if history does not say so already. */
export function learn(context: Context, row: Row, checksum?: Checksum): void {
  if (context.history === undefined) return;
  const known = toKnown(context, row, checksum);
  if (known === undefined) return;
  if (row.known !== undefined && row.known.path !== known.path) forget(context, row.known);
  else if (row.known !== undefined && sameKnown(row.known, known)) return;
  context.draft.lessons.push({ path: known.path, known });
}

/** Drops what history knows of a path that one side lacks from now on, so that no later run takes the absence for a deletion. */
export function forget(context: Context, known: Known | undefined): void {
  if (known !== undefined) context.draft.lessons.push({ path: known.path, known: undefined });
}

/** Has a side anything below or at these rows that history does not know? "ask": only a checksum can tell. */
export function newContent(context: Context, side: Side, rows: readonly Row[]): "some" | "none" | "ask" {
  let asked = false;
  for (const row of rows) {
    const entry = row[side];
    if (entry === undefined || entry.kind === "opaque") continue;
    // An empty folder within, where the other side can hold none, may have been there all along.
    const isOld = entry.kind === "dir" && row.known === undefined && row !== rows[0];
    if (isOld && !context.sides[otherSide(side)].traits.hasDirs) continue;
    const standing = standingOf(context, side, entry, row.known);
    if (standing === "changed") return "some";
    if (standing === "ask") asked = true;
  }
  return asked ? "ask" : "none";
}

/** One entry of `newContent`; what a checksum could settle is "ask" as long as one may be asked for. */
export function standingOf(
  context: Context,
  side: Side,
  entry: DirEntry | FileEntry | LinkEntry,
  known: Known | undefined,
): "same" | "changed" | "ask" {
  if (known === undefined || known.kind !== entry.kind) return "changed";
  if (entry.kind === "dir") return "same";
  if (entry.kind === "link") return known.target === entry.target ? "same" : "changed";
  // What may be half written is no new content; what was not begun on, and never equal, is.
  if (known.begun === side) {
    const isWhole = ["same", "unsure"].includes(since(context, side, entry, known));
    return isWhole && known[otherSide(side)] === undefined ? "changed" : "same";
  }
  const found = since(context, side, entry, known);
  if (found === "same" || found === "moved") return "same";
  if (found === "changed") return "changed";
  if (maySettle(context, known)) return "ask";
  if (found === "touched") return "changed";
  // Where history holds no checksum, what size and time show is all that will ever be known.
  const mark = known.checksum === undefined ? known[side] : undefined;
  const looksSame = mark !== undefined && stampOf(context, side, entry, mark) === "same";
  return looksSame || !wantsChecksum(context) ? "same" : "changed";
}

/** May the file's checksum be asked for, and does history hold one to compare it with? */
function maySettle(context: Context, known: Known): boolean {
  if (known.checksum === undefined) return false;
  return context.options.ask === "free" || (context.options.ask === "needed" && wantsChecksum(context));
}

/** Is the entry the same by revision where both have one (and by time too where revisions are weak), else by time? Else what moved. */
export function stampOf(context: Context, side: Side, entry: FileEntry, mark: Mark): "same" | "time" | "revision" {
  const { traits } = context.sides[side];
  const isSameTime = () => sameStamp(mark.modified, entry.modified, stepOf(entry, traits));
  if (entry.revision === undefined || mark.revision === undefined) return isSameTime() ? "same" : "time";
  const isSameRevision = entry.revision === mark.revision;
  if (traits.weakRevisions !== true) return isSameRevision ? "same" : "revision";
  if (!isSameTime()) return "time";
  return isSameRevision || context.loose[side] ? "same" : "revision";
}

/** A weak revision that moved though the file did not is worth nothing from then on. */
export function markOf(context: Context, side: Side, entry: FileEntry, known: Known | undefined): Mark {
  const { revision, ...mark } = toMark(entry);
  const { traits } = context.sides[side];
  const old = traits.weakRevisions === true ? known?.[side] : undefined;
  const isStill = old?.size === mark.size && sameStamp(old.modified, mark.modified, stepOf(entry, traits));
  return revision === undefined || (isStill && old?.revision !== revision) ? mark : { ...mark, revision };
}

function toKnown(
  context: Context,
  { local, remote, known }: Row,
  checksum: Checksum | undefined,
): Known | undefined {
  if (local === undefined || remote === undefined) return undefined;
  const { sides } = context;
  const { path } = local;
  if (local.kind === "dir" && remote.kind === "dir") {
    return { path, kind: "dir", ...folderMark("local", local, sides), ...folderMark("remote", remote, sides) };
  }
  if (local.kind === "link") return { path, kind: "link", target: local.target };
  if (local.kind !== "file" || remote.kind !== "file") return undefined;
  const sum = local.checksum ?? remote.checksum ?? checksum;
  const marks = { local: markOf(context, "local", local, known), remote: markOf(context, "remote", remote, known) };
  return { path, kind: "file", ...marks, ...(sum === undefined ? {} : { checksum: sum }) };
}

/** The folder's time, where it moves when a name in the folder comes or goes. */
function folderMark(side: Side, { modified }: DirEntry, sides: Context["sides"]): Partial<Record<Side, Mark>> {
  return modified === undefined || !sides[side].traits.dirTimes ? {} : { [side]: { size: 0, modified } };
}

function sameKnown(a: Known, b: Known): boolean {
  if (a.kind !== b.kind || a.target !== b.target || a.provisional !== b.provisional || a.begun !== b.begun) {
    return false;
  }
  if (b.checksum !== undefined && a.checksum !== b.checksum) return false;
  return sameMark(a, b, "local") && sameMark(a, b, otherSide("local"));
}

function sameMark(a: Known, b: Known, side: Side): boolean {
  const [x, y] = [a[side], b[side]];
  if (a.kind === "dir") return y === undefined || x?.modified === y.modified;
  if (x === undefined || y === undefined) return x === y || a.kind !== "file";
  return x.size === y.size && x.modified === y.modified && x.revision === y.revision && x.fileId === y.fileId;
}
