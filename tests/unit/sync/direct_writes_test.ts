import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import type { Backend } from "../../../lib/core/backend.ts";
import type { MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { withOverrides } from "../../support/stacked.ts";
import { memories, outcomeOf, put } from "../cases/fixtures.ts";
import { both, type Notebook, notebook, remove } from "../cases/two_way_fixtures.ts";
import { NOON, texts } from "./fixtures.ts";

const tree = { "a": "first file", "b": "second file", "c": "third file" };
const LATER = NOON + 3_600_000;
/** So old that a stamp of it is proven. */
const OLD = Date.UTC(2025, 0, 1);

Deno.test("run() completes a new file that a killed run left half written under its final name", async () => {
  for (const mode of ["Both", "Remote"] as const) {
    for (const at of Object.keys(tree)) {
      const { sides, book } = await killedAt(at, mode);
      assert.deepEqual((await texts(sides.remote))[at], "half", `${mode} ${at}`);
      const run = () => mode === "Both" ? both(sides, book) : outcomeOf(sides, { mode, pairHistory: book.open() });
      assert.deepEqual((await run()).failures, []);
      assert.deepEqual(await texts(sides.remote), tree, `${mode} ${at}`);
      assert.deepEqual(await texts(sides.local), tree);
      assert.deepEqual((await run()).actions, []);
    }
  }
});

Deno.test("run() does not take a file for deleted that a killed run was to write under its final name", async () => {
  const { sides, book } = await killedAt("a", "Both");
  await remove(sides.remote, "a");
  const { notes } = await both(sides, book);
  assert.deepEqual(notes, [], "nothing was deleted, and nothing is said to be restored");
  assert.deepEqual([await texts(sides.local), await texts(sides.remote)], [tree, tree]);
});

Deno.test("run() takes back the record of files that it did not begin to write", async () => {
  const { sides, book } = await killedAt("a", "Both", { isKilled: false });
  assert.deepEqual([...book.known.keys()], ["a"]);
  put(sides.remote, "b", "another user's second file", LATER);
  await remove(sides.local, "b");
  await both(sides, book);
  assert.equal((await texts(sides.local))["b"], "another user's second file");
});

Deno.test("run() writes nothing under a final name where history cannot record it", async () => {
  const sides = memories({ local: tree, remote: {}, dials: { directWrites: true } });
  const full = new SyncError("full", "no room for the history", { operation: "save" });
  const broken = {
    ...notebook().open(),
    saveAhead: (updates: readonly unknown[]) => updates.length > 0 ? Promise.reject(full) : Promise.resolve(),
  };
  const { failures } = await outcomeOf(sides, { mode: "Remote", pairHistory: broken });
  assert.deepEqual([...failures].sort(), ["a", "b", "c"]);
  assert.deepEqual(await texts(sides.remote), {});
});

Deno.test("run() completes a file that was half written in place, also when the run after it did not begin", async () => {
  const sides = memories({ local: { "a": "the content" }, remote: { "a": "the content" }, at: OLD });
  const book = notebook();
  const inPlace = { mode: "Remote", mirror: true, inPlace: true } as const;
  await outcomeOf(sides, { ...inPlace, pairHistory: book.open() });
  put(sides.remote, "a", "another txt", OLD + 3_600_000);
  const broken = (before: () => void) =>
    outcomeOf({ local: sides.local, remote: breaking(sides.remote, before) }, { ...inPlace, pairHistory: dead(book) });
  await broken(() => put(sides.remote, "a", "the cer txt", OLD + 7_200_000));
  await broken(() => {});
  await outcomeOf(sides, { ...inPlace, pairHistory: book.open() });
  assert.deepEqual(await texts(sides.remote), { "a": "the content" });
});

/** Two sides after a run whose write of one file broke off under its final name; a killed run saves no history at its end. */
async function killedAt(at: string, mode: "Both" | "Remote", { isKilled = true } = {}) {
  const sides = memories({ local: tree, remote: {}, dials: { directWrites: true } });
  const book = notebook();
  const remote = withOverrides(sides.remote, {
    write: async (inner, path, body, options) => {
      if (path !== at) return await inner.write(path, body, options);
      await options.onDirectWrite?.();
      put(sides.remote, at, "half", LATER);
      throw lost();
    },
  });
  const pairHistory = isKilled ? dead(book) : book.open();
  const killed = await outcomeOf({ local: sides.local, remote }, {
    ...{ mode, pairHistory, concurrency: 1, stopOnError: true },
    ...(mode === "Both" ? { mirror: false, remove: true } : {}),
  });
  assert.ok(killed.failures.includes(at));
  return { sides, book };
}

/** What a run is given that does not live to save its history. */
function dead(book: Notebook) {
  return { ...book.open(), save: () => Promise.resolve() };
}

function breaking(remote: MemoryBackend, before: () => void): Backend {
  return withOverrides(remote, {
    write: () => {
      before();
      return Promise.reject(lost());
    },
  });
}

function lost(): SyncError {
  return new SyncError("connection", "The line is cut", { operation: "write" });
}
