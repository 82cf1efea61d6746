import assert from "node:assert/strict";
import { SyncError } from "../../../../lib/core/errors.ts";
import type { ParamType } from "../../../../lib/shell/command/command.ts";
import {
  anyObject,
  concealedSecret,
  countOrPercent,
  duration,
  fingerprints,
  hashtable,
  listOf,
  number,
  oneOf,
  path,
  positiveDuration,
  secret,
  size,
  text,
  toggle,
} from "../../../../lib/shell/command/param_types.ts";

const md5 = Array(16).fill("0a").join(":");
const sha256 = "SHA256:" + "aB3+/".repeat(8) + "abc";

/** Type, what is given, what comes out; no third item: refused. */
type Case = readonly [name: string, type: ParamType<unknown>, given: unknown, ...wanted: readonly unknown[]];

const mode = oneOf("Local", "Remote", "Both", "Bidirectional");
const cases: readonly Case[] = [
  ["text", text, "a", "a"],
  ["text", text, 5, "5"],
  ["text", text, ""],
  ["text", text, null],
  ["text", text, ["a"]],
  ["text", text, {}],
  ["path", path, "C:\\x", "C:\\x"],
  ["path", path, ""],
  ["path", path, "a\0b"],
  ["toggle", toggle, true, true],
  ["toggle", toggle, "$False", false],
  ["toggle", toggle, "TRUE", true],
  ["toggle", toggle, "1", true],
  ["toggle", toggle, 0, false],
  ["toggle", toggle, "yes"],
  ["toggle", toggle, ""],
  ["oneOf", mode, "both", "Both"],
  ["oneOf", mode, "R", "Remote"],
  ["oneOf", mode, "Bi", "Bidirectional"],
  ["oneOf", mode, "B"],
  ["oneOf", mode, ""],
  ["oneOf", mode, "Up"],
  ["listOf", listOf(mode), "both", ["Both"]],
  ["listOf", listOf(mode), ["both", "r"], ["Both", "Remote"]],
  ["listOf", listOf(mode), ["both", "x"]],
  ["number", number(1, 100), "7", 7],
  ["number", number(1, 100), 100, 100],
  ["number", number(1, 100), "0"],
  ["number", number(1, 100), "101"],
  ["number", number(1, 100), "1e1"],
  ["number", number(1, 100), "1.5"],
  ["number", number(1, 100), "0x10"],
  ["number", number(1, 100), ""],
  ["number", number(1, 100), "abc"],
  ["number", number(-5, 5), "-5", -5],
  ["size", size, "4096", 4096],
  ["size", size, "10K", 10_240],
  ["size", size, "1.5m", 1_572_864],
  ["size", size, "1G", 1_073_741_824],
  ["size", size, "1GiB", 1_073_741_824],
  ["size", size, "2 MB", 2_097_152],
  ["size", size, 12, 12],
  ["size", size, "-1"],
  ["size", size, "1e9"],
  ["size", size, "1X"],
  ["size", size, ""],
  ["size", size, "999999999999999T"],
  ["duration", duration, "90", 90_000],
  ["duration", duration, "500ms", 500],
  ["duration", duration, "10s", 10_000],
  ["duration", duration, "5M", 300_000],
  ["duration", duration, "2h", 7_200_000],
  ["duration", duration, "1d", 86_400_000],
  ["duration", duration, "1.5h", 5_400_000],
  ["duration", duration, "00:02:00", 120_000],
  ["duration", duration, 1500, 1500],
  ["duration", duration, "0", 0],
  ["duration", duration, "-1"],
  ["duration", duration, "soon"],
  ["duration", duration, "1e3"],
  ["duration", duration, -1],
  ["duration", duration, NaN],
  ["positiveDuration", positiveDuration, "1s", 1000],
  ["positiveDuration", positiveDuration, "0"],
  ["share", countOrPercent, "50%", { share: 0.5 }],
  ["share", countOrPercent, "12.5%", { share: 0.125 }],
  ["share", countOrPercent, "100%", { share: 1 }],
  ["share", countOrPercent, "0", { count: 0 }],
  ["share", countOrPercent, 10, { count: 10 }],
  ["share", countOrPercent, { share: 0.25 }, { share: 0.25 }],
  ["share", countOrPercent, { count: 2 }, { count: 2 }],
  ["share", countOrPercent, "101%"],
  ["share", countOrPercent, "50%%"],
  ["share", countOrPercent, "-1"],
  ["share", countOrPercent, "1e9"],
  ["share", countOrPercent, "abc"],
  ["share", countOrPercent, { share: 2 }],
  ["fingerprints", fingerprints, `ssh-rsa 1024 ${md5}`, [`ssh-rsa 1024 ${md5}`]],
  ["fingerprints", fingerprints, `ssh-rsa-1024-${md5.replaceAll(":", "-")}`, [
    `ssh-rsa-1024-${md5.replaceAll(":", "-")}`,
  ]],
  ["fingerprints", fingerprints, md5, [md5]],
  ["fingerprints", fingerprints, `MD5:${md5}`, [`MD5:${md5}`]],
  ["fingerprints", fingerprints, `${sha256}; ssh-ed25519 256 ${sha256}=`, [sha256, `ssh-ed25519 256 ${sha256}=`]],
  ["fingerprints", fingerprints, [md5, sha256], [md5, sha256]],
  ...["ab", "AB"].flatMap((pair) =>
    [20, 32].flatMap((count) =>
      ["", "SHA256:", "sha256 Fingerprint="].flatMap((lead) =>
        ["", ":", "-"].map((mark) => {
          const text = `${lead}${Array(count).fill(pair).join(mark)}`;
          return ["fingerprints", fingerprints, text, [text]] as const;
        })
      )
    )
  ),
  ["fingerprints", fingerprints, `${md5}:0a:0a:0a:0a`, [`${md5}:0a:0a:0a:0a`]],
  ["fingerprints", fingerprints, `ssh-ed25519 ${"A".repeat(68)} me@pc`, [`ssh-ed25519 ${"A".repeat(68)} me@pc`]],
  ["fingerprints", fingerprints, "SHA256:short"],
  ["fingerprints", fingerprints, ";"],
  ["fingerprints", fingerprints, ""],
  ["hashtable", hashtable, { a: 1 }, { a: 1 }],
  ["hashtable", hashtable, "a=1; b = x=y", { a: "1", b: "x=y" }],
  ["hashtable", hashtable, '{"a":[1]}', { a: [1] }],
  ["hashtable", hashtable, "{a"],
  ["hashtable", hashtable, "a"],
  ["hashtable", hashtable, ["a"]],
  ["hashtable", hashtable, "System.Collections.Hashtable"],
  ["anyObject", anyObject, "System.Management.Automation.PSCredential"],
  ["anyObject", anyObject, "text"],
  ["anyObject", anyObject, null],
  ["secret", secret, 5],
  ["secret", secret, null],
];

