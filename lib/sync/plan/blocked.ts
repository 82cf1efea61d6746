import { type Entry, otherSide, type Side, sides as bothSides } from "../../core/entry.ts";
import { entriesOf, type PlanContext, refuse, sourceFirst } from "./context.ts";
import type { Row, Rows } from "./rows.ts";
import { countOf, quote } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";

/** Whether the row contains something that must not be touched or replaced on either side. */
export function isBlocked(row: Row): boolean {
  return row.clash !== undefined || row.local?.kind === "opaque" || row.remote?.kind === "opaque";
}

/**
 * Skips a blocked row and everything below it on both sides, and reports what is left unchanged. History keeps its
 * entries there.
 */
export function skipBlocked(context: PlanContext, row: Row, rows: Rows): void {
  const below = rows.takeBelow(row.key);
  if (row.clash !== undefined) refuseClash(context, row.clash, below);
  else noteOpaque(context, row, below);
}

/** Adds a refusal for one path and for each file below it on that side. */
export function refuseWithContent(
  context: PlanContext,
  entry: Entry,
  refused: {
    readonly side: Side;
    readonly kind: "badInput" | "exists";
    readonly why: string;
    readonly below: readonly Row[];
  },
): void {
  const { side, kind, why, below } = refused;
  refuse(context, side, { path: entry.path, kind, why });
  for (const row of below) {
    for (const inside of entriesOf(row, side)) {
      if (!isLeaf(inside)) continue;
      refuse(context, side, { path: inside.path, kind, why: `it is in ${quote(entry.path)}: ${why}` });
    }
  }
}

function refuseClash(
  context: PlanContext,
  clash: Readonly<Record<Side, readonly Entry[]>>,
  below: readonly Row[],
): void {
  for (const side of bothSides) {
    const [first, ...others] = clash[side];
    if (first === undefined || others.length === 0) continue;
    const paths = [...new Set(clash[side].map((entry) => quote(entry.path)))];
    const why = paths.length === 1
      ? `${paths[0]} is a file and a folder at once`
      : `${
        paths.join(" and ")
      } are one name where upper and lower case or Unicode forms are not told apart; rename one of them`;
    refuseWithContent(context, first, { side, kind: "exists", why, below });
    for (const other of others) refuse(context, side, { path: other.path, kind: "exists", why });
  }
}

/**
 * Adds notes for links and special files if they prevent something, and counts the leftovers of other programs. Unreadable folders were refused by
 * findFolderFacts() already.
 */
function noteOpaque(context: PlanContext, row: Row, below: readonly Row[]): void {
  const { mode, remove } = context.options;
  const source: Side = mode === "Local" ? "remote" : "local";
  for (const side of sourceFirst(source)) {
    const entry = row[side];
    if (entry?.kind !== "opaque" || entry.cause === "unreadable") continue;
    const across = otherSide(side);
    const opposite = row[across];
    if (entry.cause === "foreign" && (opposite === undefined || opposite.kind === "opaque")) {
      context.builder.foreign.push(entry.path);
      return;
    }
    const isIrrelevant = mode !== "Both" && side !== source && opposite === undefined && !remove;
    if (!isIrrelevant) {
      const kept = countLeavesIn([row, ...below], across);
      const why = kept === 0
        ? `${entry.why}: skipped`
        : `${entry.why}: skipped, and ${countOf(kept, "file")} of the ${across} side in its place left alone`;
      context.builder.notes.push({
        code: entry.cause,
        path: entry.path,
        side,
        ...(kept === 0 ? {} : { count: kept }),
        why,
      });
    }
    if (opposite?.kind === "opaque" && opposite.cause !== "unreadable") return;
  }
}

function countLeavesIn(rows: readonly Row[], side: Side): number {
  let count = 0;
  for (const row of rows) for (const entry of entriesOf(row, side)) if (isLeaf(entry)) count++;
  return count;
}
