import assert from "node:assert/strict";
import { optionsFiles } from "../../support/options_text.ts";

const home = new URL("../../../", import.meta.url);

Deno.test("The option types of mod.ts are those of the parameter tables: run deno task options after a change", async () => {
  for (const [path, text] of Object.entries(optionsFiles())) {
    assert.equal(await Deno.readTextFile(new URL(path, home)), text, path);
  }
});

Deno.test("Every field of an option type has a comment", async () => {
  for (const path of Object.keys(optionsFiles())) {
    const lines = (await Deno.readTextFile(new URL(path, home))).split("\n");
    const fields = lines.flatMap((line, i) => /^ {2}readonly \w+/.test(line) ? [[line, lines[i - 1] ?? ""]] : []);
    assert.ok(fields.length > 20, path);
    for (const [field, before] of fields) assert.match(before ?? "", /\*\/$/, field);
  }
});
