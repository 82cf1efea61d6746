import { type FileEntry, type Known, type Side, sides as bothSides } from "../../core/entry.ts";
import { isClose, isRecent, sameChecksum, stepOf, YOUNG_MS } from "../common/criteria.ts";
import type { Context } from "./context.ts";
import { comparesTime, isProvisional, since, stampOf, wantsChecksum } from "./changes.ts";
import { WORTH_READING } from "../common/worth.ts";

type Files = Readonly<Record<Side, FileEntry>>;

/**
 * The sides whose file looks as history knows it, by a mark that could hide an edit (it was too young when it was written, or only its
 * revision moved where revisions are weak), and whose content nothing has proven yet. Empty where contents are compared anyway.
 */
export function inDoubt(context: Context, files: Files, known: Known): readonly Side[] {
  if (wantsChecksum(context) || !comparesTime(context)) return [];
  if (sameChecksum(files.local.checksum, files.remote.checksum) !== undefined) return [];
  return bothSides.filter((side) => isDoubted(context, side, files[side], known));
}

/** The same of one side's file. */
export function isDoubted(context: Context, side: Side, entry: FileEntry, known: Known): boolean {
  const found = since(context, side, entry, known);
  if (found === "unsure") return isProvisional(known, side);
  return found === "touched" && hasOtherRevisionOnly(context, side, entry, known);
}

/** Could the side's file have been edited without showing it? */
export function canHideEdit(context: Context, side: Side, entry: FileEntry, known: Known): boolean {
  return isProvisional(known, side) || hasOtherRevisionOnly(context, side, entry, known);
}

/** Did nothing but the revision move, in a place whose revisions are weak? */
function hasOtherRevisionOnly(context: Context, side: Side, entry: FileEntry, known: Known): boolean {
  const mark = known[side];
  return context.sides[side].traits.weakRevisions === true && mark?.size === entry.size &&
    stampOf(context, side, entry, mark) === "revision";
}

/** How a side's file moved since history was written. "still": not at all; "unknown": it did, and no time tells which way. */
export type Drift = "still" | "newer" | "older" | "unknown";

/**
 * Each side is compared with itself alone, at its own step. Content that is another under the same time was written after the mark was.
 */
export function driftOf(context: Context, side: Side, entry: FileEntry, known: Known): Drift {
  const mark = known[side];
  if (mark === undefined) return "unknown";
  const proof = sameChecksum(entry.checksum, known.checksum);
  const isSameStamp = stampOf(context, side, entry, mark) === "same" ||
    (proof !== false && hasOtherRevisionOnly(context, side, entry, known));
  if (isSameStamp) return proof === false || entry.size !== mark.size ? "newer" : "still";
  if (entry.modified === undefined || mark.modified === undefined || entry.modified === mark.modified) return "unknown";
  return entry.modified > mark.modified ? "newer" : "older";
}

/** Does equality of two times say that nobody edited either file? Not where a step is so long that two edits fall into one. */
export function isFine(context: Context, files: Files): boolean {
  return bothSides.every((side) => isFineOn(context, side, files[side]));
}

/** Is the step of the side's times so short that two edits never fall into one? Not where they tell when files came there. */
export function isFineOn(context: Context, side: Side, entry: FileEntry): boolean {
  const { traits } = context.sides[side];
  return traits.timeStep !== undefined && entry.isArrival !== true && stepOf(entry, traits) < COARSE_MS;
}

/** Counts a file whose sides in doubt are taken as they look; for the note that says so. */
export function countUnproven(context: Context, files: Files, doubted: readonly Side[]): void {
  if (doubted.some((side) => !isFineOn(context, side, files[side]))) context.draft.counts.unproven++;
}

/**
 * Why an equal size and time of two files that history does not know may hide two contents. "young": an edit that came after the listing
 * would show the same time; "inexact": the finer side tells a fraction that the coarser one cannot confirm. Undefined where they are proof.
 */
export function weaknessOf(context: Context, files: Files): "young" | "inexact" | undefined {
  if (!comparesTime(context) || isFine(context, files)) return undefined;
  const isYoung = bothSides.some((side) => {
    const { modified } = files[side];
    const span = Math.max(stepOf(files[side], context.sides[side].traits), YOUNG_MS);
    return modified !== undefined && isRecent(modified, context.options.listedAt, span);
  });
  if (isYoung) return "young";
  const { local, remote } = files;
  if (local.modified === remote.modified || !isClose(local.modified, remote.modified)) return undefined;
  return local.size <= WORTH_READING ? "inexact" : undefined;
}

/** From here on two edits by people may well fall into one step. */
const COARSE_MS = 1000;
