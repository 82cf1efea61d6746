import assert from "node:assert/strict";
import { SyncError } from "../../../../lib/core/errors.ts";
import { type Argument, type CommandStage, type Expression, parse } from "../../../../lib/shell/parse/parser.ts";

const text = (value: string): Expression => ({ kind: "text", text: value });
const value = (expression: Expression): Argument => ({ kind: "value", value: expression });
const named = (name: string, expression?: Expression): Argument =>
  expression === undefined ? { kind: "named", name } : { kind: "named", name, value: expression };
const variable = (name: string, at: string): Expression => ({ kind: "variable", name, at });

/** The one command of a line. */
function command(line: string): CommandStage {
  const [statement, ...more] = parse(line);
  const stage = statement?.pipeline[0];
  assert.ok(stage?.kind === "command" && more.length === 0 && statement?.pipeline.length === 1, line);
  return stage;
}

/** The one value behind `x `. */
function argument(words: string): Expression {
  const [only, ...more] = command(`x ${words}`).args;
  assert.ok(only?.kind === "value" && more.length === 0, words);
  return only.value;
}

function complaint(line: string): string {
  try {
    parse(line);
  } catch (error) {
    assert.ok(error instanceof SyncError && error.kind === "badInput", String(error));
    assert.ok(error.message.split("\n").length <= 3 && error.message.length <= 600);
    return error.message;
  }
  assert.fail(`parsed: ${line}`);
}

const commands: readonly (readonly [string, readonly Argument[]])[] = [
  ["x", []],
  ["x a b", [value(text("a")), value(text("b"))]],
  ["x -Name", [named("Name")]],
  ["x -Name a", [named("Name"), value(text("a"))]],
  ["x -Name:a", [named("Name", text("a"))]],
  ["x -Mirror:$false", [named("Mirror", { kind: "literal", value: false })]],
  ["x --local-path=a", [named("local-path", text("a"))]],
  ["x --local-path a", [named("local-path"), value(text("a"))]],
  ["x --opt='a b'", [named("opt", text("a b"))]],
  ["x \u2013Mode Local", [named("Mode"), value(text("Local"))]],
  ["x -?", [named("?")]],
  ["x -1", [value(text("-1"))]],
  ["x -.5", [value(text("-.5"))]],
  ["x -", [value(text("-"))]],
  ["x -- -Name", [value(text("-Name"))]],
  ["x @opts", [{ kind: "splat", name: "opts", at: "line 1, column 3" }]],
  ["x a `\n  b", [value(text("a")), value(text("b"))]],
  ["x a`\nb", [value(text("a")), value(text("b"))]],
  ["x a # comment", [value(text("a"))]],
  ["x <# a\n comment #> b", [value(text("b"))]],
  ["x a#b", [value(text("a#b"))]],
];

for (const [line, args] of commands) {
  Deno.test(`parse() reads the arguments of ${JSON.stringify(line)}`, () => {
    assert.deepEqual(command(line).args, args);
  });
}

const values: readonly (readonly [string, Expression])[] = [
  ["C:\\lDir\\", text("C:\\lDir\\")],
  ["'C:\\lDir\\'", text("C:\\lDir\\")],
  ["\\\\server\\share", text("\\\\server\\share")],
  ["sftp://deploy@web1:22/var/www?a#b", text("sftp://deploy@web1:22/var/www?a#b")],
  ["'it''s'", text("it's")],
  ["'a $b `c'", text("a $b `c")],
  ['"a ""b"" c"', text('a "b" c')],
  ['"a`tb`$c`u{20AC}"', text("a\tb$c€")],
  ['"costs 5$ or $"', text("costs 5$ or $")],
  ["''", text("")],
  ['""', text("")],
  ["a`$b` c", text("a$b c")],
  ["--='x'y", text("--=xy")],
  ["a'b c'd", text("ab cd")],
  ["*.{jpg}", text("*.{jpg}")],
  ["$name", variable("name", "line 1, column 3")],
  ["$Name", variable("name", "line 1, column 3")],
  ["${a b}", variable("a b", "line 1, column 3")],
  ["$env:HOME", { kind: "env", name: "HOME", at: "line 1, column 3" }],
  ["$true", { kind: "literal", value: true }],
  ["$Null", { kind: "literal", value: null }],
  ["$s.Opened", { kind: "property", of: variable("s", "line 1, column 3"), name: "Opened", at: "line 1, column 5" }],
  ["$s[-1]", { kind: "property", of: variable("s", "line 1, column 3"), name: "-1", at: "line 1, column 5" }],
  ["$d/sub", { kind: "joined", parts: [variable("d", "line 1, column 3"), text("/sub")] }],
  ["$d}", { kind: "joined", parts: [variable("d", "line 1, column 3"), text("}")] }],
  ['"$d/sub"', { kind: "joined", parts: [variable("d", "line 1, column 4"), text("/sub")] }],
  ['"$s.txt"', { kind: "joined", parts: [variable("s", "line 1, column 4"), text(".txt")] }],
  ["a,b", { kind: "list", items: [text("a"), text("b")], raw: "a,b" }],
  ["a, b", { kind: "list", items: [text("a"), text("b")] }],
  ["a,\n b", { kind: "list", items: [text("a"), text("b")] }],
  ["'a','b'", { kind: "list", items: [text("a"), text("b")] }],
  ["@()", { kind: "pipeline", pipelines: [], always: true }],
  ["{ a { b } '}' }", text(" a { b } '}' ")],
  ["@{}", { kind: "table", entries: [] }],
  ["@{ a = 1; 'b c' = 'd'\n e = $true }", {
    kind: "table",
    entries: [["a", text("1")], ["b c", text("d")], ["e", { kind: "literal", value: true }]],
  }],
  ["('a')", { kind: "pipeline", pipelines: [[{ kind: "value", value: text("a") }]], always: false }],
  ["(Get-X -A b)", {
    kind: "pipeline",
    pipelines: [[{ kind: "command", name: "Get-X", args: [named("A"), value(text("b"))] }]],
    always: false,
  }],
  ['"$(Get-X)"', {
    kind: "joined",
    parts: [{ kind: "pipeline", pipelines: [[{ kind: "command", name: "Get-X", args: [] }]], always: false }],
  }],
];

