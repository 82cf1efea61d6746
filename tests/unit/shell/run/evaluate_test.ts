import assert from "node:assert/strict";
import { SyncError } from "../../../../lib/core/errors.ts";
import { evaluate } from "../../../../lib/shell/run/evaluate.ts";
import { parse, parseWords } from "../../../../lib/shell/parse/parser.ts";
import { makeWorld } from "../sync_world.ts";

async function refuses(promise: Promise<unknown>, id: string, message = /./): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof SyncError, String(error));
    assert.equal(error.facts.id, id, error.message);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("evaluate() hands objects from stage to stage and closes the session at the end", async () => {
  const { log, run } = makeWorld();
  const results = await run("New-Session sftp://a | Sync-Path ./site -Mode Remote");
  assert.deepEqual(results, [{ Type: "SyncResult", Path: "./site", IsSuccess: true }]);
  assert.deepEqual(log, ["open sftp://a", "sync ./site sftp://a Remote", "close sftp://a"]);
});

Deno.test("evaluate() closes the session when a later stage fails, and throws that stage's error", async () => {
  const { log, run } = makeWorld();
  await assert.rejects(run("New-Session a | Sync-Path -Mode Local -Fail"), /lost/);
  assert.deepEqual(log, ["open a", "sync . a Local", "close a"]);
});

Deno.test("evaluate() closes what is open when its reader stops early, last opened first", async () => {
  const { log, world } = makeWorld();
  const line = "Sync-Path -Session (New-Session a) -Mode Local; Sync-Path -Mode Local";
  for await (const _ of evaluate(parse(line), world)) break;
  assert.deepEqual(log, ["open a", "sync . a Local", "close a"]);
});

