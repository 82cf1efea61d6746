import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { toTempTag } from "../../../../lib/sync/common/temp_tag.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import { withOverrides } from "../../../support/stacked.ts";
import {
  applied,
  brief,
  entryAt,
  failure,
  fileAt,
  makeDir,
  NOON,
  owners,
  pair,
  plant,
  remove,
  texts,
  upload,
  uploads,
} from "../fixtures.ts";
import type { Action, SyncEvent } from "../../../../lib/core/plan.ts";

Deno.test("apply() makes folders before what they hold, and removes what they hold before them", async () => {
  const sides = pair({ "a/b/c": "1" }, { "x/y/z": "2" });
  await applied([
    ...await uploads(sides, "a/b/c"),
    makeDir("a/b"),
    makeDir("a"),
    remove(await entryAt(sides.remote, "x")),
    remove(await entryAt(sides.remote, "x/y")),
    remove(await entryAt(sides.remote, "x/y/z")),
  ], sides);
  assert.deepEqual(await texts(sides.remote), { "a": null, "a/b": null, "a/b/c": "1" });
  assert.deepEqual(sides.remote.operations.map((one) => `${one.do} ${one.path}`), [
    "makeDir a",
    "makeDir a/b",
    "write a/b/c",
    "remove x/y/z",
    "remove x/y",
    "remove x",
  ]);
});

Deno.test("apply() tells of each action that it started, what moved, and that it is done", async () => {
  const sides = pair({ "a": "12345" });
  const { events, end } = await applied(await uploads(sides, "a"), sides);
  assert.deepEqual(events.map((event) => event.type), ["started", "progress", "done"]);
  assert.ok(events[1]?.type === "progress" && events[1].bytes === 5);
  assert.ok(events[2]?.type === "done" && events[2].result?.kind === "file" && events[2].result.size === 5);
  assert.deepEqual(end, { failures: 0, cancelled: false, stopped: false });
});

Deno.test("apply() keeps as many files in flight as asked for, and no more", async () => {
  const names = Array.from({ length: 9 }, (_, i) => `f${i}`);
  const sides = pair(Object.fromEntries(names.map((name) => [name, name])));
  let [now, most] = [0, 0];
  const remote = withOverrides(sides.remote, {
    async write(inner, ...rest) {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      const entry = await inner.write(...rest);
      now--;
      return entry;
    },
  });
  await applied(await uploads(sides, ...names), { local: sides.local, remote }, { concurrency: 4 });
  assert.equal(most, 4);
});

Deno.test("apply() begins no more large files than fit into what may be in flight", async () => {
  const names = Array.from({ length: 6 }, (_, i) => `f${i}`);
  const sides = pair({});
  let [now, most] = [0, 0];
  const remote = withOverrides(sides.remote, {
    async write(_inner, path, _body, { size }) {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      now--;
      return { kind: "file", path, size };
    },
  });
  const actions = names.map((name) => upload(name, { kind: "file", path: toRelPath(name), size: 2 ** 33 }));
  await applied(actions, { local: sides.local, remote }, { concurrency: 100 });
  assert.equal(most, 4);
});

Deno.test("apply() goes on after a failure, but removes nothing then", async () => {
  const sides = pair({ "a": "1", "b": "2" }, { "a": "came meanwhile", "old": "3" });
  const { events, end } = await applied(
    [
      ...await uploads(sides, "a", "b"),
      remove(await entryAt(sides.remote, "old")),
    ],
    sides,
    { concurrency: 1 },
  );
  assert.deepEqual(brief(events), ["failed copy a", "done copy b", "held remove old"]);
  assert.equal(end.failures, 1);
  assert.deepEqual(await texts(sides.remote), { "a": "came meanwhile", "b": "2", "old": "3" });
});

Deno.test("apply() removes in spite of failures when told so", async () => {
  const sides = pair({ "a": "1" }, { "a": "came meanwhile", "old": "3" });
  const actions = [...await uploads(sides, "a"), remove(await entryAt(sides.remote, "old"))];
  const { events } = await applied(actions, sides, { removeDespiteFailures: true });
  assert.deepEqual(brief(events), ["failed copy a", "done remove old"]);
});

