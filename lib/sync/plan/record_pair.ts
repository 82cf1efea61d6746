import { type FileEntry, otherSide, type Side, sides as bothSides } from "../../core/entry.ts";
import { sameChecksum } from "../common/criteria.ts";
import type { PlanContext } from "./context.ts";
import { compareStamp, lacksChangeTime, recordEqual, sameContent, stampToRecord } from "./changes.ts";
import { canHideEdit, editDirection } from "./doubt.ts";
import type { Row } from "./rows.ts";

/** A name that is a file on both sides, and the side to change. */
export interface FilePair {
  readonly row: Row;
  readonly local: FileEntry;
  readonly remote: FileEntry;
  readonly to: Side;
}

/** Records in history a pair that needs no action, unless history says so already. */
export function recordPair(context: PlanContext, { row, local, remote }: FilePair): void {
  const base = row.base?.kind === "file" ? row.base : undefined;
  const isStill = base !== undefined && base.partialSide === undefined &&
    bothSides.every((side) => editDirection(context, side, side === "local" ? local : remote, base) === "still");
  if (!isStill) {
    if (sameContent(context, local, remote) === true) recordEqual(context, row);
  } else if (
    lacksChangeTime(base, { local, remote }) ||
    bothSides.some((side) => canHideEdit(context, side, side === "local" ? local : remote, base))
  ) {
    recordEqual(context, row, base.checksum);
  }
}

/**
 * Updates history for files that are kept apart, so that they are not read again in each run: doubts end, a target that
 * differs under the same stamp loses its stamp and counts as edited, and files proven different have no stamps.
 */
export function recordKeptApart(context: PlanContext, { row, to, ...files }: FilePair): void {
  const base = row.base?.kind === "file" ? row.base : undefined;
  if (context.history === undefined || base?.partialSide !== undefined) return;
  const isApart = sameChecksum(files.local.checksum, files.remote.checksum) === false;
  const haveMoved = base === undefined ||
    bothSides.every((side) => editDirection(context, side, files[side], base) !== "still");
  if (isApart && haveMoved) {
    const path = base?.path ?? files.local.path;
    return void context.builder.historyUpdates.push({ path, base: { path, kind: "file" } });
  }
  if (base === undefined) return;
  const stamp = base[to];
  const from = otherSide(to);
  const isHidden = stamp?.size === files[to].size && compareStamp(context, to, files[to], stamp) !== "time";
  const hidesEdit = base[from] !== undefined && canHideEdit(context, from, files[from], base);
  const isDoubted = hidesEdit && editDirection(context, from, files[from], base) === "still";
  // The source was edited under its stamp, as its content shows: without a stamp it counts as edited from now on.
  const isEdited = hidesEdit && sameChecksum(files[from].checksum, base.checksum) === false;
  const { unprovenSide, provableFrom: _from, [to]: _, [from]: old, ...rest } = base;
  if (unprovenSide === undefined && !isHidden && !isDoubted && !isEdited) return;
  const kept = isDoubted ? stampToRecord(context, from, files[from], base) : old;
  const source = isEdited || kept === undefined ? {} : { [from]: kept };
  const target = isHidden || stamp === undefined ? {} : { [to]: stamp };
  context.builder.historyUpdates.push({ path: base.path, base: { ...rest, ...source, ...target } });
}