Deno.test("evaluate() closes last opened first", async () => {
  const { log, run } = makeWorld();
  await run("Sync-Path -Session (New-Session a) -Mode Local -Tags x | Get-List (New-Session b).name").catch(() => {});
  await run("New-Session (Get-List (New-Session b).name) | Sync-Path -Mode Local");
  assert.deepEqual(log.slice(-5), ["open b", "open b", "sync . b Local", "close b"].slice(-5));
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ["New-Session a | Sync-Pth", "CommandNotFound", /"Sync-Pth" is no command\. Did you mean Sync-Path\?/],
  ["New-Session a | Sync-Path -Bogus", "NamedParameterNotFound", /-Bogus/],
  ["New-Session a | Sync-Path", "MissingMandatoryParameter", /-Mode/],
  ["New-Session a | Sync-Path -Mode Both -Mirror", "CannotMirrorBoth", /./],
  ["New-Session a | New-Session b", "InputObjectNotBound", /takes nothing from the pipe/],
  ["New-Session a | Sync-Path -Mode $m", "VariableIsUndefined", /line 1, column 33: the variable \$m is not set/],
  ["New-Session a; Sync-Path -Mode Up", "CannotConvertArgument", /"Up"/],
  ["New-Session a; Sync-Path -Mode Local; Sync-Path -Mode Both -Mirror", "CannotMirrorBoth", /./],
  ["$s = New-Session a; Sync-Path -Session $s -Mode Both -Mirror", "CannotMirrorBoth", /./],
  ["$s = New-Session a; Sync-Path -Session $t -Mode Both", "VariableIsUndefined", /\$t/],
  ["$m = 'Up'; New-Session a | Sync-Path -Mode $m", "CannotConvertArgument", /"Up"/],
  ["New-Session $env:NOBODY", "VariableIsUndefined", /environment variable NOBODY/],
  ["New-Session (New-Session a; Bogus)", "CommandNotFound", /Bogus/],
  ["New-Session a -Credential (Get-List $x)", "VariableIsUndefined", /\$x/],
  ["New-Session a; Sync-Path @opts -Mode Local", "VariableIsUndefined", /\$opts/],
  ["New-Session a; $o = 'x'; Sync-Path @o", "CannotConvertArgument", /hashtable/],
  ["New-Session a; 'x'.Length", "ParserError", /blank after/],
];

for (const [line, id, message] of wrong) {
  Deno.test(`evaluate() refuses before anything runs: ${line}`, async () => {
    const { log, world } = makeWorld();
    await refuses((async () => await Array.fromAsync(evaluate(parse(line), world)))(), id, message);
    assert.deepEqual(log, []);
  });
}

Deno.test("evaluate() keeps a session open that a variable holds, until the world's stack is closed", async () => {
  const { log, run, world } = makeWorld();
  const [opened] = await run("$s = New-Session a; Sync-Path -Session $s -Mode Local | Get-List; $S.opened").catch(
    () => [],
  );
  assert.equal(opened, undefined);
  const results = await run("$s = New-Session b; $r = Sync-Path -Session $s -Mode Local; $S.opened; $r.issuccess");
  assert.deepEqual(results, [true, true]);
  assert.deepEqual(log, ["open b", "sync . b Local"]);
  await world.stack.disposeAsync();
  assert.deepEqual(log.at(-1), "close b");
});

Deno.test("evaluate() closes a session whose pipeline gave only a result to a variable", async () => {
  const { log, run, world } = makeWorld();
  await run("$r = New-Session a | Sync-Path -Mode Local");
  assert.deepEqual(log, ["open a", "sync . a Local", "close a"]);
  assert.deepEqual(world.variables.get("r"), { Type: "SyncResult", Path: ".", IsSuccess: true });
});

Deno.test("evaluate() closes a session whose assignment failed", async () => {
  const { log, run, world } = makeWorld();
  await assert.rejects(run("$r = New-Session a | Sync-Path -Mode Local -Fail"));
  assert.equal(log.at(-1), "close a");
  assert.ok(!world.variables.has("r"));
});

Deno.test("evaluate() assigns nothing as $null, one object as itself, several as a list", async () => {
  const { run, world } = makeWorld();
  await run("$none = Get-List; $one = Get-List a; $two = Get-List a,b; $list = @(Get-List a)");
  assert.deepEqual([...world.variables.values()], [null, "a", ["a", "b"], ["a"]]);
});

Deno.test("evaluate() keeps a command's objects under -OutVariable too, and a lone command's session open", async () => {
  const { log, run, world } = makeWorld();
  assert.deepEqual(await run("Get-List a,b -OutVariable X; $x"), ["a", "b", "a", "b"]);
  await run("New-Session a -ov s; Sync-Path -Session $s -Mode Local");
  assert.deepEqual(log, ["open a", "sync . a Local"]);
  await run("New-Session b -ov t | Sync-Path -Mode Local");
  assert.equal(log.at(-1), "close b");
  await world.stack.disposeAsync();
});

Deno.test("evaluate() spreads a list from a variable into the pipe, one object at a time", async () => {
  const { log, run } = makeWorld();
  await run("$jobs = @{Path='a'; Mode='Both'}, @{path='b'; MODE='local'}; $jobs | Sync-Path");
  assert.deepEqual(log, ["sync a - Both", "sync b - Local"]);
});

Deno.test("evaluate() checks each object that values bring before that object is worked on", async () => {
  const { log, run } = makeWorld();
  await refuses(run("@{Mode='Local'}, @{Mode='Both'} | Sync-Path -Mirror"), "CannotMirrorBoth");
  assert.deepEqual(log, ["sync . - Local"]);
});

Deno.test("evaluate() fills variables, the environment and properties into texts", async () => {
  const { run } = makeWorld();
  const line =
    `$d = 'x'; $h = @{ Name = 'n'; List = 'p','q' }; Get-List "$d/$env:USER", $h.name, $h.List[-1], $d\\y, "$(Get-List 1,2)"`;
  assert.deepEqual(await run(line), ["x/me", "n", "q", "x\\y", "1 2"]);
});

Deno.test("evaluate() gives @name's entries to parameters of those names", async () => {
  const { log, run } = makeWorld();
  await run("$o = @{ Mode = 'Local'; Mirror = $true; Tags = 'a','b' }; Sync-Path @o x");
  assert.deepEqual(log, ["sync x - Local a+b"]);
});

Deno.test("evaluate() waits with @name until what it holds is known", async () => {
  const { log, run } = makeWorld();
  await run("$o = @(Get-List p); Sync-Path @o -Mode Local");
  assert.deepEqual(log, ["sync p - Local"]);
});

Deno.test("evaluate() refuses a property or an item that is not there", async () => {
  const { run } = makeWorld();
  await refuses(run("$h = @{ Name = 'n' }; Get-List $h.Nme"), "PropertyNotFound", /It has Name/);
  await refuses(run("$l = 'a','b'; Get-List $l[2]"), "NullArrayIndex", /has 2/);
});

Deno.test("evaluate() takes the alias's defaults when the alias was typed", async () => {
  const { log, run } = makeWorld();
  await run("sync-winscppath x");
  assert.deepEqual(log, ["sync x - Local"]);
});

Deno.test("evaluate() gives help instead of running anything of that pipeline", async () => {
  const { log, run } = makeWorld();
  assert.deepEqual(await run("New-Session a | Sync-Path -?"), ["help of Sync-Path"]);
  assert.deepEqual(await run("Sync-Path --help"), ["help of Sync-Path"]);
  assert.deepEqual(log, []);
});

Deno.test("evaluate() asks for what is missing where somebody can be asked, after everything else was checked", async () => {
  const { log, questions, run } = makeWorld({ answers: { Mode: "remote" } });
  await refuses(run("Sync-Path; Bogus"), "CommandNotFound");
  assert.equal(questions.length, 0);
  await run("New-Session a | Sync-Path");
  assert.deepEqual(questions.map(({ command, name }) => [command, name]), [["Sync-Path", "Mode"]]);
  assert.deepEqual(log, ["open a", "sync . a Remote", "close a"]);
  await run("Sync-Here");
  assert.equal(log.at(-1), "sync here - Remote");
});

Deno.test("evaluate() checks what was answered before anything runs", async () => {
  const { log, run } = makeWorld({ answers: { Mode: "both" } });
  await refuses(run("New-Session a | Sync-Path -Mirror"), "CannotMirrorBoth");
  assert.deepEqual(log, []);
});

Deno.test("evaluate() refuses what is missing when nobody answers", async () => {
  const { log, run } = makeWorld({ answers: {} });
  await refuses(run("Sync-Path"), "MissingMandatoryParameter");
  assert.deepEqual(log, []);
});

Deno.test("evaluate() reads standard input only for a first command that wants it", async () => {
  const { log, run } = makeWorld({ input: [{ Path: "j", Mode: "Both" }] });
  await run("Get-List a; $s = New-Session a; Sync-Path -Session $s -Mode Local");
  assert.ok(!log.includes("read input"));
  await run("Sync-Path");
  assert.deepEqual(log.slice(-2), ["read input", "sync j - Both"]);
});

Deno.test("evaluate() runs the words of a program's arguments as data", async () => {
  const { log, world } = makeWorld();
  await Array.fromAsync(evaluate(parseWords(["sync-path", "$x|y;'z", "-Mode", "local", "--tags", "a,", "b"]), world));
  assert.deepEqual(log, ["sync $x|y;'z - Local a+b"]);
});