Deno.test("apply() stops at the first failure when told so, and removes nothing in any case", async () => {
  const sides = pair({ "a": "1", "b": "2" }, { "a": "came meanwhile", "old": "3" });
  const { events, end } = await applied(
    [
      ...await uploads(sides, "a", "b"),
      remove(await entryAt(sides.remote, "old")),
    ],
    sides,
    { concurrency: 1, onError: "stop", removeDespiteFailures: true },
  );
  assert.deepEqual(brief(events), ["failed copy a", "held remove old"]);
  assert.ok(events.some((event) => event.type === "held" && event.why === "the run stopped at a failure"));
  assert.deepEqual(end, { failures: 1, cancelled: false, stopped: true });
  assert.deepEqual(await texts(sides.remote), { "a": "came meanwhile", "old": "3" });
});

Deno.test("apply() fails what lies in a folder that could not be made, without trying", async () => {
  const sides = pair({ "d/e/f": "1", "g": "2" }, { "d": "a file" });
  const { events } = await applied([makeDir("d"), makeDir("d/e"), ...await uploads(sides, "d/e/f", "g")], sides);
  assert.deepEqual(brief(events), ["failed makeDir d", "failed makeDir d/e", "failed copy d/e/f", "done copy g"]);
  assert.deepEqual(events.filter((event) => event.type === "started").map((event) => event.action.path), ["d", "g"]);
});

Deno.test("apply() notes a source that vanished, and holds no removal for it", async () => {
  const sides = pair({}, { "a": "old", "gone": "1" });
  const source = { kind: "file", path: toRelPath("a"), size: 3, modified: NOON } as const;
  const { events, end } = await applied([
    upload("a", source, await entryAt(sides.remote, "a")),
    remove(await entryAt(sides.remote, "gone")),
  ], sides);
  assert.deepEqual(brief(events), ["noted vanished a", "done remove gone"]);
  assert.equal(end.failures, 0);
  assert.deepEqual(await texts(sides.remote), { "a": "old" });
});

Deno.test("apply() removes nothing that is no longer what the plan saw", async () => {
  const sides = pair({}, { "a": "old" });
  const seen = await entryAt(sides.remote, "a");
  plant(sides.remote, { "a": "newer" });
  const { events } = await applied([remove(seen)], sides);
  assert.ok(events[1]?.type === "failed" && events[1].error.kind === "changed");
  assert.deepEqual(await texts(sides.remote), { "a": "newer" });
});

Deno.test("apply() leaves a folder that gained a file, and the folders above it", async () => {
  const sides = pair({}, { "d/e/f": "old" });
  const actions = await Promise.all(
    ["d", "d/e", "d/e/f"].map(async (path) => remove(await entryAt(sides.remote, path))),
  );
  plant(sides.remote, { "d/e/new": "somebody's" });
  const { events } = await applied(actions, sides);
  assert.deepEqual(brief(events), ["done remove d/e/f", "failed remove d/e", "failed remove d"]);
  assert.deepEqual(await texts(sides.remote), { "d": null, "d/e": null, "d/e/new": "somebody's" });
});

Deno.test("apply() mends a time, and warns where it cannot", async () => {
  const sides = pair({}, { "a": "1" });
  const target = await fileAt(sides.remote, "a");
  const touch: Action = { do: "touch", to: "remote", path: target.path, why: "newer", target, modified: NOON + 5000 };
  await applied([touch], sides);
  assert.equal((await fileAt(sides.remote, "a")).modified, NOON + 5000);
  const again = { ...touch, target: await fileAt(sides.remote, "a"), modified: NOON };
  const { events, end } = await applied([again], {
    local: sides.local,
    remote: withOverrides(sides.remote, { setModified: undefined }),
  });
  assert.ok(events.at(-1)?.type === "done" && end.failures === 0);
  assert.match(JSON.stringify(events.at(-1)), /could not be set/);
});

