import assert from "node:assert/strict";
import type { Backend } from "../../lib/core/backend.ts";
import { memory } from "../../lib/backends/memory/mod.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { faulty, linkLost } from "../support/faulty.ts";
import { withOverrides } from "../support/stacked.ts";
import { applied, brief, entryAt, failure, fileAt, plant, remove, texts, upload } from "../unit/sync/fixtures.ts";
import type { Action, SyncEvent } from "../../lib/core/plan.ts";

const names = Array.from({ length: 20 }, (_, i) => `f${String(i).padStart(2, "0")}`);

/** Twenty files to bring, one to remove. */
async function job() {
  const sides = { local: memory(), remote: memory() };
  plant(sides.local, Object.fromEntries(names.map((name) => [name, name])));
  plant(sides.remote, { "old": "old" });
  const copies = await Promise.all(names.map(async (name) => upload(name, await fileAt(sides.local, name))));
  return { sides, actions: [...copies, remove(await entryAt(sides.remote, "old"))] satisfies Action[] };
}

/** A server that is gone from the nth write on; counts what it is asked then. */
function dying(inner: Backend, nth: number, kind: "connection" | "timeout" | "auth" = "connection") {
  let writes = 0;
  const asked: string[] = [];
  const ask = <T>(what: string, run: () => Promise<T>): Promise<T> => {
    if (writes < nth) return run();
    asked.push(what);
    return Promise.reject(new SyncError(kind, "nobody answers", { operation: what }));
  };
  const backend = withOverrides(inner, {
    write: (real, path, ...rest) => (writes++, ask(`write ${path}`, () => real.write(path, ...rest))),
    stat: (real, path, call) => ask(`stat ${path}`, () => real.stat(path, call)),
    remove: (real, entry, call) => ask(`remove ${entry.path}`, () => real.remove(entry, call)),
  });
  return { backend, asked };
}

for (const kind of ["connection", "timeout"] as const) {
  Deno.test(`apply() asks a server once more after a ${kind} failure, then fails the rest without trying`, async () => {
    const { sides, actions } = await job();
    const { backend, asked } = dying(sides.remote, 5, kind);
    const { events, end } = await applied(actions, { local: sides.local, remote: backend }, { concurrency: 1 });
    assert.deepEqual(asked, ["write f04", "stat "]);
    assert.equal(end.failures, 16);
    assert.equal(end.lost?.kind, kind);
    const told = brief(events);
    assert.deepEqual(told.slice(0, 6), [
      ...names.slice(0, 4).map((name) => `done copy ${name}`),
      "failed copy f04",
      "failed copy f05",
    ]);
    assert.equal(told.at(-1), "held remove old");
    const last = events.findLast((event) => event.type === "failed");
    assert.ok(last?.type === "failed" && /Not started.*nobody answers/.test(last.error.message));
  });
}

Deno.test("apply() does not knock again after the server stopped trusting us", async () => {
  const { sides, actions } = await job();
  const { backend, asked } = dying(sides.remote, 5, "auth");
  const { end } = await applied(actions, { local: sides.local, remote: backend }, { concurrency: 1 });
  assert.deepEqual([asked, end.failures], [["write f04"], 16]);
});

Deno.test("apply() asks a dead server once, however many files were in flight", async () => {
  const { sides, actions } = await job();
  const { backend, asked } = dying(sides.remote, 1);
  await applied(actions, { local: sides.local, remote: backend }, { concurrency: 8 });
  assert.deepEqual(asked.filter((what) => what.startsWith("stat")), ["stat "]);
  assert.equal(asked.filter((what) => what.startsWith("write")).length, 8);
});

Deno.test("apply() begins nothing while it waits whether the server still answers", async () => {
  const { sides, actions } = await job();
  const [answer, slow] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const begun: string[] = [];
  const remote = withOverrides(sides.remote, {
    async write(inner, path, ...rest) {
      begun.push(path);
      if (path === "f00") throw linkLost();
      await slow.promise;
      return await inner.write(path, ...rest);
    },
    async stat(inner, ...rest) {
      slow.resolve();
      await answer.promise;
      return await inner.stat(...rest);
    },
  });
  const hear = (event: SyncEvent) => {
    if (event.type !== "done" || event.action.path !== "f01") return;
    assert.deepEqual(begun, ["f00", "f01"]);
    setTimeout(() => {
      assert.deepEqual(begun, ["f00", "f01"]);
      answer.resolve();
    }, 2);
  };
  const { end } = await applied(actions, { local: sides.local, remote }, { concurrency: 2, hear });
  assert.deepEqual([end.failures, begun.length], [1, 20]);
});

Deno.test("apply() loses one file to a broken link that comes back", async () => {
  const { sides, actions } = await job();
  const remote = faulty(sides.remote, { faults: [{ on: "write", path: "f03", error: linkLost() }] });
  const { events, end } = await applied(actions, { local: sides.local, remote });
  assert.deepEqual([end.failures, end.lost], [1, undefined]);
  assert.equal(failure(events).kind, "connection");
  assert.deepEqual(Object.keys(await texts(sides.remote)), [...names.filter((name) => name !== "f03"), "old"]);
});

