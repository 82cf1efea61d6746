import assert from "node:assert/strict";
import { badInput, SyncError } from "../../../../lib/core/errors.ts";
import { bind, type BindOptions, bindOptions, type ResolvedArgument } from "../../../../lib/shell/bind/binder.ts";
import { type Command, defineCommand, type ParamType } from "../../../../lib/shell/command/command.ts";
import { path, text } from "../../../../lib/shell/command/param_types.ts";
import { complaint, given, sync } from "../sync_command.ts";

const read = (argv: readonly string[], options?: BindOptions) => bind(sync, given(argv), options);

/** The bound parameters that are not what they are without arguments. */
function told(argv: readonly string[], options?: BindOptions): Record<string, unknown> {
  const plain = bind(sync, [], { listMissing: true }).bound as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(read(argv, options).bound).filter(([name, value]) => {
      try {
        assert.deepEqual(value, plain[name]);
        return false;
      } catch {
        return true;
      }
    }),
  );
}

const good: readonly (readonly [string, Record<string, unknown>])[] = [
  ["-Mode Remote", { Mode: "Remote" }],
  ["-mode remote", { Mode: "Remote" }],
  ["-Mod Rem", { Mode: "Remote" }],
  ["-SyncMode Local", { Mode: "Local" }],
  ["-sync Local", { Mode: "Local" }],
  ["--sync-mode=local", { Mode: "Local" }],
  ["--mode local --local-path x", { Mode: "Local", LocalPath: "x" }],
  ["--local-p x --mode both", { Mode: "Both", LocalPath: "x" }],
  ["a b -Mode Both", { Mode: "Both", LocalPath: "a", RemotePath: "b" }],
  ["a -Mode Both b", { Mode: "Both", LocalPath: "a", RemotePath: "b" }],
  ["b -Mode Both -LocalPath a", { Mode: "Both", LocalPath: "a", RemotePath: "b" }],
  ["-Mode Both -Remove", { Mode: "Both", Remove: true }],
  ["-Mode Both -Remove a", { Mode: "Both", Remove: true, LocalPath: "a" }],
  ["-Mode Both -Remove a false", { Mode: "Both", Remove: true, LocalPath: "a", RemotePath: "false" }],
  ["-Mode Both -Mirror:$false", { Mode: "Both", Mirror: false }],
  ["-Mode Both -Mirror:true", { Mode: "Both", Mirror: true }],
  ["-Mode Both -Remove:0", { Mode: "Both" }],
  ["-Mode Both -Criteria Time,size", { Mode: "Both", Criteria: ["Time", "Size"] }],
  ["-Mode Both -Criteria Size, Check a", { Mode: "Both", Criteria: ["Size", "Checksum"], LocalPath: "a" }],
  ["-Mode Both -Criteria:Size", { Mode: "Both", Criteria: ["Size"] }],
  ["-Mode Both -FileMask a,b", { Mode: "Both", FileMask: "a,b" }],
  ["-Mode Both -FileMask a, x", { Mode: "Both", FileMask: "a,", LocalPath: "x" }],
  ["-Mode Both -FileMask -1", { Mode: "Both", FileMask: "-1" }],
  ["-Mode Both -FileMask -", { Mode: "Both", FileMask: "-" }],
  ["-Mode Both -FileMask:-x", { Mode: "Both", FileMask: "-x" }],
  ["-Mode Both -- -dir", { Mode: "Both", LocalPath: "-dir" }],
  ["-Mode Both -OldName x", { Mode: "Both", OldName: "x" }],
  ["-Mode Both -RemoteT x", { Mode: "Both", RemoteTrash: "x" }],
  ["-Mode Both -Timeout 1m", { Mode: "Both", Timeout: 60_000 }],
  ["-Mode Both -Raw a=1;b=2", { Mode: "Both", Raw: { a: "1", b: "2" } }],
];

for (const [line, wanted] of good) {
  Deno.test(`bind() reads ${line}`, () => assert.deepEqual(told(line.split(" ")), wanted));
}

