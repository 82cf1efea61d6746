import assert from "node:assert/strict";
import { closestMatch, formatList, quote } from "../../../../lib/shell/command/suggest.ts";

const names = ["Remove", "RemotePath", "Mode", "Mirror", "LocalPath", "ov"];

for (
  const [word, wanted] of [
    ["remoev", "Remove"],
    ["local-pth", "LocalPath"],
    ["Miror", "Mirror"],
    ["loc", "LocalPath"],
    ["Mdoe", "Mode"],
    ["xyz", undefined],
    ["a", undefined],
    ["ob", undefined],
    ["", undefined],
    ["-", undefined],
  ] as const
) {
  Deno.test(`nearest() gives ${wanted} for "${word}"`, () => assert.equal(closestMatch(word, names), wanted));
}

Deno.test("nearest() compares words of any length in no time", () => {
  assert.equal(closestMatch("x".repeat(1_000_000), names), undefined);
});

Deno.test("quoted() cuts, makes printable, and hides the login of an address", () => {
  assert.equal(quote("a\x1b[31m"), '"a\\u001b[31m"');
  assert.equal(quote("abcdef", 4), '"abc…"');
  assert.equal(quote("sftp://u:pw@h/x"), '"sftp://…@h/x"');
});

Deno.test("listed() cuts a long list and says how much is left", () => {
  assert.equal(formatList(["a", "b"]), "a, b");
  assert.equal(formatList(["a", "b", "c"], 2), "a, b and 1 more");
});