Deno.test("apply() begins nothing once cancelled, and removes nothing", async () => {
  const { sides, actions } = await job();
  const stop = new AbortController();
  let done = 0;
  const hear = (event: SyncEvent) => {
    if (event.type === "done" && ++done === 3) stop.abort();
  };
  const { events, end } = await applied(actions, sides, { signal: stop.signal, concurrency: 2, hear });
  assert.ok(end.cancelled);
  assert.equal(brief(events).at(-1), "held remove old");
  const before = sides.remote.operations.length;
  assert.ok(before <= 6, `${before} operations`);
  assert.equal((await texts(sides.remote))["old"], "old");
});

Deno.test("apply() ends every action that was in flight when it is cancelled", async () => {
  const { sides, actions } = await job();
  const stop = new AbortController();
  const remote = withOverrides(sides.remote, {
    write: (_inner, _path, _body, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new SyncError("cancelled", "as told", { operation: "write" })));
        if (stop.signal.aborted) return;
        setTimeout(() => stop.abort(), 1);
      }),
  });
  const { events } = await applied(actions, { local: sides.local, remote }, { signal: stop.signal, concurrency: 3 });
  assert.deepEqual(brief(events), ["failed copy f00", "failed copy f01", "failed copy f02", "held remove old"]);
  assert.ok(events.every((event) => event.type !== "failed" || event.error.kind === "cancelled"));
});

Deno.test("apply() waits no longer for what ignores the signal once it is told to abandon it", async () => {
  const { sides, actions } = await job();
  const [stop, abandon] = [new AbortController(), new AbortController()];
  const release = Promise.withResolvers<never>();
  const remote = withOverrides(sides.remote, { write: () => release.promise });
  const work = applied(actions, { local: sides.local, remote }, { signal: stop.signal, abandon: abandon.signal });
  setTimeout(() => {
    stop.abort();
    abandon.abort();
  }, 1);
  const { end } = await work;
  assert.ok(end.cancelled);
  release.reject(new SyncError("connection", "much later", { operation: "write" }));
});

Deno.test("apply() finishes nothing more after the first failure under stop, and gives up what was in flight", async () => {
  const { sides, actions } = await job();
  const remote = withOverrides(sides.remote, {
    write(inner, path, body, options) {
      if (path === "f01") return Promise.reject(new SyncError("full", "no room", { operation: "write" }));
      if (path !== "f00") return inner.write(path, body, options);
      return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason)));
    },
  });
  const { events, end } = await applied(actions, { local: sides.local, remote }, { onError: "stop", concurrency: 2 });
  assert.deepEqual(brief(events), ["failed copy f01", "failed copy f00", "held remove old"]);
  assert.ok(end.stopped && !end.cancelled);
  assert.deepEqual(await texts(sides.remote), { "old": "old" });
});

Deno.test("apply() holds the removals that were not begun when it is cancelled among them", async () => {
  const sides = { local: memory(), remote: memory() };
  plant(sides.remote, { "a": "1", "b": "2", "d/c": "3" });
  const actions = await Promise.all(
    ["a", "b", "d", "d/c"].map(async (path) => remove(await entryAt(sides.remote, path))),
  );
  const stop = new AbortController();
  const remote = withOverrides(sides.remote, {
    async remove(inner, entry, call) {
      await inner.remove(entry, call);
      if (entry.path === "a") stop.abort();
    },
  });
  const { events } = await applied(actions, { local: sides.local, remote }, { signal: stop.signal, concurrency: 1 });
  assert.deepEqual(brief(events), ["done remove a", "held remove b", "held remove d/c", "held remove d"]);
  assert.deepEqual(Object.keys(await texts(sides.remote)), ["b", "d", "d/c"]);
});

Deno.test("apply() of a file that breaks off while it is read leaves the old version, and brings the others", async () => {
  const { sides, actions } = await job();
  plant(sides.remote, { "f05": "before" });
  const broken = new SyncError("unexpected", "EIO", { operation: "read" });
  const local = faulty(sides.local, { faults: [{ on: "read", path: "f05", truncate: 1, broken }] });
  const replaces = await fileAt(sides.remote, "f05");
  const replacing = actions.map((action) =>
    action.do === "copy" && action.path === "f05" ? { ...action, replaces } : action
  );
  const { events } = await applied(replacing, { local, remote: sides.remote });
  assert.match(failure(events).message, /EIO/);
  const left = await texts(sides.remote);
  assert.equal(left["f05"], "before");
  assert.deepEqual(Object.keys(left), [...names, "old"]);
});

Deno.test("apply() believes no source that ends early as if it were whole", async () => {
  const { sides, actions } = await job();
  const local = faulty(sides.local, { faults: [{ on: "read", path: "f05", truncate: 1 }] });
  const { events } = await applied(actions, { local, remote: sides.remote });
  assert.equal(failure(events).kind, "changed");
  assert.ok(!("f05" in await texts(sides.remote)));
});