const bad: readonly (readonly [string, string, RegExp])[] = [
  ["-Bogus", "NamedParameterNotFound", /no parameter -Bogus/],
  ["-Mode Both -Miror", "NamedParameterNotFound", /Did you mean -Mirror\?/],
  ["-Mode Both --remoev", "NamedParameterNotFound", /Did you mean -Remove\?/],
  ["-Mode Both -Mir", "NamedParameterNotFound", /-Mirror must be written in full/],
  ["-Mode Both -Old x", "NamedParameterNotFound", /no parameter -Old/],
  ["-Mode Both -Remo", "AmbiguousParameter", /-RemotePath, -Remove, -RemoteTrash/],
  ["-M Both", "AmbiguousParameter", /-Mode, -Mirror/],
  ["-Mode Both -Mode Local", "ParameterAlreadyBound", /-Mode of Sync-Path is given twice/],
  ["-Mode Both -SyncMode Local", "ParameterAlreadyBound", /-Mode/],
  ["-Mode Both -Remove -Remove", "ParameterAlreadyBound", /-Remove/],
  ["-Mode", "MissingArgument", /-Mode needs a value, but nothing follows/],
  ["-Mode -Remove", "MissingArgument", /another parameter follows/],
  ["-Mode Both a b c", "PositionalParameterNotFound", /"c" is one word too many/],
  ["-Mode Both -Mirror $false", "PositionalParameterNotFound", /-Mirror:\$false/],
  ["-Mode Both -Mirror false", "PositionalParameterNotFound", /\.\/false/],
  ["-Mode Both $true", "PositionalParameterNotFound", /after a colon/],
  ["-Mode Up", "CannotConvertArgument", /-Mode: "Up" is none of Local, Remote, Both/],
  ["-Mode Remotee", "CannotConvertArgument", /did you mean Remote\?/],
  ["-Mode Both -Remove:maybe", "CannotConvertArgument", /-Remove: "maybe" is neither on nor off/],
  ["-Mode Both -Criteria Time,,Size", "CannotConvertArgument", /-Criteria: a value is missing/],
  ["-Mode Both -Criteria Time,", "CannotConvertArgument", /-Criteria: a value is missing/],
  ["-Mode Both -Criteria Tim,Bogus", "CannotConvertArgument", /"Bogus" is none of/],
  ["-Mode Both -Timeout soon", "CannotConvertArgument", /-Timeout: "soon" is no duration/],
  ["a b", "MissingMandatoryParameter", /Sync-Path needs -Mode <Local\|Remote\|Both>: Which side changes\./],
];

for (const [line, id, message] of bad) {
  Deno.test(`bind() refuses ${line}`, () => {
    const error = complaint(() => read(line.split(" ")));
    assert.equal(error.facts.id, id);
    assert.match(error.message, message);
  });
}

Deno.test("bind() refuses an empty path and an empty text", () => {
  assert.match(complaint(() => read(["", "-Mode", "Both"])).message, /-LocalPath: the path is empty/);
  assert.match(complaint(() => read(["-FileMask", "", "-Mode", "Both"])).message, /-FileMask: the value is empty/);
});

Deno.test("bind() never shows a secret or what stands behind it", async () => {
  const { bound } = read(["-Mode", "Both", "-Password", "hunter2"]);
  assert.ok(!JSON.stringify(bound).includes("hunter2") && !Deno.inspect(bound).includes("hunter2"));
  assert.ok(!String(bound.Password).includes("hunter2"));
  assert.equal(await bound.Password?.(), "hunter2");
  const lines = [
    ["-Password", "my", "hunter2", "-Mode", "Both", "a", "b"],
    ["-Password", "my", "a", "b", "hunter2"],
    ["-Pasword:hunter2"],
    ["--pasword=hunter2"],
    ["-Password", "-hunter2"],
    ["-Mode", "sftp://u:hunter2@h"],
    ["a", "b", "sftp://u:hunter2@h"],
  ];
  for (const line of lines) {
    assert.ok(!complaint(() => read(line)).message.includes("hunter2"), line.join(" "));
  }
});

Deno.test("bind() gives the alias's defaults the place of fallbacks and of mandatory", () => {
  assert.deepEqual(told([], { typedName: "sync-winscppath" }), { Mode: "Local", RemotePath: "/" });
  assert.deepEqual(told(["-Mode", "Both"], { typedName: "Sync-WinSCPPath" }), { Mode: "Both", RemotePath: "/" });
  assert.equal(complaint(() => read([], { typedName: "Sync-Directory" })).facts.id, "MissingMandatoryParameter");
});

Deno.test("bind() names every mandatory parameter that is missing", () => {
  const params = {
    One: { type: text, mandatory: true, help: "First." },
    Two: { type: path, mandatory: true, help: "Second." },
  } as const;
  const command = defineCommand({ name: "Do-It", summary: "", params, async *run() {} });
  assert.match(complaint(() => bind(command, [])).message, /-One <text>: First\. and -Two <path>: Second\./);
});

