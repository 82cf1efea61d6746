import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { SyncError } from "../../lib/core/errors.ts";
import { parse, parseWords } from "../../lib/shell/parse/parser.ts";
import { runs } from "../support/runs.ts";

const numRuns = runs(3_000, 200_000);

const pieces = [
  ..."'\"`$(){}[]@|;,#=:.-<>& \n\r\\a1é",
  "$(",
  "@(",
  "@{",
  "$x",
  "$env:",
  "${a}",
  "`u{41}",
  "-Name",
  "--a=",
  "<#",
  "#>",
  "\u2014N",
  "sftp://u@h/p",
];
const noise = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(""));
const quoted = (word: string) => `'${word.replaceAll("'", "''")}'`;
const anyText = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), noise);

function onlyBadInput(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof SyncError && error.kind === "badInput", String(error));
    assert.ok(error.message.split("\n").length <= 3, error.message);
    assert.ok(new TextEncoder().encode(error.message).length <= 600, error.message);
  }
}

Deno.test("parse() throws nothing but badInput, in three lines and 600 bytes at most", () => {
  fc.assert(fc.property(anyText, (text) => onlyBadInput(() => parse(text))), { numRuns });
});

Deno.test("parseWords() throws nothing but badInput and keeps every value behind --", () => {
  fc.assert(
    fc.property(fc.array(anyText, { maxLength: 5 }), fc.array(anyText, { maxLength: 5 }), (argv, rest) => {
      onlyBadInput(() => parseWords(argv));
      const stage = parseWords(["x", "--", ...rest])[0]?.pipeline[0];
      assert.ok(stage?.kind === "command");
      assert.deepEqual(stage.args, rest.map((text) => ({ kind: "value", value: { kind: "word", text } })));
    }),
    { numRuns },
  );
});

Deno.test("parse() reads every quoted word back as it was", () => {
  fc.assert(
    fc.property(fc.array(anyText, { minLength: 1, maxLength: 5 }), (words) => {
      const stage = parse(`x ${words.map(quoted).join(" ")}`)[0]?.pipeline[0];
      assert.ok(stage?.kind === "command");
      assert.deepEqual(stage.args, words.map((text) => ({ kind: "value", value: { kind: "text", text } })));
    }),
    { numRuns },
  );
});

const name = fc.constantFrom("Get-X", "Sync-Path", "y");
const shape = fc.array(
  fc.array(fc.record({ name, words: fc.array(anyText, { maxLength: 3 }) }), { minLength: 1, maxLength: 3 }),
  { maxLength: 4 },
);

Deno.test("parse() finds as many statements and stages as were written, whatever the blanks between", () => {
  fc.assert(
    fc.property(shape, fc.constantFrom(" | ", "|", " |\n  "), fc.constantFrom(";", "\n", " ;\n"), (lines, bar, end) => {
      const text = lines.map((stages) =>
        stages.map((stage) => [stage.name, ...stage.words.map(quoted)].join(" ")).join(bar)
      ).join(end);
      const found = parse(text).map((one) =>
        one.pipeline.map((stage) => stage.kind === "command" && stage.args.length)
      );
      assert.deepEqual(found, lines.map((stages) => stages.map((stage) => stage.words.length)));
    }),
    { numRuns: runs(500, 50_000) },
  );
});

Deno.test("parse() reads 200,000 characters of one kind without running out of stack", () => {
  for (
    const piece of [
      "(",
      "$(",
      "@(",
      "@{",
      "{",
      "'",
      '"',
      "`",
      "a,",
      "-N ",
      "a|",
      "a;",
      "$x",
      "<#",
      "#",
      ".",
      "[1]",
      "\n",
    ]
  ) {
    onlyBadInput(() => parse(`x ${piece.repeat(200_000 / piece.length)}`));
  }
});
