import { toRelPath } from "../../../lib/core/path.ts";
import type { RelPath } from "../../../lib/core/path.ts";
import { toPlanOptions } from "../../../lib/sync/common/options.ts";
import { plan } from "../../../lib/sync/plan/plan.ts";
import type { Entry } from "../../../lib/core/entry.ts";
import {
  ableTraits,
  interpret,
  listTree,
  remember,
  toHistory,
  toKnown,
  type Tree,
  type TreeNode,
} from "./interpret.ts";
import type { BaseEntry, History } from "../../../lib/core/history.ts";

/** A shape at one name: null absent, "f:<content>" a file, "l:<target>" a link, an object a folder of shapes. */
export type Shape = null | string | { readonly [name: string]: Shape };

/** What a three-way run makes of baseline A, local L and remote R: `conflicts` are paths left alone, "" the shape's own root. */
export interface OracleRow {
  readonly A: Shape;
  readonly L: Shape;
  readonly R: Shape;
  readonly L2: Shape;
  readonly R2: Shape;
  readonly A2: Shape;
  readonly conflicts: readonly string[];
}

/** Runs one row through the planner; undefined when it comes out as expected, else what is wrong. */
export function checkRow(row: OracleRow): string | undefined {
  const found = outcome(row);
  const wrong = (["L2", "R2", "A2", "conflicts"] as const)
    .filter((part) =>
      canonical(found[part]) !== canonical(part === "conflicts" ? [...row.conflicts].sort() : row[part])
    )
    .map((part) => `${part} is ${canonical(found[part])}, not ${canonical(row[part])}`);
  if (wrong.length === 0) return undefined;
  return `A ${canonical(row.A)} L ${canonical(row.L)} R ${canonical(row.R)}: ${wrong.join("; ")}`;
}

const NAME = "shape";
const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

function outcome({ A, L, R }: OracleRow): Pick<OracleRow, "L2" | "R2" | "A2" | "conflicts"> {
  const before = { local: grow(L), remote: grow(R) };
  const history = toHistory(Array.from(grow(A), ([path, thing]): BaseEntry => toKnown(path, thing, thing)));
  const sides = {
    local: { snapshot: listTree(before.local), traits: ableTraits },
    remote: { snapshot: listTree(before.remote), traits: ableTraits },
  };
  const planned = plan(sides, history, toPlanOptions({ mode: "Both", remove: true, conflict: "Skip" }));
  const after = interpret(planned, before);
  return {
    L2: toShape(after.local),
    R2: toShape(after.remote),
    A2: shapeOf(remember(planned, history, after)),
    conflicts: planned.conflicts.map(({ path }) => path === NAME ? "" : path.slice(NAME.length + 1)).sort(),
  };
}

function grow(shape: Shape): Tree {
  const tree = new Map<RelPath, TreeNode>();
  const add = (path: RelPath, part: Shape) => {
    if (part === null) return;
    tree.set(path, toThing(path, part));
    if (typeof part !== "string") {
      for (const [name, inner] of Object.entries(part)) add(toRelPath(`${path}/${name}`), inner);
    }
  };
  add(toRelPath(NAME), shape);
  return tree;
}

/** Contents "0" and "1" are of one size, so that nothing but time and checksum tells them apart. */
function toThing(path: RelPath, part: Exclude<Shape, null>): TreeNode {
  if (typeof part !== "string") return { content: "", entry: { kind: "dir", path } };
  const content = part.slice(2);
  if (part.startsWith("l:")) return { content: part, entry: { kind: "link", path, target: content } };
  const number = Number.parseInt(content, 10) || 0;
  const entry: Entry = { kind: "file", path, size: number < 2 ? 5 : 5 + number, modified: START_MS + number * HOUR_MS };
  return { content: part, entry };
}

function toShape(tree: Tree): Shape {
  return build(
    Array.from(tree, ([path, { entry, content }]) => ({ path, shape: entry.kind === "dir" ? {} : content })),
  );
}

/** History does not hold contents; a size and a time stand for one. */
function shapeOf(history: History): Shape {
  return build(Array.from(history, (known) => {
    if (known.kind === "dir") return { path: known.path, shape: {} };
    if (known.kind === "link") return { path: known.path, shape: `l:${known.target}` };
    return { path: known.path, shape: `f:${((known.local?.modified ?? 0) - START_MS) / HOUR_MS}` };
  }));
}

type Branch = { [name: string]: Branch | string };

function build(parts: readonly { readonly path: RelPath; readonly shape: Branch | string }[]): Shape {
  const top: Branch = {};
  for (const { path, shape } of parts.toSorted((a, b) => a.path.length - b.path.length)) {
    const names = path.split("/");
    let at = top;
    for (const name of names.slice(0, -1)) {
      const inner = at[name];
      if (inner === undefined || typeof inner === "string") return `${path} lies in nothing`;
      at = inner;
    }
    at[names.at(-1) ?? ""] = shape;
  }
  return top[NAME] ?? null;
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, part) =>
      part !== null && typeof part === "object" && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  );
}

if (import.meta.main) {
  const [file] = Deno.args;
  if (file === undefined) throw new RangeError("name the matrix file");
  const rows: readonly OracleRow[] = JSON.parse(await Deno.readTextFile(file));
  const wrong = rows.map(checkRow).filter((found) => found !== undefined);
  const lines = [...wrong.slice(0, 10), `${rows.length} rows, ${wrong.length} wrong`, ""];
  await Deno.stdout.write(new TextEncoder().encode(lines.join("\n")));
  if (wrong.length > 0) Deno.exit(1);
}
