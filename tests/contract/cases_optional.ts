import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { root, toRelPath } from "../../lib/core/path.ts";
import { pattern } from "../support/content.ts";
import { assertRejects, call, type Case, entry, file, folder, get, link, paths, put, text } from "./assertions.ts";

/** The cases of the optional methods, for backends that have them. */
export const optionalCases: readonly Case[] = [
  {
    name: "rename() moves a file, with its time",
    method: "rename",
    run: async ({ backend }) => {
      await folder(backend, "d");
      const before = await put(backend, "a", "content", 1_600_000_000_000);
      await backend.rename?.(toRelPath("a"), toRelPath("d/b"), call);
      assert.deepEqual(await paths(backend), ["d"]);
      assert.equal(await text(backend, "d/b"), "content");
      assert.equal((await file(backend, "d/b")).modified, before.modified);
    },
  },
  {
    name: "rename() moves a folder with what it holds",
    method: "rename",
    run: async ({ backend }) => {
      await folder(backend, "a");
      await put(backend, "a/f", "content");
      await backend.rename?.(toRelPath("a"), toRelPath("b"), call);
      assert.deepEqual(await paths(backend), ["b"]);
      assert.equal(await text(backend, "b/f"), "content");
    },
  },
  {
    name: "rename() replaces the expected file",
    method: "rename",
    run: async ({ backend }) => {
      await put(backend, "a", "new");
      const expect = await put(backend, "b", "old content");
      await backend.rename?.(toRelPath("a"), toRelPath("b"), { ...call, expect });
      assert.deepEqual(await paths(backend), ["b"]);
      assert.equal(await text(backend, "b"), "new");
    },
  },
  {
    name: "rename() over what is not expected rejects with changed",
    method: "rename",
    run: async ({ backend }) => {
      const known = await put(backend, "b", "old");
      await put(backend, "b", "another");
      await put(backend, "a", "new");
      for (const expect of [known, "absent"] as const) {
        await assertRejects(
          (async () => await backend.rename?.(toRelPath("a"), toRelPath("b"), { ...call, expect }))(),
          "changed",
        );
      }
      assert.equal(await text(backend, "a"), "new");
      assert.equal(await text(backend, "b"), "another");
    },
  },
  {
    name: "rename() of something absent rejects with notFound",
    method: "rename",
    run: async ({ backend }) => {
      await assertRejects((async () => await backend.rename?.(toRelPath("a"), toRelPath("b"), call))(), "notFound");
    },
  },
  {
    name: "copy() makes a second file of the same content",
    method: "copy",
    run: async ({ backend }) => {
      const bytes = pattern(300_000, 6);
      await put(backend, "a", bytes);
      await backend.copy?.(toRelPath("a"), toRelPath("b"), { ...call, expect: "absent" });
      assert.deepEqual(await get(backend, "a"), bytes);
      assert.deepEqual(await get(backend, "b"), bytes);
      assert.deepEqual(await paths(backend), ["a", "b"]);
    },
  },
  {
    name: "copy() over what is not expected rejects with changed",
    method: "copy",
    run: async ({ backend }) => {
      await put(backend, "a", "new");
      await put(backend, "b", "kept");
      await assertRejects(
        (async () => await backend.copy?.(toRelPath("a"), toRelPath("b"), { ...call, expect: "absent" }))(),
        "changed",
      );
      assert.equal(await text(backend, "b"), "kept");
    },
  },
  {
    name: "hardLink() gives a file a second name, and the first may be replaced",
    method: "hardLink",
    run: async ({ backend }) => {
      await put(backend, "a", "old");
      await folder(backend, "d");
      await backend.hardLink?.(toRelPath("a"), toRelPath("d/b"), { ...call, expect: "absent" });
      await put(backend, "a", "newer");
      assert.deepEqual([await text(backend, "a"), await text(backend, "d/b")], ["newer", "old"]);
    },
  },
  {
    name: "hardLink() takes no name that is there, and no link, folder or absent file",
    method: "hardLink",
    run: async ({ backend }) => {
      await put(backend, "a", "1");
      await put(backend, "b", "kept");
      await folder(backend, "d");
      const link = (from: string, to: string) => async () =>
        await backend.hardLink?.(toRelPath(from), toRelPath(to), { ...call, expect: "absent" });
      await assertRejects(link("a", "b")(), "changed");
      await assertRejects(link("absent", "c")(), "notFound");
      await assertRejects(link("d", "c")(), "refused");
      assert.deepEqual([await text(backend, "b"), await paths(backend)], ["kept", ["a", "b", "d"]]);
    },
  },
  {
    name: "flush() takes folders that are there and one that is gone",
    method: "flush",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "x");
      await backend.flush?.([root, toRelPath("d"), toRelPath("gone")], call);
      assert.equal(await text(backend, "d/f"), "x");
    },
  },
  {
    name: "makeLink() makes a link that stat() and list() tell with its target",
    method: "makeLink",
    run: async ({ backend }) => {
      const made = await backend.makeLink?.(toRelPath("l"), "some/where \u00e9", { ...call, expect: "absent" });
      assert.deepEqual(made, { kind: "link", path: "l", target: "some/where \u00e9" });
      assert.deepEqual(await link(backend, "l"), made);
      assert.deepEqual(await backend.list(root, call), [made]);
    },
  },
  {
    name: "makeLink() where something unexpected is rejects with changed",
    method: "makeLink",
    run: async ({ backend }) => {
      await put(backend, "l", "kept");
      await assertRejects(
        (async () => await backend.makeLink?.(toRelPath("l"), "x", { ...call, expect: "absent" }))(),
        "changed",
      );
      assert.equal(await text(backend, "l"), "kept");
    },
  },
  {
    name: "setModified() sets the time within timeStep and nothing else",
    method: "setModified",
    run: async ({ backend }) => {
      await put(backend, "f", "content", 1_600_000_000_000);
      await backend.setModified?.(toRelPath("f"), 1_650_000_001_000, call);
      const { modified, size } = await file(backend, "f");
      assert.ok(Math.abs((modified ?? 0) - 1_650_000_001_000) <= (backend.traits.timeStep ?? 0));
      assert.equal(size, 7);
      assert.equal(await text(backend, "f"), "content");
    },
  },
  {
    name: "setModified() of something absent rejects with notFound",
    method: "setModified",
    run: async ({ backend }) => {
      await assertRejects(
        (async () => await backend.setModified?.(toRelPath("f"), 1_650_000_001_000, call))(),
        "notFound",
      );
    },
  },
  {
    name: "setModified() never reaches what a link points to",
    method: "setModified",
    needs: "disk",
    run: async ({ backend, disk }) => {
      const before = await put(backend, "victim", "x", 1_600_000_000_000);
      await Deno.symlink("victim", `${disk}/l`);
      await backend.setModified?.(toRelPath("l"), 1_650_000_001_000, call).catch(() => undefined);
      assert.deepEqual(await file(backend, "victim"), before);
    },
  },
  {
    name: "setMode() sets the rwx bits and no others",
    method: "setMode",
    run: async ({ backend }) => {
      await put(backend, "f", "x");
      await backend.setMode?.(toRelPath("f"), 0o7640, call);
      assert.equal((await file(backend, "f")).mode, 0o640);
    },
  },
  {
    name: "setMode() never reaches what a link points to",
    method: "setMode",
    needs: "disk",
    run: async ({ backend, disk }) => {
      const before = await put(backend, "victim", "x");
      await Deno.symlink("victim", `${disk}/l`);
      await backend.setMode?.(toRelPath("l"), 0o777, call).catch(() => undefined);
      assert.deepEqual(await file(backend, "victim"), before);
    },
  },
  ...["sha256", "sha1", "md5"].map((algorithm): Case => ({
    name: `checksum() equals the ${algorithm} of the content, or is undefined`,
    method: "checksum",
    run: async ({ backend }) => {
      const bytes = pattern(1_000_003, 8);
      const known = await put(backend, "f", bytes);
      const found = await backend.checksum?.(known, [algorithm], call);
      if (found === undefined) return;
      assert.equal(found, `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`);
    },
  })),
  {
    name: "checksum() takes the first algorithm it has, and is undefined when it has none",
    method: "checksum",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "abc");
      assert.equal(await backend.checksum?.(known, ["no-such-hash"], call), undefined);
      const first = await backend.checksum?.(known, ["no-such-hash", "sha256", "md5"], call);
      const second = await backend.checksum?.(known, ["sha256", "md5"], call);
      assert.equal(first, second);
    },
  },
  {
    name: "checksum() of a file that is another now rejects with changed",
    method: "checksum",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "abc");
      await put(backend, "f", "longer than before");
      await assertRejects((async () => await backend.checksum?.(known, ["sha256", "sha1", "md5"], call))(), "changed");
    },
  },
  {
    name: "walk() gives what listing every folder gives",
    method: "walk",
    run: async ({ backend }) => {
      for (const dir of ["a", "a/b", "a/b/c", "d", "e"]) await folder(backend, dir);
      for (const path of ["top", "a/1", "a/b/2", "a/b/c/3", "d/it's"]) await put(backend, path, path);
      const walked = async (dir: string) =>
        (await Array.fromAsync(backend.walk?.(toRelPath(dir), call) ?? [])).flat().map((one) =>
          `${one.kind} ${one.path}`
        )
          .sort();
      const listed = async (dir: string): Promise<string[]> => {
        const own = (await paths(backend, dir)).map((path) => entry(backend, path));
        const below = await Promise.all(
          (await Promise.all(own)).map(async (one) => [
            `${one.kind} ${one.path}`,
            ...(one.kind === "dir" ? await listed(one.path) : []),
          ]),
        );
        return below.flat().sort();
      };
      assert.deepEqual(await walked(""), await listed(""));
      assert.deepEqual(await walked("a"), await listed("a"));
    },
  },
  {
    name: "walk() of an absent folder rejects with notFound",
    method: "walk",
    run: async ({ backend }) => {
      await assertRejects(Array.fromAsync(backend.walk?.(toRelPath("absent"), call) ?? []), "notFound");
    },
  },
];