Deno.test("apply() touches nothing that is no longer what the plan saw", async () => {
  const sides = pair({}, { "a": "1" });
  const target = await fileAt(sides.remote, "a");
  plant(sides.remote, { "a": "2" }, NOON + 1000);
  const { end } = await applied([
    { do: "touch", to: "remote", path: target.path, why: "newer", target, modified: NOON + 5000 },
  ], sides);
  assert.equal(end.failures, 1);
  assert.equal((await fileAt(sides.remote, "a")).modified, NOON + 1000);
});

Deno.test("apply() renames what moved, unless it changed meanwhile", async () => {
  const sides = pair({}, { "a": "1", "b": "2" });
  const move = async (path: string, to: string): Promise<Action> => ({
    do: "move",
    to: "remote",
    path: toRelPath(to),
    why: "moved",
    source: await fileAt(sides.remote, path),
  });
  const actions = [await move("a", "c"), await move("b", "d")];
  plant(sides.remote, { "b": "3" }, NOON + 1000);
  const { events } = await applied(actions, sides, { concurrency: 1 });
  assert.deepEqual(brief(events), ["done move c", "failed move d"]);
  assert.deepEqual(await texts(sides.remote), { "b": "3", "c": "1" });
});

Deno.test("apply() removes a file that an earlier run moved aside only when removals may happen", async () => {
  const sides = pair({ "a": "1" }, { "a": "came meanwhile" });
  const aside = tempPath(toRelPath("p"), toTempTag(owners.remote, "aside", await fileAt(sides.local, "a")));
  plant(sides.remote, { [aside]: "old" });
  const leftovers = { local: [], remote: [toRelPath(aside)] };
  await applied(await uploads(sides, "a"), sides, { leftovers });
  assert.ok(aside in await texts(sides.remote));
  await applied([], sides, {
    leftovers,
    plan: { heldRemovals: [{ path: toRelPath("x"), kind: "refused", why: "a folder could not be read" }] },
  });
  assert.ok(aside in await texts(sides.remote));
  await applied([], sides, { leftovers });
  assert.deepEqual(await texts(sides.remote), { "a": "came meanwhile" });
});

Deno.test("apply() ends its work when nobody listens any more", async () => {
  const sides = pair({ "a": "1", "b": "2", "c": "3" });
  const actions = await uploads(sides, "a", "b", "c");
  const seen: SyncEvent[] = [];
  const { apply } = await import("../../../../lib/sync/apply/apply.ts");
  const options = { signal: new AbortController().signal, owners, onError: "continue", removeDespiteFailures: false };
  const plan = { actions, conflicts: [], refusals: [], heldRemovals: [], notes: [], historyUpdates: [], undecided: [] };
  for await (const event of apply(plan, sides, { ...options, onError: "continue", concurrency: 1 })) {
    seen.push(event);
    if (event.type === "done") break;
  }
  const before = sides.remote.operations.length;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(sides.remote.operations.length, before);
  assert.ok(before < 3);
});

Deno.test("apply() removes nothing below a folder that became a link since it was listed", async () => {
  const sides = pair({}, { "d/e/x": "1", "d/y": "2", "z": "3" });
  const targets = await Promise.all(["d/e/x", "d/y", "z"].map((path) => fileAt(sides.remote, path)));
  const remote = withOverrides(sides.remote, {
    stat: (inner, path, call) => {
      const link = { kind: "link", path, target: "elsewhere" } as const;
      return path === "d/e" ? Promise.resolve(link) : inner.stat(path, call);
    },
  });
  const { events } = await applied(targets.map(remove), { local: sides.local, remote });
  assert.deepEqual(brief(events).toSorted(), ["done remove d/y", "done remove z", "failed remove d/e/x"]);
  assert.match(failure(events).message, /"d\/e" is no longer a folder/);
  assert.equal((await texts(sides.remote))["d/e/x"], "1");
});
