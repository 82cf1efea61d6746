import assert from "node:assert/strict";
import { describeSafetyIssue, findSafetyIssues } from "../../../../lib/sync/guards/guards.ts";
import type { GuardKey, Mode, SafetyIssue, SafetyLimits } from "../../../../lib/sync/common/options.ts";
import { toHistory } from "../../../support/planning/interpret.ts";
import { knownAs, type Listing, listing, planFor, START, sumOf } from "../../../support/planning/planning.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";

interface Run extends Partial<Omit<SafetyLimits, "mode" | "remove" | "mirror">> {
  readonly mode?: Mode;
  readonly remove?: boolean;
  readonly mirror?: boolean;
  readonly local?: Listing;
  readonly remote?: Listing;
  readonly known?: readonly BaseEntry[];
  readonly moves?: boolean;
}

function check(
  { mode = "Remote", remove = true, mirror = false, local = {}, remote = {}, known, moves, ...limits }: Run,
) {
  const given = { mode, remove, mirror, moves: moves ?? false, local, remote };
  const made = planFor(known === undefined ? given : { ...given, known });
  const before = { local: listing(local), remote: listing(remote) };
  const history = known === undefined ? undefined : toHistory(known);
  return findSafetyIssues(made, before, history, {
    mode,
    remove,
    mirror,
    allow: [],
    roots: { local: {}, remote: {} },
    ...limits,
  });
}

const codes = (found: readonly SafetyIssue[]) => found.map(({ code, side }) => `${code} ${side}`);

function files(prefix: string, count: number): Listing {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, {}]));
}

/** What a deployment does to a side: files before, of which some are kept, and others that are new. */
const deploys:
  readonly (readonly [before: number, kept: number, fresh: number, remembers: boolean, expected: readonly string[]])[] =
    [
      [200, 40, 160, false, []],
      [200, 40, 90, false, []],
      [200, 40, 60, false, []],
      [200, 40, 59, false, ["tooMany remote"]],
      [60, 0, 0, false, ["emptySource remote", "tooMany remote"]],
      [10_000, 4_000, 0, false, ["tooMany remote"]],
      [10_000, 4_000, 0, true, ["tooMany remote"]],
      [10_000, 5_000, 0, false, []],
      [300, 0, 400, false, ["wrongFolder remote"]],
      [40, 0, 40, false, ["wrongFolder remote"]],
      [40, 0, 40, true, []],
      [40, 2, 38, false, []],
      [10, 0, 1, false, []],
      [11, 0, 1, true, ["tooMany remote"]],
    ];

for (const [before, kept, fresh, remembers, expected] of deploys) {
  const name = `${before} files, ${kept} kept and ${fresh} new${remembers ? ", remembered" : ""}: ${
    expected.join(", ") || "passes"
  }`;
  Deno.test(`dangers() judges a deployment of ${name}`, () => {
    const local = { ...files("kept", kept), ...files("new", fresh) };
    const remote = { ...files("kept", kept), ...files("old", before - kept) };
    const known = remembers ? { known: knownAs(...Object.keys(remote)) } : {};
    assert.deepEqual(codes(check({ local, remote, ...known })), expected);
  });
}

Deno.test("dangers() takes an empty history for none", () => {
  const found = check({ local: files("new", 40), remote: files("old", 40), known: [] });
  assert.deepEqual(codes(found), ["wrongFolder remote"]);
});

Deno.test("MD-06 dangers() lets a given count be reached, not passed", () => {
  const limits = { local: files("k", 5), maxRemove: { count: 10 } };
  assert.deepEqual(codes(check({ ...limits, remote: { ...files("k", 5), ...files("old", 10) } })), []);
  const [found] = check({ ...limits, remote: { ...files("k", 5), ...files("old", 11) } });
  assert.deepEqual([found?.code, found?.count, found?.total, found?.allowedBy], ["tooMany", 11, 16, "-MaxRemove 100%"]);
});

Deno.test("MD-06 dangers() lets a given share be reached, not passed", () => {
  const limits = { maxRemove: { share: 0.5 } };
  assert.deepEqual(
    codes(check({ ...limits, local: files("k", 50), remote: { ...files("k", 50), ...files("x", 50) } })),
    [],
  );
  const over = { local: files("k", 49), remote: { ...files("k", 49), ...files("x", 51) } };
  assert.deepEqual(codes(check({ ...limits, ...over })), ["tooMany remote"]);
});