for (const [words, wanted] of values) {
  Deno.test(`parse() reads the value ${JSON.stringify(words)}`, () => {
    assert.deepEqual(argument(words), wanted);
  });
}

Deno.test("parse() reads stages, and a bar at the end or the beginning of a line", () => {
  for (const line of ["a | b | c", "a |\n b |\n\n c", "a\n | b\n | c", "a|b|c"]) {
    const names = parse(line).map((one) => one.pipeline.map((stage) => stage.kind === "command" && stage.name));
    assert.deepEqual(names, [["a", "b", "c"]], line);
  }
});

Deno.test("parse() reads statements apart at semicolons and lines", () => {
  assert.equal(parse("a; b\nc\r\n;; d # e ; f").length, 4);
});

Deno.test("parse() reads nothing in an empty text", () => {
  for (const line of ["", " \n;", "# only", "\ufeff"]) assert.deepEqual(parse(line), []);
});

Deno.test("parse() counts brackets that are open, not those that were closed", () => {
  assert.equal(command(`x ${"(a) ".repeat(60)}`).args.length, 60);
});

Deno.test("parse() reads an assignment, its name in lower case", () => {
  const [statement] = parse("$Session = New-Session sftp://h");
  assert.equal(statement?.assign, "session");
  assert.equal(statement?.pipeline[0]?.kind, "command");
});

Deno.test("parse() reads a value as a first stage", () => {
  const [statement] = parse("$session | Sync-Path");
  assert.deepEqual(statement?.pipeline[0], { kind: "value", value: variable("session", "line 1, column 1") });
});

Deno.test("parse() reads the ancestor's first documented use", () => {
  const [statement] = parse(
    "New-WinSCPSession -Credential (New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList " +
      "$env:USERNAME, (New-Object -TypeName System.Security.SecureString)) -HostName $env:COMPUTERNAME -Protocol Ftp " +
      "| Sync-WinSCPDirectory -RemotePath '/' -LocalPath 'C:\\lDir\\' -Mode Local",
  );
  const [first, second] = statement?.pipeline ?? [];
  assert.ok(first?.kind === "command" && second?.kind === "command");
  assert.deepEqual(first.args.map((arg) => arg.kind === "named" ? arg.name : arg.kind), [
    "Credential",
    "value",
    "HostName",
    "value",
    "Protocol",
    "value",
  ]);
  assert.deepEqual(second.args.slice(2, 4), [named("LocalPath"), value(text("C:\\lDir\\"))]);
});

const bad: readonly (readonly [string, RegExp])[] = [
  ["x 'a", /^line 1, column 5: expected ' for the one opened at line 1, column 3, found the end/],
  ['x "a', /expected " for the one opened at line 1, column 3/],
  ["a\nx 'a", /^line 2, column 5/],
  ["x (", /expected \)/],
  ["x ()", /expected a command or a value/],
  ["x (a", /expected \)/],
  ["x a)", /expected \| or ; or the end of the line, found \)/],
  ["x @{ a 1 }", /expected = after a/],
  ["x @{ a = 1", /expected ; or }/],
  ["x @{ a = 1; A = 2 }", /expected another name/],
  ["x { a", /expected } for the \{ at line 1, column 3/],
  ["x |", /expected a command after \|, found the end/],
  ["| x", /expected a command/],
  ["x | 'a'", /expected a command after \|/],
  ["x || y", /expected a command after \|/],
  ["x a,", /expected a value/],
  ["x ,a", /expected a value/],
  ["x 'a'b", /expected a blank after the closing quote/],
  ["x a(b)", /quote a word that holds brackets/],
  ["x > file", /redirection/],
  ["x 2>&1", /redirection/],
  ["x & y", /redirection and &/],
  ["x -Mirror:", /-Mirror is followed by a colon or =, but by no value/],
  ["x -Mirror: $false", /-Mirror is followed by a colon or =, but by no value/],
  ["x --opt=", /-opt is followed by a colon or =, but by no value/],
  ["x a `", /a character after the backtick/],
  ['x "`u{110000}"', /up to 10FFFF/],
  ["x <# a", /#> at the end of the comment/],
  ["x @'\na\n'@", /here-strings/],
  ["$true = 1", /cannot be changed/],
  ["$x = ", /expected a command/],
  ["-Name", /expected a command/],
  [`x ${"(".repeat(60)}`, /nested deeper than 50/],
];

for (const [line, wanted] of bad) {
  Deno.test(`parse() refuses ${JSON.stringify(line.slice(0, 30))}`, () => {
    assert.match(complaint(line), wanted);
  });
}

Deno.test("parse() shows no word of the line in an error, as it may be a secret", () => {
  for (const line of ["x -Password 'hunter2", "x -Password 'a'hunter2", "x -Password a(hunter2", 'x "a"hunter2']) {
    assert.ok(!complaint(line).includes("hunter2"), line);
  }
});

Deno.test("parse() reads a quoted word back as it was", () => {
  for (const word of ["", "a b", "it's", "$x `n", "a\nb", "'"]) {
    assert.deepEqual(argument(`'${word.replaceAll("'", "''")}'`), text(word));
  }
});