Deno.test("bind() reads the common parameters of every command", () => {
  const { common, outVariable } = read(["-Mode", "Both", "-wi", "-cf", "-Verb", "-Quiet", "-ea", "stop", "-ov", "r"]);
  assert.deepEqual(common, { whatIf: true, confirm: true, verbose: true, quiet: true, stopOnError: true });
  assert.equal(outVariable, "r");
  const plain = read(["-Mode", "Both", "-WhatIf:$false", "-ErrorAction", "Inquire"]).common;
  assert.deepEqual(plain, { whatIf: false, confirm: false, verbose: false, quiet: false, stopOnError: false });
});

Deno.test("bind() lets a command's own parameter stand before a common one", () => {
  const params = { Quiet: { type: text, help: "Own." } } as const;
  const command = defineCommand({ name: "Do-It", summary: "", params, async *run() {} });
  assert.equal(bind(command, given(["-Quiet", "x"])).bound.Quiet, "x");
});

Deno.test("bind() keeps a list as one text for a parameter that takes text, if it was written as one word", () => {
  const list = (raw?: string): ResolvedArgument => ({
    kind: "named",
    name: "FileMask",
    value: { kind: "value", value: ["a", "b"], ...(raw === undefined ? {} : { raw }) },
  });
  assert.equal(bind(sync, [list("a,b")], { listMissing: true }).bound.FileMask, "a,b");
  assert.match(
    complaint(() => bind(sync, [list()], { listMissing: true })).message,
    /-FileMask: expected text, not a list of 2/,
  );
});

Deno.test("bind() runs the check unless it would look into a value that is not known yet", () => {
  const later = (name: string): ResolvedArgument => ({ kind: "named", name, value: { kind: "later" } });
  const words = given(["-Mode", "Both", "-Mirror"]);
  assert.throws(() => bind(sync, words).check(), SyncError);
  assert.throws(() => bind(sync, [...words, later("Session")]).check(), SyncError);
  const binding = bind(sync, [...given(["-Mirror"]), later("Mode")]);
  binding.check();
  assert.deepEqual([binding.isKnown, binding.pending, binding.missing], [false, ["Mode"], []]);
});

Deno.test("bind() does not run a check that would look into a value not known yet", () => {
  const command = defineCommand({
    name: "Do-It",
    summary: "",
    params: { Word: { type: text, help: "" } },
    check() {
      throw badInput("looked into");
    },
    async *run() {},
  });
  assert.throws(() => bind(command, []).check(), /looked into/);
  bind(command, [{ kind: "named", name: "Word", value: { kind: "later" } }]).check();
});

Deno.test("bind() fills positions by their number, whatever the table's order", () => {
  const params = {
    Second: { type: text, position: 1, help: "" },
    First: { type: text, position: 0, help: "" },
  } as const;
  const command = defineCommand({ name: "Do-It", summary: "", params, async *run() {} });
  assert.deepEqual(Object.fromEntries(Object.entries(bind(command, given(["a", "b"])).bound)), {
    Second: "b",
    First: "a",
  });
});

Deno.test("bind() cuts what a type says at length", () => {
  const long: ParamType<string> = {
    name: "long",
    convert: () => {
      throw badInput("x".repeat(5000), "CannotConvertArgument");
    },
  };
  const command = defineCommand({
    name: "Do-It",
    summary: "",
    params: { One: { type: long, help: "" } },
    async *run() {},
  });
  assert.match(complaint(() => bind(command, given(["-One", "a"]))).message, /^-One: x+…$/);
});

Deno.test("bindOptions() binds what a program gives like words, names in any case but whole", () => {
  const binding = bindOptions(sync, {
    localPath: "x",
    mode: "both",
    criteria: ["Size"],
    remove: undefined,
    timeout: 5,
  });
  assert.deepEqual([binding.bound.LocalPath, binding.bound.Mode, binding.bound.Criteria, binding.bound.Timeout], [
    "x",
    "Both",
    ["Size"],
    5,
  ]);
  assert.equal(binding.bound.Remove, false);
  assert.equal(complaint(() => bindOptions(sync, { local: "x" })).facts.id, "NamedParameterNotFound");
  assert.equal(
    complaint(() => bindOptions(sync, { mode: "Both", syncMode: "Both" })).facts.id,
    "ParameterAlreadyBound",
  );
  assert.equal(complaint(() => bindOptions(sync, { mode: "x" })).facts.id, "CannotConvertArgument");
  assert.equal(complaint(() => bindOptions(sync, {})).facts.id, "MissingMandatoryParameter");
  assert.equal(bindOptions(sync, { mode: "Both", whatIf: true }).common.whatIf, true);
});

Deno.test("bind() gives a command of the general type its bound set too", () => {
  const general: Command = sync;
  assert.equal(bind(general, given(["-Mode", "Both"])).bound["Mode"], "Both");
});
