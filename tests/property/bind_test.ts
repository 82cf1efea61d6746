import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { SyncError } from "../../lib/core/errors.ts";
import { bind, bindOptions, type ResolvedArgument } from "../../lib/shell/bind/binder.ts";
import { defineCommand } from "../../lib/shell/command/command.ts";
import { parseWords } from "../../lib/shell/parse/parser.ts";
import {
  countOrPercent,
  duration,
  listOf,
  number,
  oneOf,
  path,
  secret,
  size,
  text,
  toggle,
} from "../../lib/shell/command/param_types.ts";
import { runs } from "../support/runs.ts";

const numRuns = runs(2_000, 100_000);

const command = defineCommand({
  name: "Sync-Path",
  summary: "",
  params: {
    LocalPath: { type: path, position: 0, fallback: ".", help: "The local folder." },
    RemotePath: { type: path, position: 1, help: "The remote folder." },
    Mode: {
      type: oneOf("Local", "Remote", "Both"),
      mandatory: true,
      aliases: ["SyncMode"],
      help: "Which side changes.",
    },
    Criteria: { type: listOf(oneOf("Time", "Size")), help: "How files differ." },
    FileMask: { type: text, mandatory: true, help: "Which files." },
    Remove: { type: toggle, exact: true, fallback: false, help: "Remove." },
    RemoteTrash: { type: path, help: "Where losers go." },
    Password: { type: secret, help: "The password." },
    Timeout: { type: duration, help: "How long." },
    Limit: { type: size, help: "How much." },
    MaxRemove: { type: countOrPercent, help: "How many." },
    Port: { type: number(1, 65_535), help: "Which port." },
  },
  async *run() {},
});

function given(argv: readonly string[]): ResolvedArgument[] {
  const stage = parseWords(["x", ...argv])[0]?.pipeline[0];
  assert.ok(stage?.kind === "command");
  return stage.args as ResolvedArgument[];
}

const groups: readonly (readonly string[])[] = [
  ["-LocalPath", "a"],
  ["--remote-path=b"],
  ["-mode", "both"],
  ["-Crit", "Time,", "Size"],
  ["-FileMask:*.txt"],
  ["-Remove"],
  ["-RemoteT", "t"],
  ["-Timeout", "10s"],
  ["-MaxRemove", "5%"],
  ["-WhatIf"],
];

Deno.test("bind() gives the same set for named arguments in any order", () => {
  const subset = fc.shuffledSubarray([...groups], { minLength: groups.length });
  const wanted = bind(command, given(groups.flat()));
  fc.assert(
    fc.property(subset, (order) => {
      const found = bind(command, given(order.flat()));
      assert.deepEqual(found.bound, wanted.bound);
      assert.deepEqual(found.common, wanted.common);
    }),
    { numRuns: runs(300, 10_000) },
  );
});

Deno.test("bind() gives positional words their places wherever named arguments stand between", () => {
  const named = groups.slice(2);
  fc.assert(
    fc.property(fc.shuffledSubarray([...named], { minLength: named.length }), fc.nat(8), fc.nat(8), (order, i, j) => {
      const [first, second] = [Math.min(i, j), Math.max(i, j)];
      const argv = [
        ...order.slice(0, first).flat(),
        "p0",
        ...order.slice(first, second).flat(),
        "p1",
        ...order.slice(second).flat(),
      ];
      const { bound } = bind(command, given(argv));
      assert.deepEqual([bound.LocalPath, bound.RemotePath, bound.Mode], ["p0", "p1", "Both"]);
    }),
    { numRuns: runs(300, 10_000) },
  );
});

const names = [
  ...Object.keys(command.params),
  "SyncMode",
  "WhatIf",
  "ErrorAction",
  "ov",
  "Bogus",
  "R",
  "M",
  "remote",
  "",
];
const values = [
  "a",
  "-1",
  "$true",
  "false",
  "Time,",
  "Both",
  "50%%",
  "10s",
  "",
  "\x1b[2J",
  "世界".repeat(200),
  "x".repeat(2000),
  "a,b",
  "-",
];
const noise = fc.oneof(
  fc.constantFrom(...names).map((name) => `-${name}`),
  fc.constantFrom(...names).map((name) => `--${name}=x`),
  fc.tuple(fc.constantFrom(...names), fc.constantFrom(...values)).map(([name, value]) => `-${name}:${value}`),
  fc.constantFrom(...values),
  fc.string({ unit: "binary", maxLength: 700 }).filter((word) => word !== "--"),
).filter((word) => word !== "--");

Deno.test("bind() throws nothing but badInput, in three lines and 600 bytes at most", () => {
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 8 }), (argv) => {
      try {
        bind(command, given(argv)).check();
      } catch (error) {
        assert.ok(
          error instanceof SyncError && error.kind === "badInput" && error.facts.id !== undefined,
          String(error),
        );
        assert.ok(error.message.split("\n").length <= 3, error.message);
        assert.ok(new TextEncoder().encode(error.message).length <= 600, error.message);
      }
    }),
    { numRuns },
  );
});

Deno.test("bind() never shows the word behind -Password, whatever else is wrong", () => {
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 5 }), fc.array(noise, { maxLength: 5 }), (before, after) => {
      try {
        bind(command, given([...before, "-Password", "hunter2", ...after]));
      } catch (error) {
        assert.ok(error instanceof SyncError && !error.message.includes("hunter2"), String(error));
      }
    }),
    { numRuns },
  );
});

Deno.test("bindOptions() gives what the same words give", () => {
  const option = fc.record({
    localPath: fc.constantFrom("a", "b"),
    mode: fc.constantFrom("Local", "Remote", "Both"),
    fileMask: fc.constantFrom("*", "-x", "a,b"),
    remove: fc.boolean(),
    port: fc.integer({ min: 1, max: 65_535 }),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(option, (options) => {
      const argv = Object.entries(options).map(([name, value]) => `-${name}:${value}`);
      assert.deepEqual(bindOptions(command, options).bound, bind(command, given(argv)).bound);
    }),
    { numRuns: runs(300, 10_000) },
  );
});