for (const [name, type, given, ...wanted] of cases) {
  const shown = JSON.stringify(given);
  if (wanted.length === 1) {
    Deno.test(`${name} takes ${shown}`, () => assert.deepEqual(type.convert(given), wanted[0]));
    continue;
  }
  Deno.test(`${name} refuses ${shown}`, () => {
    assert.throws(() => type.convert(given), (error) => {
      assert.ok(error instanceof SyncError && error.kind === "badInput");
      assert.equal(error.facts.id, "CannotConvertArgument");
      return true;
    });
  });
}

Deno.test("oneOf() names the allowed values and the nearest", () => {
  assert.throws(() => mode.convert("remte"), /none of Local, Remote, Both, Bidirectional; did you mean Remote\?/);
});

Deno.test("every type gives back what it has made", () => {
  for (const [, type, given, ...wanted] of cases) {
    if (wanted.length === 1) assert.deepEqual(type.convert(type.convert(given)), wanted[0]);
  }
});

Deno.test("anyObject gives the very object", () => {
  const object = {};
  assert.equal(anyObject.convert(object), object);
});

Deno.test("secret gives a function that tells, and shows itself as ***", async () => {
  for (
    const given of [
      "hunter2",
      () => "hunter2",
      () => Promise.resolve("hunter2"),
      concealedSecret(() => "hunter2"),
    ]
  ) {
    const made = secret.convert(given);
    assert.equal(await made(), "hunter2");
    const views = [JSON.stringify({ made }), String(made), `${made}`, Deno.inspect({ made }), Deno.inspect(made)];
    assert.ok(views.every((view) => view.includes("***") && !view.includes("hunter2")), views.join());
  }
});

Deno.test("fingerprints refuses a long text in no time", () => {
  assert.throws(() => fingerprints.convert("a-".repeat(50_000)), SyncError);
});
