import assert from "node:assert/strict";
import { renderSection, replaceSection, rowRecords, summarizeRow } from "./record.ts";
import { works } from "./row.ts";
import { rows } from "./rows.ts";

const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));

/** The formatter pads tables: their words count. */
function wordsOf(text: string): string {
  return text.replace(/-{3,}/g, "---").replace(/\s+/g, " ");
}

Deno.test("README's table of servers is the recorded one; `deno task servers --write` writes it", () => {
  assert.equal(wordsOf(readme), wordsOf(replaceSection(readme, renderSection(rowRecords))));
});

Deno.test("every server of the table has a record that says what is expected of it, in the same order", () => {
  const nameOf = ({ protocol, name }: { readonly protocol: string; readonly name: string }) => `${protocol} ${name}`;
  assert.deepEqual(rowRecords.map(nameOf), rows.map(nameOf));
  assert.equal(new Set(rows.map(nameOf)).size, rows.length);
  for (const { expects, ...row } of rows) {
    const record = rowRecords.find((one) => nameOf(one) === nameOf(row));
    if (record?.result === "fails") continue;
    assert.deepEqual([record?.result, record?.how], [expects.kind, expects.kind === "works" ? "" : expects.how]);
  }
});

Deno.test("a row is as expected only if every job of it ended right", () => {
  const row = { protocol: "FTP", name: "a", recipes: [], expects: works, start: () => Promise.reject() } as const;
  const end = { protocol: "FTP", name: "a", job: "one", isRight: true, message: "", seconds: 1 };
  assert.equal(summarizeRow(row, []), undefined);
  assert.equal(summarizeRow(row, [{ ...end, name: "b" }]), undefined);
  assert.equal(summarizeRow(row, [end])?.result, "works");
  const failed = summarizeRow(row, [end, { ...end, job: "two", isRight: false, message: "lost\nmore" }]);
  assert.deepEqual([failed?.result, failed?.how], ["fails", "two: lost"]);
});

Deno.test("the section of servers is replaced as a whole, and nothing beside it", () => {
  const text = "# A\n\n## Servers\n\nold\n\n## After\n";
  assert.equal(replaceSection(text, "## Servers\n\nnew\n\n"), "# A\n\n## Servers\n\nnew\n\n## After\n");
});
