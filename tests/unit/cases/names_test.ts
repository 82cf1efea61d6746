import assert from "node:assert/strict";
import { toRelPath } from "../../../lib/core/path.ts";
import type { Entry } from "../../../lib/core/entry.ts";
import { withOverrides } from "../../support/stacked.ts";
import { noWrite } from "../../support/backend_assertions.ts";
import { NOON, plant, ran, signal, texts } from "../sync/fixtures.ts";
import { type Disks, disks, memories, outcomeOf, quiet } from "./fixtures.ts";
import { both as bothSides, notebook } from "./two_way_fixtures.ts";

const up = { mode: "Remote" } as const;
const down = { mode: "Local" } as const;
const both = { mode: "Both", mirror: false, remove: false } as const;
const composed = "caf\u00e9";
const decomposed = "cafe\u0301";
const odd = [
  ...[
    " lead",
    "trail ",
    "'",
    '"',
    "`",
    "$",
    ";",
    "&",
    "#",
    "%20",
    "%46",
    "+",
    "?",
    "*",
    "[x]",
    "!",
    "~",
    "-rf",
    "--help",
  ],
  ...[
    "-",
    "~root",
    "...",
    "a\\b",
    "C:\\x",
    "CON",
    "nul.txt",
    "\u202e",
    "\ufeff",
    "😀",
    "a".repeat(255),
    "é".repeat(127),
  ],
];

/** Two disks whose local one holds an odd name and good ones. */
async function withName(make: string): Promise<Disks> {
  const pair = await disks();
  await Deno.mkdir(`${pair.local.disk}/d`);
  for (const path of ["good", "d/fine"]) await Deno.writeTextFile(`${pair.local.disk}/${path}`, "g");
  const { success } = await new Deno.Command("sh", { args: ["-c", make], cwd: pair.local.disk }).output();
  assert.ok(success, make);
  await Deno.writeTextFile(`${pair.remote.disk}/beside`, "stays");
  return pair;
}

Deno.test("NM-01 NM-02 run() carries odd names as they are, there and back, and removes them by that name", async () => {
  await using pair = await disks();
  for (const name of odd) {
    await Deno.mkdir(`${pair.local.disk}/dir of ${name.slice(0, 60)}`);
    await Deno.writeTextFile(`${pair.local.disk}/${name}`, `in ${name}`);
    await Deno.writeTextFile(`${pair.local.disk}/dir of ${name.slice(0, 60)}/in`, name);
  }
  const { remote } = memories({});
  await ran({ local: pair.sides.local, remote }, up);
  await ran({ local: pair.sides.remote, remote }, down);
  assert.deepEqual(await texts(pair.sides.remote), await texts(pair.sides.local));
  assert.deepEqual(await outcomeOf({ local: noWrite(pair.sides.local), remote: noWrite(remote) }, up), quiet);
  for (const name of odd) await Deno.remove(`${pair.local.disk}/${name}`);
  await ran({ local: pair.sides.local, remote }, { ...up, allow: ["-MaxRemove 100%"] });
  assert.deepEqual(await texts(remote), await texts(pair.sides.local));
});

Deno.test("NM-03 run() fails names with control characters, and carries the others", async () => {
  await using pair = await withName("printf x > \"$(printf 'a\\001b')\"; printf x > \"$(printf 'd/c\\nd')\"");
  const outcome = await outcomeOf(pair.sides, up);
  assert.equal(outcome.failures.length, 2);
  // deno-lint-ignore no-control-regex
  assert.ok(outcome.failures.every((path) => !/[\x00-\x1f]/.test(path)), JSON.stringify(outcome.failures));
  assert.deepEqual(outcome.actions, ["copy remote d/fine", "copy remote good", "makeDir remote d"]);
});

Deno.test("NM-04 run() finds two Unicode forms of one name before it writes, and loses neither", async () => {
  const sides = memories({ local: { [composed]: "1", [decomposed]: "2", "a": "3" }, dials: { normalizes: true } });
  const outcome = await outcomeOf(sides, up);
  assert.deepEqual(outcome, { ...quiet, failures: [decomposed, composed], actions: ["copy remote a"] });
  assert.deepEqual(await texts(sides.remote), { "a": "3" });
});

for (const mode of ["Remote", "Local", "Both"] as const) {
  Deno.test(`NM-05 run() in ${mode} takes another Unicode form of every name for no change`, async () => {
    const sides = memories({
      local: { [`${composed}/${composed}`]: "1" },
      remote: { [`${decomposed}/${decomposed}`]: "1" },
      dials: { normalizes: true },
    });
    const given = { local: noWrite(sides.local), remote: noWrite(sides.remote) };
    assert.deepEqual(await outcomeOf(given, { mode, mirror: mode !== "Both" }), quiet);
  });
}

for (const [one, other] of [["A.txt", "a.txt"], ["\u0130x", "i\u0307x"], ["\u212a", "k"]] as const) {
  Deno.test(`NM-06 run() finds ${one} beside ${other} before it writes where case is not told apart`, async () => {
    const sides = memories({ local: { [one]: "1", [other]: "2", "z": "3" }, dials: { caseSensitive: false } });
    const outcome = await outcomeOf(sides, up);
    assert.deepEqual(outcome, { ...quiet, failures: [one, other].sort(), actions: ["copy remote z"] });
    assert.deepEqual(await texts(sides.remote), { "z": "3" });
  });
}

