import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import {
  knownAs,
  planFor,
  type PlanInput,
  START,
  summarizeActions,
  sumOf,
} from "../../../support/planning/planning.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";

const moves = (given: Omit<PlanInput, "mode"> & { readonly mode?: PlanInput["mode"] }) =>
  summarizeActions(planFor({ mode: "Remote", remove: true, moves: true, ...given }).actions);
const x = { checksum: sumOf("x") };

Deno.test("TW-14 plan() renames a file whose content is proven by a checksum", () => {
  assert.deepEqual(moves({ local: { b: x }, remote: { a: x } }), ["move remote b moved"]);
});

Deno.test("plan() copies and removes when moves are off, or without a proof", () => {
  const given = { local: { b: x }, remote: { a: x } };
  assert.deepEqual(moves({ ...given, moves: false }), ["remove remote a gone", "copy remote b new"]);
  assert.deepEqual(moves({ local: { b: {} }, remote: { a: {} } }), ["remove remote a gone", "copy remote b new"]);
  assert.deepEqual(moves({ local: { b: x }, remote: { a: { checksum: sumOf("y") } } }), [
    "remove remote a gone",
    "copy remote b new",
  ]);
});

Deno.test("plan() moves nothing without -Remove", () => {
  assert.deepEqual(moves({ remove: false, local: { b: x }, remote: { a: x } }), ["copy remote b new"]);
});

Deno.test("plan() never moves an empty file", () => {
  const empty = { size: 0, ...x };
  assert.deepEqual(moves({ local: { b: empty }, remote: { a: empty } }), ["remove remote a gone", "copy remote b new"]);
});

Deno.test("plan() uses each old name for one new name", () => {
  const made = moves({ local: { c: x, d: x }, remote: { a: x } });
  assert.deepEqual(made, ["move remote c moved", "copy remote d new"]);
});

const known: BaseEntry = {
  path: toRelPath("a"),
  kind: "file",
  local: { size: 5, modified: START, fileId: "1:7" },
  remote: { size: 5, modified: START },
};

Deno.test("TW-14 plan() renames a file that history knows by its id, size and time", () => {
  const sides = { local: { b: { fileId: "1:7" } }, remote: { a: {} } };
  assert.deepEqual(moves({ mode: "Both", known: [known], ...sides }), ["move remote b moved"]);
});

Deno.test("plan() does not trust a file id whose file has another time or size", () => {
  for (const other of [{ modified: START + 1 }, { size: 6 }]) {
    const sides = { local: { b: { fileId: "1:7", ...other } }, remote: { a: {} } };
    assert.deepEqual(moves({ mode: "Both", known: [known], ...sides }), ["remove remote a gone", "copy remote b new"]);
  }
});

Deno.test("plan() does not rename a file that changed on the other side", () => {
  const sides = { local: { b: { fileId: "1:7" } }, remote: { a: { modified: START + 9000 } } };
  assert.deepEqual(moves({ mode: "Both", known: [known], ...sides }), ["copy local a restored", "copy remote b new"]);
});

Deno.test("plan() renames into a folder that it makes, and out of one that it removes", () => {
  const made = moves({ known: knownAs(), local: { "new/b": x }, remote: { "old/a": x } });
  assert.deepEqual(made, ["makeDir remote new new", "move remote new/b moved", "remove remote old gone"]);
});

Deno.test("plan() does not trust a file id whose file had another size", () => {
  const odd = { ...known, local: { size: 4, modified: START, fileId: "1:7" } };
  const made = moves({ mode: "Both", known: [odd], local: { b: { fileId: "1:7" } }, remote: { a: {} } });
  assert.deepEqual(made, ["remove remote a gone", "copy remote b new"]);
});

Deno.test("plan() does not rename a file that was touched on its way, so that its time arrives", () => {
  const touched = { ...x, modified: START + 9000 };
  assert.deepEqual(moves({ local: { b: touched }, remote: { a: x } }), ["remove remote a gone", "copy remote b new"]);
  assert.deepEqual(moves({ criteria: "Size", local: { b: touched }, remote: { a: x } }), ["move remote b moved"]);
});

Deno.test("plan() renames no file that was changed since, though its size and time are what history holds", () => {
  const held = { ...known, remote: { size: 5, modified: START, changeTime: 1 }, ...x };
  const given = (changeTime: number) => ({ known: [held], local: { b: x }, remote: { a: { changeTime } } });
  assert.deepEqual(moves(given(1)), ["move remote b moved"]);
  assert.deepEqual(moves(given(2)), ["remove remote a gone", "copy remote b new"]);
});
