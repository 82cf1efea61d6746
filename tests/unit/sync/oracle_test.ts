import assert from "node:assert/strict";
import { checkRow, type OracleRow, type Shape } from "../../support/planning/oracle.ts";

const row = (A: Shape, L: Shape, R: Shape, after: Partial<OracleRow>): OracleRow => ({
  ...{ A, L, R, L2: L, R2: R, A2: A, conflicts: [] },
  ...after,
});
const all = (shape: Shape) => ({ L2: shape, R2: shape, A2: shape });
const shapes: readonly Shape[] = [null, "f:0", "f:1", "f:2", "l:t", {}, { x: "f:0" }, { x: { y: "f:1" }, z: "f:2" }];

for (const before of shapes) {
  for (const after of shapes) {
    const name = `${JSON.stringify(before)} to ${JSON.stringify(after)}`;
    Deno.test(`plan() brings a change of one side to the other: ${name}`, () => {
      assert.equal(checkRow(row(before, after, before, all(after))), undefined);
      assert.equal(checkRow(row(before, before, after, all(after))), undefined);
    });
    Deno.test(`plan() only learns what both sides did alike: ${name}`, () => {
      assert.equal(checkRow(row(before, after, after, all(after))), undefined);
    });
  }
}

const rows: readonly (readonly [string, OracleRow])[] = [
  ["other content on both sides", row("f:2", "f:0", "f:1", { conflicts: [""] })],
  ["a file against a folder", row(null, "f:0", { x: "f:1" }, { conflicts: [""] })],
  ["a file against a link", row(null, "f:0", "l:t", { conflicts: [""] })],
  ["a deletion against an edit", row("f:0", null, "f:2", all("f:2"))],
  ["a deletion against a folder", row("f:0", null, { x: "f:0" }, all({ x: "f:0" }))],
  [
    "a deleted folder with a new file in it",
    row({ x: "f:0" }, null, { x: "f:0", y: "f:1" }, all({ x: "f:0", y: "f:1" })),
  ],
  ["a deleted folder, half deleted there", row({ x: "f:0", y: "f:1" }, { x: "f:0" }, null, all(null))],
  ["a file for a folder that lost content", row({ x: "f:0", y: "f:1" }, "f:2", { x: "f:0" }, all("f:2"))],
  ["a file for a folder that gained content", row({ x: "f:0" }, "f:2", { x: "f:0", y: "f:1" }, { conflicts: [""] })],
  ["a conflict beside a change", {
    ...row({ x: "f:0", y: "f:0" }, { x: "f:1", y: "f:2" }, { x: "f:2", y: "f:0" }, {}),
    ...{ L2: { x: "f:1", y: "f:2" }, R2: { x: "f:2", y: "f:2" }, A2: { x: "f:0", y: "f:2" }, conflicts: ["x"] },
  }],
  ["a folder on both sides, with other content", {
    ...row("f:0", { x: "f:1" }, { x: "f:2", y: "f:0" }, {}),
    ...{ L2: { x: "f:1", y: "f:0" }, R2: { x: "f:2", y: "f:0" }, A2: { y: "f:0" }, conflicts: ["x"] },
  }],
];

for (const [name, given] of rows) {
  Deno.test(`plan() handles ${name}`, () => assert.equal(checkRow(given), undefined));
}

Deno.test("checkRow() says what came out and what should have", () => {
  assert.match(checkRow(row("f:0", "f:1", "f:0", {})) ?? "", /R2 is "f:1", not "f:0"; A2 is "f:1", not "f:0"/);
});
