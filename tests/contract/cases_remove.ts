import assert from "node:assert/strict";
import { root, toRelPath } from "../../lib/core/path.ts";
import { assertRejects, call, type Case, entry, file, folder, link, paths, put, text } from "./assertions.ts";

/** The cases of makeDir() and remove(). */
export const removeCases: readonly Case[] = [
  {
    name: "makeDir() makes a folder and gives its entry",
    run: async ({ backend }) => {
      const made = await folder(backend, "d");
      assert.equal(made.kind, "dir");
      assert.equal(made.path, "d");
      assert.equal((await entry(backend, "d")).kind, "dir");
    },
  },
  {
    name: "makeDir() of an existing folder is no error and leaves what it holds",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "kept");
      assert.equal((await folder(backend, "d")).kind, "dir");
      assert.equal(await text(backend, "d/f"), "kept");
    },
  },
  {
    name: "makeDir() where a file is rejects with exists",
    run: async ({ backend }) => {
      await put(backend, "f", "kept");
      await assertRejects(folder(backend, "f"), "exists");
      assert.equal(await text(backend, "f"), "kept");
    },
  },
  {
    name: "makeDir() in a missing parent rejects with notFound",
    run: async ({ backend }) => {
      await assertRejects(folder(backend, "absent/d"), "notFound");
      assert.deepEqual(await paths(backend), []);
    },
  },
  {
    name: "makeDir() of a root makes its parents too",
    run: async ({ backend }) => {
      const inner = await backend.withRoot("a/b/c", call);
      assert.equal((await inner.makeDir(root, call)).path, "");
      assert.deepEqual(await paths(inner), []);
      assert.equal((await entry(backend, "a/b/c")).kind, "dir");
      assert.equal((await inner.makeDir(root, call)).path, "");
    },
  },
  {
    name: "makeDir() of a root where a file is rejects with exists",
    run: async ({ backend }) => {
      await put(backend, "f", "kept");
      await assertRejects((await backend.withRoot("f", call)).makeDir(root, call), "exists");
      assert.equal(await text(backend, "f"), "kept");
    },
  },
  {
    name: "remove() removes a file, and what is absent is no error",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "x");
      await backend.remove(known, call);
      assert.deepEqual(await paths(backend), []);
      await backend.remove(known, call);
      await backend.remove({ ...known, path: toRelPath("absent/deep") }, call);
    },
  },
  {
    name: "remove() removes an empty folder, and what is absent is no error",
    run: async ({ backend }) => {
      await folder(backend, "d");
      const known = await entry(backend, "d");
      await backend.remove(known, call);
      assert.deepEqual(await paths(backend), []);
      await backend.remove(known, call);
    },
  },
  {
    name: "remove() of a folder that holds something rejects with changed",
    run: async ({ backend }) => {
      await folder(backend, "d");
      const known = await entry(backend, "d");
      await put(backend, "d/f", "kept");
      await assertRejects(backend.remove(known, call), "changed");
      assert.equal(await text(backend, "d/f"), "kept");
    },
  },
  {
    name: "remove() of a file whose content is another rejects with changed",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "known", 1_600_000_000_000);
      await put(backend, "f", "unknown", 1_650_000_000_000);
      await assertRejects(backend.remove(known, call), "changed");
      assert.equal(await text(backend, "f"), "unknown");
    },
  },
  {
    name: "remove() of a file whose time alone is another rejects with changed",
    method: "setModified",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "same", 1_600_000_000_000);
      await backend.setModified?.(toRelPath("f"), 1_650_000_000_000, call);
      await assertRejects(backend.remove(known, call), "changed");
      assert.equal(await text(backend, "f"), "same");
    },
  },
  {
    name: "remove() of a file where a folder is now rejects with changed",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "x");
      await backend.remove(known, call);
      await folder(backend, "f");
      await assertRejects(backend.remove(known, call), "changed");
      assert.equal((await entry(backend, "f")).kind, "dir");
    },
  },
  {
    name: "remove() of a folder where a file is now rejects with changed",
    run: async ({ backend }) => {
      await folder(backend, "d");
      const known = await entry(backend, "d");
      await backend.remove(known, call);
      await put(backend, "d", "kept");
      await assertRejects(backend.remove(known, call), "changed");
      assert.equal(await text(backend, "d"), "kept");
    },
  },
  {
    name: "remove() of a link removes the link, never what it points to",
    method: "makeLink",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "kept");
      await backend.makeLink?.(toRelPath("to-dir"), "d", call);
      await backend.makeLink?.(toRelPath("to-file"), "d/f", call);
      await backend.remove(await link(backend, "to-dir"), call);
      await backend.remove(await link(backend, "to-file"), call);
      assert.deepEqual(await paths(backend), ["d"]);
      assert.equal(await text(backend, "d/f"), "kept");
    },
  },
  {
    name: "remove() of a file where a link is now rejects with changed",
    method: "makeLink",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "x");
      await put(backend, "g", "x");
      await backend.remove(known, call);
      await backend.makeLink?.(toRelPath("f"), "g", call);
      await assertRejects(backend.remove(known, call), "changed");
      assert.equal((await link(backend, "f")).target, "g");
      assert.equal((await file(backend, "g")).size, 1);
    },
  },
  {
    name: "remove() below a folder that is a link never reaches what it points to",
    method: "makeLink",
    run: async ({ backend }) => {
      await folder(backend, "real");
      const known = await put(backend, "real/f", "kept");
      await backend.makeLink?.(toRelPath("door"), "real", call);
      await backend.remove({ ...known, path: toRelPath("door/f") }, call).catch(() => undefined);
      assert.equal(await text(backend, "real/f"), "kept");
    },
  },
];
