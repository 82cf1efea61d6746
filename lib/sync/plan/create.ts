import { otherSide, type Reason, type Side } from "../../core/entry.ts";
import { isBlocked, passOver, refuseWithContent } from "./blocked.ts";
import { type Context, keepOf, refuse } from "./context.ts";
import { forget } from "./changes.ts";
import { misfit } from "./names.ts";
import { removalsBelow } from "./remove.ts";
import type { Row, Rows } from "./rows.ts";
import { noteUntraced } from "./deletion_evidence.ts";
import { countOf, kindOf, quoted } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";

/** Creates on side `to` a row that only the other side has. Refuses it, with its content, if the name does not fit. */
export function makeRow(context: Context, row: Row, { to, rows, why }: { to: Side; rows: Rows; why: Reason }): void {
  const source = row[otherSide(to)];
  if (source === undefined || source.kind === "opaque") return;
  const { names, sides, draft } = context;
  const path = names.placeOn(to, row.key, source.path);
  const unfit = misfit(to, path, sides);
  if (unfit !== undefined) {
    const said = `the ${to} side cannot hold this name: ${unfit}`;
    refuseWithContent(context, source, {
      side: otherSide(to),
      kind: "badInput",
      why: said,
      below: rows.below(row.key),
    });
    return;
  }
  if (source.kind !== "dir") {
    draft.actions.push({ do: "copy", to, path, why, source });
    return;
  }
  names.spell(to, row.key, path);
  if (sides[to].traits.hasDirs) draft.actions.push({ do: "makeDir", to, path, why });
  else if (!rows.holds(row.key)) draft.counts.emptyFolders++;
}

/**
 * Creates on side `to` a whole block that only one side has. Entries known to history are counted as restored, the
 * others are new.
 */
export function makeAll(context: Context, rows: Rows, to: Side): void {
  const from = otherSide(to);
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    if (isBlocked(row)) passOver(context, row, rows);
    else if (row[from] === undefined) forget(context, row.known);
    else {
      if (row.known !== undefined) context.draft.restoring.push(row.known.path);
      if (row.known !== undefined && isLeaf(row[from])) context.draft.counts.restored++;
      makeRow(context, row, { to, rows, why: row.known === undefined ? "new" : "restored" });
    }
  }
}

/**
 * Replaces the entry on side `to` by one of another type: a file for a folder, a folder for a file, a link for either.
 * Nothing is replaced that contains something that must stay. Consumes the rows below the row. In the plan the new
 * entry comes first, then the removal of each entry of the old folder.
 */
export function replaceType(context: Context, row: Row, { to, rows }: { to: Side; rows: Rows }): void {
  const source = row[otherSide(to)];
  const target = row[to];
  if (source === undefined || target === undefined || source.kind === "opaque") return;
  const { draft, holding } = context;
  const below = target.kind === "dir" ? rows.below(row.key) : [];
  const removals = holding === undefined ? removalsBelow(context, row, { side: to, below }) : undefined;
  if (removals === undefined) {
    const why = holding ?? `the folder ${quoted(target.path)} of the ${to} side holds something that must stay`;
    refuse(context, otherSide(to), { path: source.path, kind: "exists", why });
    if (target.kind !== "dir") rows.below(row.key);
    return;
  }
  const path = target.path;
  const kept = target.kind === "dir" ? undefined : keepOf(context, target, to);
  const placed = { to, path, why: "new", replaces: target } as const;
  if (source.kind !== "dir") draft.actions.push({ do: "copy", ...placed, source, ...kept });
  else {
    context.names.spell(to, row.key, path);
    draft.actions.push({ do: "makeDir", ...placed });
  }
  for (const removal of removals) draft.actions.push(removal);
  for (const { known, ...inside } of below) {
    if (inside[to] === undefined && inside.clash === undefined) forget(context, known);
  }
}

/**
 * Leaves a file opposite a folder (or a link) unchanged on both sides and reports failures of the source's path and of
 * each file below it.
 */
export function refuseType(context: Context, row: Row, { to, rows }: { to: Side; rows: Rows }): void {
  const source = row[otherSide(to)];
  const target = row[to];
  const below = rows.below(row.key);
  if (source === undefined || target === undefined) return;
  const why = `it is ${kindOf(source)} here and ${
    kindOf(target)
  } on the ${to} side; with -Remove the new type replaces the old`;
  refuseWithContent(context, source, { side: otherSide(to), kind: "exists", why, below });
}

/** Adds the notes that stand for many paths each. */
export function noteCounts(context: Context): void {
  const { draft, options } = context;
  noteUntraced(draft, options.mode === "Both");
  const { onlyThere, skippedNew, emptyFolders, restored, unproven } = draft.counts;
  const to: Side = options.mode === "Local" ? "local" : "remote";
  const say = (code: string, count: number, why: string) => {
    if (count > 0) draft.notes.push({ code, count, why, ...(options.mode === "Both" ? {} : { side: to }) });
  };
  const there = `${countOf(onlyThere, "file")} exist${onlyThere === 1 ? "s" : ""} only on the ${to} side`;
  say("onlyThere", onlyThere, `${there}: kept; -Remove removes what the other side lacks`);
  say("skippedNew", skippedNew, `${countOf(skippedNew, "new file")} skipped`);
  say(
    "emptyFolders",
    emptyFolders,
    `${countOf(emptyFolders, "empty folder")} not made: there are no empty folders there`,
  );
  say(
    "unproven",
    unproven,
    `${
      countOf(unproven, "file")
    } taken for unchanged by size and time, though an edit in the same moment would look the same ` +
      "and the contents could not be compared; -Criteria Checksum compares them",
  );
  const back = `${countOf(restored, "file")} deleted or changed on one side brought back from the other`;
  say("restored", restored, options.remove ? back : `${back}; -Remove lets deletions travel`);
}