Deno.test("NM-07 run() fails each name that Windows cannot hold, and carries the others", async () => {
  const bad = [
    "CON",
    "nul.txt",
    "COM1",
    "LPT\u00b9",
    "CONIN$",
    "a.",
    "a ",
    "a:b",
    "a\\b",
    "<",
    ">",
    "|",
    "?",
    "*",
    '"',
  ];
  const local = Object.fromEntries([...bad, "good", "console", "com0x"].map((name) => [name, "x"]));
  const sides = memories({ local, dials: { names: "windows" } });
  const outcome = await outcomeOf(sides, up);
  assert.deepEqual(outcome.failures, bad.sort());
  assert.deepEqual(await texts(sides.remote), { "com0x": "x", "console": "x", "good": "x" });
});

Deno.test("NM-08 run() carries a name of 255 bytes, fails a longer one, and goes on", async () => {
  await using pair = await disks();
  const [fits, tooLong] = ["é".repeat(127) + "x", "é".repeat(128)];
  const { remote } = memories({ remote: { [fits]: "1", "a": "2" }, dials: { maxNameBytes: 1000 } });
  plant(remote, { [tooLong]: "3" });
  const outcome = await outcomeOf({ local: pair.sides.local, remote }, down);
  assert.deepEqual(outcome, { ...quiet, failures: [tooLong], actions: ["copy local a", `copy local ${fits}`].sort() });
});

Deno.test("NM-08 run() fails a path that the disk cannot hold, and goes on", async () => {
  await using pair = await disks();
  const deep = Array.from({ length: 60 }, (_, i) => `${i}`.padStart(100, "d")).join("/");
  const { remote } = memories({ remote: { [`${deep}/f`]: "1", "z": "2" } });
  const outcome = await outcomeOf({ local: pair.sides.local, remote }, down);
  assert.ok(outcome.failures.includes(toRelPath(`${deep}/f`)) && outcome.actions.includes("copy local z"));
  assert.ok(!outcome.failures.includes(toRelPath(deep.slice(0, 201))), "a folder that fits failed");
});

Deno.test("NM-09 run() fails a name that is no Unicode, carries the others, and removes nothing beside it", async () => {
  await using pair = await withName("printf x > \"$(printf 'bad\\377')\"");
  const outcome = await outcomeOf(pair.sides, up);
  assert.deepEqual([outcome.failures.length, outcome.held], [1, ["beside"]]);
  assert.deepEqual(outcome.actions, ["copy remote d/fine", "copy remote good", "makeDir remote d"]);
  assert.deepEqual(Object.keys(await texts(pair.sides.remote)), ["beside", "d", "d/fine", "good"]);
});

Deno.test("NM-11 run() fails a name that is a file and a folder at once, and carries the others", async () => {
  const sides = memories({ local: { "a": "mine" }, remote: { "a/b": "1", "c": "2" } });
  const file: Entry = { kind: "file", path: toRelPath("a"), size: 3, modified: NOON };
  for (const walks of [true, false]) {
    const remote = withOverrides(sides.remote, {
      list: async (inner, dir, call) => [...dir === "" ? [file] : [], ...await inner.list(dir, call)],
      walk: walks
        ? async function* (inner, dir, call) {
          yield [file];
          yield* inner.walk?.(dir, call) ?? [];
        }
        : undefined,
    });
    const outcome = await outcomeOf({ local: sides.local, remote }, { ...down, remove: false });
    assert.ok(outcome.failures.includes("a"), JSON.stringify(outcome));
    assert.deepEqual(await texts(sides.local), { "a": "mine", "c": "2" });
  }
});

for (const mode of ["Remote", "Both"] as const) {
  Deno.test(`NM-12 run() in ${mode} removes no file of a user whose name looks like its own`, async () => {
    const names = [".f.tandem-0123456789abcdef", "f.tandem-0123456789abcdef", ".tandem-lock2", "x.tandem-trash"];
    const sides = memories({ remote: Object.fromEntries(names.map((name) => [name, "user's"])) });
    plant(sides.local, { "a": "1", "d/.tandem-lock": "user's" });
    await outcomeOf(sides, { ...both, mode });
    const left = await texts(sides.remote);
    for (const name of names) assert.equal(left[name], "user's", name);
    assert.equal(left["d/.tandem-lock"], "user's");
    await ran(sides, { mode, mirror: mode !== "Both" });
    assert.equal((await texts(sides.remote))[".f.tandem-0123456789abcdef"], "user's");
  });
}

Deno.test("NM-05 run() lets a deletion travel below a folder that each side spells in its own way", async () => {
  const dials = { normalizes: true, dirTimes: true };
  const sides = memories({ local: { [`${composed}/a`]: "1" }, remote: { [`${decomposed}/a`]: "1", "z": "2" }, dials });
  const book = notebook();
  const later = Date.UTC(2026, 6, 1);
  await bothSides(sides, book, { now: () => later });
  const gone = await sides.remote.stat(toRelPath(`${decomposed}/a`), { signal });
  assert.ok(gone !== undefined);
  await sides.remote.remove(gone, { signal });
  assert.deepEqual((await bothSides(sides, book, { now: () => later })).actions, [`remove local ${composed}/a`]);
});

Deno.test("NM-05 run() knows a name by the spelling in use, though history holds an older one", async () => {
  const sides = memories({ dials: { caseSensitive: false, lacks: ["checksum"] } });
  plant(sides.local, { "a": "mine" });
  plant(sides.remote, { "a": "mine" });
  const book = notebook();
  await bothSides(sides, book);
  book.known.set(toRelPath("A"), { path: toRelPath("A"), kind: "dir" });
  plant(sides.local, { "a": "edited" }, NOON + 60_000);
  assert.deepEqual(await bothSides(sides, book), { ...quiet, actions: ["copy remote a"] });
});
