import assert from "node:assert/strict";
import { explainUnstorableName, nameOf, toRelPath } from "../../lib/core/path.ts";
import { call, type Case, entries, entry, folder, paths, put, text } from "./assertions.ts";

const nasty: readonly string[] = [
  "two  blanks",
  " leading blank",
  "trailing blank ",
  "trailing dot.",
  "100%",
  "%41%2F",
  "a#b",
  "a?b=c&d",
  'it\'s "quoted"',
  "back\\slash",
  "-rf",
  "--",
  "~",
  "$HOME `id` ;x",
  "star*[a]{b}",
  "caf\u00e9",
  "cafe\u0301 in pieces",
  "\u4e16\u754c",
  "\u{1f600}",
  ".hidden",
  "...",
  "a:b|c<d>e",
  "n".repeat(200),
];

/** The cases of names. */
export const nameCases: readonly Case[] = [
  ...nasty.map((name): Case => ({
    name: `a file and a folder may be called ${
      JSON.stringify(name.length > 40 ? `${name.slice(0, 3)}… (${name.length})` : name)
    }`,
    run: async ({ backend }) => {
      if (explainUnstorableName(name, backend.traits.names, backend.traits.maxNameBytes) !== undefined) return;
      await put(backend, name, "content");
      assert.deepEqual(await paths(backend), [name]);
      assert.equal(await text(backend, name), "content");
      await put(backend, name, "again");
      assert.equal(await text(backend, name), "again");
      await backend.remove(await entry(backend, name), call);
      assert.deepEqual(await paths(backend), []);
      await folder(backend, name);
      await put(backend, `${name}/inside`, "x");
      assert.deepEqual(await paths(backend, name), [`${name}/inside`]);
    },
  })),
  {
    name: "names are told apart as the traits say",
    run: async ({ backend }) => {
      const { caseSensitive, normalizes } = backend.traits;
      for (
        const [path, twin, same] of [["Name", "name", !caseSensitive], ["caf\u00e9", "cafe\u0301", normalizes]] as const
      ) {
        await put(backend, path, "first");
        const found = await backend.stat(toRelPath(twin), call);
        assert.equal(found !== undefined, same, `${path} and ${twin}`);
      }
    },
  },
  {
    name: "a name of 255 bytes is written where the traits allow it",
    run: async ({ backend }) => {
      const name = `${"\u00e9".repeat(126)}abc`;
      if (backend.traits.maxNameBytes < 255) return;
      await put(backend, name, "first");
      await put(backend, name, "second");
      assert.deepEqual(await paths(backend), [name]);
      assert.equal(await text(backend, name), "second");
    },
  },
  {
    name: "a name with a control character is listed as opaque, and stands in no way",
    needs: "disk",
    run: async ({ backend, disk }) => {
      await Deno.writeTextFile(`${disk}/line\nbreak`, "x");
      await Deno.writeTextFile(`${disk}/good`, "x");
      const found = await entries(backend);
      assert.deepEqual(found.map((one) => [one.kind, one.kind === "opaque" ? one.cause : ""]).sort(), [
        ["file", ""],
        ["opaque", "name"],
      ]);
      assert.ok(found.every((one) => !nameOf(one.path).includes("\n")), "no raw control character is shown");
    },
  },
  {
    name: "a pipe on the disk is listed as special",
    needs: "disk",
    run: async ({ backend, disk }) => {
      const made = await new Deno.Command("mkfifo", { args: [`${disk}/pipe`] }).output();
      assert.ok(made.success, "mkfifo works");
      const [found] = await entries(backend);
      assert.ok(found?.kind === "opaque" && found.cause === "special");
    },
  },
  {
    name: "a link on the disk is listed as what it is, never as what it points to",
    needs: "disk",
    run: async ({ backend, disk }) => {
      await Deno.symlink("/etc", `${disk}/outside`);
      await Deno.symlink("nowhere", `${disk}/dangling`);
      const found = await entries(backend);
      assert.equal(found.length, 2);
      for (const one of found) assert.ok(one.kind === "link" || one.kind === "opaque" && one.cause === "link");
    },
  },
];
