import { otherSide, type Side } from "../../core/entry.ts";
import { isOnlyBegun } from "../../core/history.ts";
import { isBlocked, refuseWithContent, skipBlocked } from "./blocked.ts";
import { folderOf, incompleteFolder, keepFields, type PlanBuilder, type PlanContext, refuse } from "./context.ts";
import { removeFromHistory } from "./changes.ts";
import { nameProblem } from "./names.ts";
import { removalsBelow } from "./remove.ts";
import type { Row, Rows } from "./rows.ts";
import { noteUnprovenAbsences } from "./deletion_evidence.ts";
import { countOf, describeKind, quote } from "../common/text.ts";
import { isLeaf } from "../common/leaves.ts";
import type { Reason } from "../../core/plan.ts";

/** Creates on side `to` a row that only the other side has. Refuses it, with its content, if the name does not fit. */
export function createRow(
  context: PlanContext,
  row: Row,
  { to, rows, why }: { to: Side; rows: Rows; why: Reason },
): void {
  const source = row[otherSide(to)];
  if (source === undefined || source.kind === "opaque") return;
  const { names, sides, builder } = context;
  const path = names.pathOn(to, row.key, source.path);
  const unfit = nameProblem(to, path, sides);
  if (unfit !== undefined) {
    const said = `the ${to} side cannot hold this name: ${unfit}`;
    refuseWithContent(context, source, {
      side: otherSide(to),
      kind: "badInput",
      why: said,
      below: rows.takeBelow(row.key),
    });
    return;
  }
  if (source.kind !== "dir") {
    builder.actions.push({ do: "copy", to, path, why, source });
    return;
  }
  names.recordSpelling(to, row.key, path);
  if (sides[to].traits.hasDirs) builder.actions.push({ do: "makeDir", to, path, why });
  else if (!rows.hasBelow(row.key)) builder.counts.emptyFolders++;
}

/**
 * Creates on side `to` a whole block that only one side has. Entries known to history are counted as restored, the
 * others are new.
 */
export function createAll(context: PlanContext, rows: Rows, to: Side): void {
  const from = otherSide(to);
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    if (isBlocked(row)) skipBlocked(context, row, rows);
    else if (row[from] === undefined) removeFromHistory(context, row.base);
    else {
      if (row.base !== undefined) context.builder.restored.push(row.base.path);
      const isNew = row.base === undefined || isOnlyBegun(row.base);
      if (!isNew && isLeaf(row[from])) context.builder.counts.restored++;
      createRow(context, row, { to, rows, why: isNew ? "new" : "restored" });
    }
  }
}

/**
 * Replaces the entry on side `to` by one of another type: a file for a folder, a folder for a file, a link for either.
 * Nothing is replaced that contains something that must stay. Consumes the rows below the row. In the plan the new
 * entry comes first, then the removal of each entry of the old folder.
 */
export function replaceType(context: PlanContext, row: Row, { to, rows }: { to: Side; rows: Rows }): void {
  const source = row[otherSide(to)];
  const target = row[to];
  if (source === undefined || target === undefined || source.kind === "opaque") return;
  const { builder } = context;
  const holding = incompleteFolder(context, folderOf(row.key)) ?? context.removalBlock;
  const below = target.kind === "dir" ? rows.takeBelow(row.key) : [];
  const removals = holding === undefined ? removalsBelow(context, row, { side: to, below }) : undefined;
  if (removals === undefined) {
    const why = holding ?? `the folder ${quote(target.path)} of the ${to} side holds something that must stay`;
    refuse(context, otherSide(to), { path: source.path, kind: "exists", why });
    if (target.kind !== "dir") rows.takeBelow(row.key);
    return;
  }
  const path = target.path;
  const kept = target.kind === "dir" ? undefined : keepFields(context, target, to);
  const placed = { to, path, why: "new", replaces: target } as const;
  if (source.kind !== "dir") builder.actions.push({ do: "copy", ...placed, source, ...kept });
  else {
    context.names.recordSpelling(to, row.key, path);
    builder.actions.push({ do: "makeDir", ...placed });
  }
  for (const removal of removals) builder.actions.push(removal);
  for (const { base, ...inside } of below) {
    if (inside[to] === undefined && inside.clash === undefined) removeFromHistory(context, base);
  }
}

/**
 * Leaves a file opposite a folder (or a link) unchanged on both sides and reports failures of the source's path and of
 * each file below it.
 */
export function refuseType(context: PlanContext, row: Row, { to, rows }: { to: Side; rows: Rows }): void {
  const source = row[otherSide(to)];
  const target = row[to];
  const below = rows.takeBelow(row.key);
  if (source === undefined || target === undefined) return;
  const why = `it is ${describeKind(source)} here and ${
    describeKind(target)
  } on the ${to} side; with -Remove the new type replaces the old`;
  refuseWithContent(context, source, { side: otherSide(to), kind: "exists", why, below });
}

/** Adds the notes that stand for many paths each. */
export function noteCounts(context: PlanContext): void {
  const { builder, options } = context;
  noteUnprovenAbsences(builder, options.mode === "Both");
  const { onlyThere, skippedNew, emptyFolders, restored, unproven } = builder.counts;
  const to: Side = options.mode === "Local" ? "local" : "remote";
  const say = (code: string, count: number, why: string) => {
    if (count > 0) builder.notes.push({ code, count, why, ...(options.mode === "Both" ? {} : { side: to }) });
  };
  const there = `${countOf(onlyThere, "file")} exist${onlyThere === 1 ? "s" : ""} only on the ${to} side`;
  say("onlyThere", onlyThere, `${there}: kept; -Remove removes what the other side lacks`);
  say("skippedNew", skippedNew, `${countOf(skippedNew, "new file")} skipped`);
  say(
    "emptyFolders",
    emptyFolders,
    `${countOf(emptyFolders, "empty folder")} not created: the target keeps no empty folders`,
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
  noteForeign(builder);
}

function noteForeign({ foreign, notes }: PlanBuilder): void {
  const [example] = foreign;
  if (example === undefined) return;
  const leftovers = `${countOf(foreign.length, "leftover")} of other programs left alone`;
  const why = `${leftovers}, such as ${quote(example)}; -IncludeLeftovers carries them`;
  notes.push({ code: "foreign", count: foreign.length, why });
}
