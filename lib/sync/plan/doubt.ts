import { type FileEntry, type Side, sides as bothSides } from "../../core/entry.ts";
import { areTimesClose, isRecent, RECENT_MS, sameChecksum, stepOf } from "../common/criteria.ts";
import type { PlanContext } from "./context.ts";
import { changeSince, comparesChecksum, compareStamp, comparesTime, isUnsure } from "./changes.ts";
import { CHEAP_READ_BYTES } from "../common/worth.ts";
import type { BaseEntry } from "../../core/history.ts";

type Files = Readonly<Record<Side, FileEntry>>;

/**
 * Returns the sides whose file has the stamps known to history, although these stamps could hide an edit (too recent
 * when written, only a weak revision changed, or another file is in its place), and whose content is not proven yet.
 * Empty if contents are compared anyway.
 */
export function doubtfulSides(context: PlanContext, files: Files, base: BaseEntry): readonly Side[] {
  if (comparesChecksum(context) || !comparesTime(context)) return [];
  if (sameChecksum(files.local.checksum, files.remote.checksum) !== undefined) return [];
  return bothSides.filter((side) => isDoubtful(context, side, files[side], base));
}

/**
 * Whether the sides have different contents because a server altered what it was sent, with the user's consent, and
 * neither changed since. Only an upload to such a server records two sizes in one base entry.
 */
export function isAcceptedAlteration(context: PlanContext, files: Files, base: BaseEntry | undefined): boolean {
  if (base?.local === undefined || base.remote === undefined || base.local.size === base.remote.size) return false;
  if (!bothSides.some((side) => context.sides[side].traits.altersFiles === true)) return false;
  return !comparesChecksum(context) &&
    bothSides.every((side) => editDirection(context, side, files[side], base) === "still");
}

/** Whether one side's file is in doubt, as described at doubtfulSides(). */
export function isDoubtful(context: PlanContext, side: Side, entry: FileEntry, base: BaseEntry): boolean {
  const found = changeSince(context, side, entry, base);
  if (found === "unsure") return isUnsure(base, side, entry);
  return found === "touched" && hasOnlyRevisionChanged(context, side, entry, base);
}

/** Whether the side's file could have been edited without a visible change. */
export function canHideEdit(context: PlanContext, side: Side, entry: FileEntry, base: BaseEntry): boolean {
  return isUnsure(base, side, entry) || hasOnlyRevisionChanged(context, side, entry, base);
}

/** Whether only the revision changed, on a backend with weak revisions. */
function hasOnlyRevisionChanged(context: PlanContext, side: Side, entry: FileEntry, base: BaseEntry): boolean {
  const stamp = base[side];
  return context.sides[side].traits.weakRevisions === true && stamp?.size === entry.size &&
    compareStamp(context, side, entry, stamp) === "revision";
}

/**
 * How a side's file changed since the last run. "still": not at all; "unknown": it changed, and no time shows the
 * direction.
 */
export type EditDirection = "still" | "newer" | "older" | "unknown";

/**
 * Returns how the file changed since the last run. It is compared with its own side only, at that side's time step.
 * Other content under the same time was written after the stamp was.
 */
export function editDirection(context: PlanContext, side: Side, entry: FileEntry, base: BaseEntry): EditDirection {
  const stamp = base[side];
  if (stamp === undefined) return "unknown";
  const proof = sameChecksum(entry.checksum, base.checksum);
  const isSameStamp = compareStamp(context, side, entry, stamp) === "same" ||
    (proof !== false && hasOnlyRevisionChanged(context, side, entry, base));
  if (isSameStamp) return proof === false || entry.size !== stamp.size ? "newer" : "still";
  if (entry.modified === undefined || stamp.modified === undefined || entry.modified === stamp.modified) {
    return "unknown";
  }
  return entry.modified > stamp.modified ? "newer" : "older";
}

/**
 * Whether two equal times prove that neither file was edited. False if a time step is so long that two edits can have
 * the same time.
 */
export function haveFineTimes(context: PlanContext, files: Files): boolean {
  return bothSides.every((side) => hasFineTime(context, side, files[side]));
}

/**
 * Whether the side's time step is so short that two edits never have the same time. False if the times are upload
 * times.
 */
export function hasFineTime(context: PlanContext, side: Side, entry: FileEntry): boolean {
  const { traits } = context.sides[side];
  return traits.timeStep !== undefined && entry.isUploadTime !== true && stepOf(entry, traits) < COARSE_MS;
}

/** Counts a file whose doubtful sides are judged by their stamps, for the note about it. */
export function countUnproven(context: PlanContext, files: Files, doubted: readonly Side[]): void {
  if (doubted.some((side) => !hasFineTime(context, side, files[side]))) context.builder.counts.unproven++;
}

/**
 * Returns why two files with equal size and time that history does not know may differ. "young": an edit after the
 * listing would have the same time; "inexact": the finer side has a fraction that the coarser one cannot confirm.
 * Undefined if size and time are proof.
 */
export function equalityWeakness(context: PlanContext, files: Files): "young" | "inexact" | undefined {
  if (!comparesTime(context) || haveFineTimes(context, files)) return undefined;
  const isYoung = bothSides.some((side) => {
    const { modified } = files[side];
    const span = Math.max(stepOf(files[side], context.sides[side].traits), RECENT_MS);
    return modified !== undefined && isRecent(modified, context.options.listedAt, span);
  });
  if (isYoung) return "young";
  const { local, remote } = files;
  if (local.modified === remote.modified || !areTimesClose(local.modified, remote.modified)) return undefined;
  return local.size <= CHEAP_READ_BYTES ? "inexact" : undefined;
}

/** The time step from which on two edits by people may have the same time. */
const COARSE_MS = 1000;
