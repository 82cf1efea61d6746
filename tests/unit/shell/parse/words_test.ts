import assert from "node:assert/strict";
import { SyncError } from "../../../../lib/core/errors.ts";
import { parseWords } from "../../../../lib/shell/parse/parser.ts";

/** The arguments, short: names with a dash, values as they are, name and value with "=". */
function read(...argv: string[]): unknown {
  const stage = parseWords(["x", ...argv])[0]?.pipeline[0];
  assert.ok(stage?.kind === "command");
  return stage.args.map((arg) => {
    if (arg.kind === "splat") return assert.fail();
    const word = arg.value?.kind === "word" ? arg.value.text : undefined;
    return arg.kind === "value" ? word : { name: arg.name, ...(word === undefined ? {} : { word }) };
  });
}

const cases: readonly (readonly [readonly string[], unknown])[] = [
  [["./site", "sftp://u@h/p"], ["./site", "sftp://u@h/p"]],
  [["-Mode", "Remote"], [{ name: "Mode" }, "Remote"]],
  [["-Mirror:$false"], [{ name: "Mirror", word: "$false" }]],
  [["--local-path=a=b"], [{ name: "local-path", word: "a=b" }]],
  [["--local-path", "x"], [{ name: "local-path" }, "x"]],
  [["-Path:C:\\x"], [{ name: "Path", word: "C:\\x" }]],
  [["\u2014Mode"], [{ name: "Mode" }]],
  [["-?"], [{ name: "?" }]],
  [["--help"], [{ name: "help" }]],
  [["-1", "-.5", "-", "-1.5K"], ["-1", "-.5", "-", "-1.5K"]],
  [["--", "-Name", "--"], ["-Name", "--"]],
  [["$name", "'a'", '"b"', "a|b", "#c", "a,b", ""], ["$name", "'a'", '"b"', "a|b", "#c", "a,b", ""]],
];

for (const [argv, wanted] of cases) {
  Deno.test(`parseWords() reads ${JSON.stringify(argv)}`, () => assert.deepEqual(read(...argv), wanted));
}

for (const word of ["-Mirror:", "--password=", "-Name="]) {
  Deno.test(`parseWords() refuses ${word} with nothing behind it`, () => {
    assert.throws(() => read(word), (error) => error instanceof SyncError && error.facts.id === "MissingArgument");
  });
}

Deno.test("parseWords() refuses a line without a command", () => {
  for (const argv of [[], [""], ["  "]]) {
    assert.throws(
      () => parseWords(argv),
      (error) => error instanceof SyncError && error.facts.id === "CommandNotFound",
    );
  }
});
