import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { viewFailures } from "../../../lib/report/table.ts";
import {
  escapeBuildCommands,
  escapeForTerminal,
  formatBytes,
  formatClock,
  formatCount,
  formatDuration,
  makePaint,
  plural,
  shorten,
  toErrorLines,
  toLine,
} from "../../../lib/report/text.ts";
import { loadWidth, roughWidth } from "../../../lib/report/width.ts";
import { startResult } from "../../../lib/report/result_builder.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text).length;

Deno.test("formatBytes() is short at every size", () => {
  const sizes = [0, 1, 999, 1000, 12_400_000, 99_960, 999_499, 999_500, 1.5e12, 2e18];
  assert.deepEqual(sizes.map(formatBytes), [
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1.0 KB",
    "12.4 MB",
    "100 KB",
    "999 KB",
    "1.0 MB",
    "1.5 TB",
    "2000 PB",
  ]);
});

Deno.test("formatDuration() and formatClock() carry over", () => {
  assert.deepEqual([0, 4.2, 59.94, 59.96, 65, 3599.6, 7380].map(formatDuration), [
    "0.0 s",
    "4.2 s",
    "59.9 s",
    "1 min 0 s",
    "1 min 5 s",
    "1 h 0 min",
    "2 h 3 min",
  ]);
  assert.deepEqual([7, 59.6, 725, 3723].map(formatClock), ["0:07", "1:00", "12:05", "1:02:03"]);
});

Deno.test("formatCount() and plural() group thousands", () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
  assert.deepEqual([plural(1, "file"), plural(5000, "file")], ["1 file", "5,000 files"]);
});

Deno.test("shorten() cuts in the middle and only what is too long", () => {
  assert.equal(shorten("abcdef", 6), "abcdef");
  assert.equal(shorten("abcdefghij", 5), "ab\u2026ij");
  assert.equal(shorten("abcdefghij", 4), "ab\u2026j");
  assert.deepEqual([shorten("abc", 1), shorten("abc", 0)], ["\u2026", ""]);
});

Deno.test("shorten() never cuts a character in two, nor exceeds the columns", async () => {
  const width = await loadWidth();
  const text = "\u65e5\u672c\u{1f468}\u200d\u{1f469}\u200d\u{1f467}e\u0301\u0301x\u{1f1e9}\u{1f1ea}\u65e5";
  for (let columns = 0; columns <= width(text); columns++) {
    const short = shorten(text, columns, width);
    assert.ok(width(short) <= columns, `${columns}: ${short}`);
    for (const piece of short.split("\u2026")) assert.ok(text.includes(piece));
    assert.equal(/^[\u200d\u0301]|\u200d$/.test(short.split("\u2026").at(-1) ?? ""), false);
  }
});

Deno.test("roughWidth() is never too small", async () => {
  const width = await loadWidth();
  for (const text of ["abc", "\u65e5\u672c", "\u{1f600}", "\u{1f1e9}\u{1f1ea}", "e\u0301", "\u00e9", "\uff21"]) {
    assert.ok(roughWidth(text) >= width(text), text);
  }
});

Deno.test("loadWidth() counts wide, joined and combining characters as a terminal does", async () => {
  const width = await loadWidth();
  assert.deepEqual(["abc", "\u65e5\u672c", "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}", "e\u0301"].map(width), [
    3,
    4,
    2,
    1,
  ]);
});

Deno.test("shown() leaves nothing that a terminal or a build server obeys", () => {
  const text = escapeForTerminal("\u001b]0;x\u0007 \u009b31m \r\n\u202e ##vso[x] ##[error]");
  // deno-lint-ignore no-control-regex
  assert.equal(/[\u0000-\u001f\u007f-\u009f\u202e]|##\[|##vso/.test(text), false);
  assert.match(text, /\\u001b/);
});

Deno.test("shown() and disarmed() leave no line that is a command to a build server", () => {
  const commands = ["::error file=x::boom", "  ::notice::x", "##[error]x", "a ##vso[task.x]y", "##teamcity[x]"];
  const obeyed = /(?:^|[\r\n])\s*::|##(?:\[|vso\[|teamcity\[)/;
  for (const command of commands) {
    assert.match(command, obeyed);
    assert.doesNotMatch(escapeForTerminal(command), obeyed);
    const lines = `Failures:\n  ${command}\r${command}\n`;
    assert.doesNotMatch(escapeBuildCommands(lines), obeyed);
    assert.equal(escapeBuildCommands(lines).split(/[\r\n]/).length, lines.split(/[\r\n]/).length);
  }
  assert.equal(escapeBuildCommands("std::vector ## a #[derive]"), "std::vector ## a #[derive]");
});

Deno.test("viewFailures() gives no line that begins with a command to GitHub", () => {
  const run = { session: "s", localPath: "/l", remotePath: "/r", mode: "Local", whatIf: false } as const;
  const fold = startResult(run, { started: 0 });
  const path = toRelPath("::error title=x::boom");
  const action = { do: "makeDir", to: "local", path, why: "new" } as const;
  fold.add({ type: "failed", action, error: new SyncError("denied", "no", { operation: "x" }) });
  const lines = viewFailures(fold.end({ now: 1 }));
  assert.equal(lines.length, 1);
  for (const line of lines) assert.doesNotMatch(line, /^\s*::/);
});

Deno.test("sentence() is one line of less than 580 bytes that keeps beginning and end", () => {
  const name = "\u65e5".repeat(5000);
  const line = toLine(`Cannot write "${name}":\r\n  the disk is full; free some room`);
  assert.ok(bytesOf(line) < 580);
  assert.match(line, /^Cannot write "\u65e5+\u2026\u65e5+": the disk is full; free some room$/);
});

Deno.test("sentence() leaves a message that fits alone, fingerprints too", () => {
  const line = `The key is SHA256:${"A".repeat(43)}: add -SshHostKeyFingerprint "SHA256:${"A".repeat(43)}".`;
  assert.equal(toLine(line), line);
});

Deno.test("sentence() bounds a message of many short words", () => {
  const line = toLine("many words ".repeat(1000));
  assert.ok(bytesOf(line) < 580);
  assert.match(line, /^many words .*\u2026.* words$/);
});

Deno.test("errorLines() gives three lines at most, within the bytes in all", () => {
  const lines = toErrorLines(`one\n\ntwo\nthree ${"x".repeat(900)}\nfour`);
  assert.equal(lines.length, 3);
  assert.ok(bytesOf(lines.join("\n")) < 580);
  assert.deepEqual(lines.slice(0, 2), ["one", "two"]);
  const long = "many words ".repeat(50);
  assert.ok(bytesOf(toErrorLines(`${long}\n${long}\n${long}`).join("\n")) < 580);
  assert.ok(bytesOf(toErrorLines("y ".repeat(5000), 1800).join("\n")) < 1800);
});

Deno.test("paintWhen() colours only when asked to", () => {
  assert.equal(makePaint(false)("red", "x"), "x");
  assert.equal(makePaint(true)("red", "x"), "\u001b[31mx\u001b[39m");
});