Deno.test("dangers() is exact where a share is no round number", () => {
  const sides = { local: files("k", 71), remote: { ...files("k", 71), ...files("x", 29) } };
  assert.deepEqual(codes(check({ maxRemove: { share: 0.29 }, ...sides })), []);
  assert.deepEqual(codes(check({ maxRemove: { share: 0.28 }, ...sides })), ["tooMany remote"]);
});

Deno.test("dangers() lets -MaxRemove 0 forbid every removal", () => {
  assert.deepEqual(codes(check({ maxRemove: { count: 0 }, local: { a: {} }, remote: { a: {}, b: {} } })), [
    "tooMany remote",
  ]);
});

Deno.test("dangers() lets -MaxRemove 100% open the rules about many removals, but not those about an empty source", () => {
  const limits = { maxRemove: { share: 1 }, remote: files("old", 40) };
  assert.deepEqual(codes(check({ ...limits, local: files("new", 40) })), []);
  assert.deepEqual(codes(check(limits)), ["emptySource remote"]);
});

Deno.test("dangers() counts what a new type replaces", () => {
  const sides = { local: { d: {}, k: {} }, remote: { ...files("d/", 3), k: {} } };
  assert.deepEqual(check({ maxRemove: { count: 2 }, ...sides }).map(({ count }) => count), [3]);
  const other = { local: { "d/x": {}, k: {} }, remote: { d: {}, k: {} } };
  assert.deepEqual(check({ maxRemove: { count: 0 }, ...other }).map(({ count }) => count), [1]);
});

Deno.test("dangers() counts neither folders nor what moves", () => {
  const folders = { local: { k: {} }, remote: { k: {}, "d/e/": {}, "f/": {} } };
  assert.deepEqual(check({ maxRemove: { count: 0 }, ...folders }), []);
  const x = { checksum: sumOf("x") };
  assert.deepEqual(check({ maxRemove: { count: 0 }, moves: true, local: { "b": x }, remote: { "a": x } }), []);
});

Deno.test("dangers() judges Both by half of a side that holds five files or more", () => {
  const run = (kept: number, gone: number) => {
    const known = knownAs(...Object.keys({ ...files("k", kept), ...files("g", gone) }));
    return codes(
      check({ mode: "Both", known, local: files("k", kept), remote: { ...files("k", kept), ...files("g", gone) } }),
    );
  };
  assert.deepEqual(run(11, 11), []);
  assert.deepEqual(run(10, 11), ["tooMany remote"]);
  assert.deepEqual(run(1, 10), ["tooMany remote"]);
  assert.deepEqual(run(2, 3), ["tooMany remote"]);
  assert.deepEqual(run(3, 2), []);
  assert.deepEqual(run(3, 3), []);
  assert.deepEqual(run(1, 3), []);
});

Deno.test("MD-04 dangers() takes a source without a file for a disk that is not mounted", () => {
  const [found] = check({ mode: "Local", local: files("a", 100), remote: { "lost+found/": {} } });
  assert.deepEqual([found?.code, found?.side, found?.count, found?.allowedBy], [
    "emptySource",
    "local",
    100,
    "-AllowEmptySource",
  ]);
});

Deno.test("dangers() sees no harm in an empty source that removes nothing", () => {
  assert.deepEqual(check({}), []);
  assert.deepEqual(check({ remove: false, remote: files("a", 100) }), []);
});

Deno.test("TW-23 dangers() refuses a side of Both that was full and is empty", () => {
  const known = knownAs("a", "b");
  for (const remove of [true, false]) {
    assert.deepEqual(codes(check({ mode: "Both", remove, known, remote: { a: {}, b: {} } })), ["emptiedRoot local"]);
  }
  assert.deepEqual(check({ mode: "Both", known: knownAs("a"), remote: { a: {} } }), []);
});

Deno.test("MD-12 dangers() refuses broad roots with -Remove or -Mirror", () => {
  const roots = { local: { risk: "the home folder" }, remote: { risk: "the login folder" } };
  assert.deepEqual(codes(check({ roots })), ["broadRoot remote"]);
  assert.deepEqual(codes(check({ roots, remove: false, mirror: true })), ["broadRoot remote"]);
  assert.deepEqual(codes(check({ roots, remove: false })), []);
  assert.deepEqual(codes(check({ roots, mode: "Local" })), ["broadRoot local"]);
  assert.deepEqual(codes(check({ roots, mode: "Both" })), ["broadRoot local", "broadRoot remote"]);
});

