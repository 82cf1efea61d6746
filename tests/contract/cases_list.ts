import assert from "node:assert/strict";
import { root, toRelPath } from "../../lib/core/path.ts";
import { assertRejects, call, type Case, entries, entry, file, folder, paths, put } from "./assertions.ts";

/** The cases of list(), stat() and withRoot(). */
export const listCases: readonly Case[] = [
  {
    name: "list() of an empty root gives nothing",
    run: async ({ backend }) => assert.deepEqual(await entries(backend), []),
  },
  {
    name: "list() gives the children only, never the folder itself",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await folder(backend, "d/e");
      await put(backend, "d/e/deep", "x");
      await put(backend, "d/f", "x");
      await put(backend, "top", "x");
      assert.deepEqual(await paths(backend), ["d", "top"]);
      assert.deepEqual(await paths(backend, "d"), ["d/e", "d/f"]);
      assert.deepEqual(await paths(backend, "d/e"), ["d/e/deep"]);
    },
  },
  {
    name: "list() of an empty folder gives nothing",
    run: async ({ backend }) => {
      await folder(backend, "d");
      assert.deepEqual(await paths(backend, "d"), []);
    },
  },
  {
    name: "list() tells folders, files and their sizes",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "empty", "");
      await put(backend, "five", "12345");
      const shown = (await entries(backend)).map((one) => [one.kind, one.kind === "file" ? one.size : undefined]);
      assert.deepEqual(shown, [["dir", undefined], ["file", 0], ["file", 5]]);
    },
  },
  {
    name: "list() and stat() tell the same of one file",
    run: async ({ backend }) => {
      await put(backend, "a", "abc", 1_600_000_000_000);
      const [listed] = await entries(backend);
      const known = await file(backend, "a");
      assert.ok(listed?.kind === "file");
      assert.equal(listed.size, known.size);
      assert.equal(listed.revision, known.revision);
      const step = Math.max(listed.timeStep ?? 0, known.timeStep ?? 0, backend.traits.timeStep ?? 0);
      if (listed.modified !== undefined && known.modified !== undefined) {
        assert.ok(Math.abs(listed.modified - known.modified) <= step);
      }
    },
  },
  {
    name: "list() gives each of 2,500 entries once",
    run: async ({ backend }) => {
      const names = Array.from({ length: 2500 }, (_, i) => `d/file-${String(i).padStart(4, "0")}`);
      await folder(backend, "d");
      for (let i = 0; i < names.length; i += 50) {
        await Promise.all(names.slice(i, i + 50).map((name) => put(backend, name, "x")));
      }
      assert.deepEqual(await paths(backend, "d"), names);
    },
  },
  {
    name: "list() of an absent folder rejects with notFound",
    run: async ({ backend }) => {
      await assertRejects(paths(backend, "absent"), "notFound");
      await assertRejects(paths(backend, "absent/deep"), "notFound");
    },
  },
  {
    name: "list() of a file rejects",
    run: async ({ backend }) => {
      await put(backend, "f", "x");
      await assertRejects(paths(backend, "f"));
    },
  },
  {
    name: "stat() of something absent gives undefined",
    run: async ({ backend }) => {
      await put(backend, "f", "x");
      assert.equal(await backend.stat(toRelPath("absent"), call), undefined);
      assert.equal(await backend.stat(toRelPath("absent/deep/er"), call), undefined);
      assert.equal(await backend.stat(toRelPath("f/below"), call), undefined);
    },
  },
  {
    name: "stat() of the root gives a folder with the empty path",
    run: async ({ backend }) => {
      const found = await backend.stat(root, call);
      assert.equal(found?.kind, "dir");
      assert.equal(found?.path, "");
    },
  },
  {
    name: "stat() tells a folder from a file",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "x");
      assert.equal((await entry(backend, "d")).kind, "dir");
      assert.equal((await entry(backend, "d/f")).kind, "file");
    },
  },
  {
    name: "withRoot() is rooted at a relative folder",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await folder(backend, "d/e");
      await put(backend, "d/e/f", "x");
      const inner = await backend.withRoot("d/e", call);
      assert.deepEqual(await paths(inner), ["f"]);
      assert.deepEqual(await paths(await inner.withRoot(".", call)), ["f"]);
    },
  },
  {
    name: "withRoot() is rooted at an absolute folder, as root.path names it",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "x");
      const inner = await backend.withRoot("d", call);
      const again = await backend.withRoot(inner.root.path, call);
      assert.deepEqual(await paths(again), ["f"]);
      assert.equal(again.root.path, inner.root.path);
      assert.deepEqual(await paths(await inner.withRoot(backend.root.path, call)), ["d"]);
    },
  },
  {
    name: "withRoot() may name a folder that is absent, which stat() tells",
    run: async ({ backend }) => {
      const inner = await backend.withRoot("not/yet", call);
      assert.equal(await inner.stat(root, call), undefined);
      await assertRejects(paths(inner), "notFound");
    },
  },
  {
    name: "withRoot() gives a backend whose dispose closes nothing",
    run: async ({ backend }) => {
      await folder(backend, "d");
      const inner = await backend.withRoot("d", call);
      await inner[Symbol.asyncDispose]();
      assert.deepEqual(await paths(backend), ["d"]);
    },
  },
];