Deno.test("dangers() never removes from a root that nobody named", () => {
  const roots = { local: {}, remote: { defaulted: true } };
  const [found] = check({ roots, local: { a: {} }, remote: { a: {}, b: {} } });
  assert.deepEqual([found?.code, found?.allowedBy], ["defaultedRoot", undefined]);
  assert.deepEqual(check({ roots, local: { a: {} }, remote: { a: {} } }), []);
});

Deno.test("dangers() takes a missing root that was known for a disk that is not mounted", () => {
  const run = (remote: SafetyLimits["roots"]["remote"]) =>
    codes(check({ local: { a: {} }, roots: { local: {}, remote } }));
  assert.deepEqual(run({ missing: true, hasHistory: true }), ["lostRoot remote"]);
  assert.deepEqual(run({ missing: true, moved: true }), ["lostRoot remote"]);
  assert.deepEqual(run({ missing: true }), []);
  assert.deepEqual(run({ hasHistory: true }), []);
});

Deno.test("dangers() refuses a missing source with -Remove", () => {
  const roots = { local: { missing: true }, remote: {} };
  assert.deepEqual(codes(check({ roots, remote: { a: {} } })), ["lostRoot local", "emptySource remote"]);
  assert.deepEqual(codes(check({ roots, remove: false })), []);
});

Deno.test("MD-05 dangers() asks for the marker on both sides, and no key opens that", () => {
  const marker = { name: ".marker", present: { local: true, remote: false } };
  const [found] = check({ markers: [marker], allow: ["-AllowMissingRoot", "-AllowRoot"] });
  assert.deepEqual([found?.code, found?.side, found?.allowedBy], ["noMarker", "remote", undefined]);
});

Deno.test("TW-22 dangers() refuses Both when most files of a side changed their time alone", () => {
  const known = knownAs(...Object.keys(files("f", 20)));
  const touched = (count: number) => ({
    ...files("f", Math.max(20, count)),
    ...Object.fromEntries(Object.keys(files("f", count)).map((name) => [name, { modified: START + 3_600_000 }])),
  });
  const run = (local: Listing) => codes(check({ mode: "Both", remove: false, known, local, remote: files("f", 20) }));
  assert.deepEqual(run(touched(11)), ["allChanged local"]);
  assert.deepEqual(run(touched(10)), []);
  const half = { ...files("f", 24), ...touched(12) };
  const many = knownAs(...Object.keys(half));
  assert.deepEqual(check({ mode: "Both", remove: false, known: many, local: half, remote: files("f", 24) }), []);
  assert.deepEqual(run(Object.fromEntries(Object.keys(files("f", 20)).map((name) => [name, { size: 7 }]))), []);
});

const keyed: readonly (readonly [GuardKey, Run])[] = [
  ["-AllowEmptySource", { remote: { a: {} } }],
  ["-AllowRoot", { roots: { local: {}, remote: { risk: "a disk's root" } } }],
  ["-AllowMissingRoot", { roots: { local: {}, remote: { missing: true, hasHistory: true } } }],
  ["-MaxRemove 100%", { maxRemove: { count: 0 }, local: { a: {} }, remote: { a: {}, b: {} } }],
];

for (const [key, run] of keyed) {
  Deno.test(`dangers() is silent about what ${key} allows, and about nothing else`, () => {
    assert.equal(check(run).length, 1);
    assert.deepEqual(check({ ...run, allow: [key] }), []);
    const others = keyed.map(([other]) => other).filter((other) => other !== key);
    assert.equal(check({ ...run, allow: others }).length, 1);
  });
}

Deno.test("describeDanger() gives counts, ten names, and both ways on", () => {
  const [found] = check({ local: files("k", 5), remote: { ...files("k", 5), ...files("x", 12) } });
  assert.equal(
    found === undefined ? "" : describeSafetyIssue(found),
    '12 of 17 files on the remote side would be removed, which would leave it 5 files, fewer than half ("x0", "x1", "x10", "x11", ' +
      '"x2", "x3", "x4", "x5", "x6", "x7" and 2 more); nothing was changed: run the same command without -Remove, or with ' +
      "-MaxRemove 100% if this is meant",
  );
});

Deno.test("describeDanger() shows names that could act on a terminal as text", () => {
  const [found] = check({ maxRemove: { count: 0 }, local: { a: {} }, remote: { a: {}, "x\u202ey": {} } });
  assert.match(found === undefined ? "" : describeSafetyIssue(found), /"x\\u202ey"/);
});

Deno.test("describeDanger() names no key where none opens", () => {
  const [found] = check({ markers: [{ name: ".m", present: { local: true, remote: false } }] });
  assert.doesNotMatch(found === undefined ? "" : describeSafetyIssue(found), /if this is meant/);
});
