import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { type RelPath, toRelPath } from "../../../../lib/core/path.ts";
import { type Scan, scan, type ScanOptions } from "../../../../lib/sync/scan/scan.ts";
import { toTempOwner } from "../../../../lib/sync/common/temp_tag.ts";
import type { Entry, FileEntry } from "../../../../lib/core/entry.ts";
import { withOverrides } from "../../../support/stacked.ts";
import { rejection } from "../fixtures.ts";

const owner = toTempOwner(["test"]);
const signal = new AbortController().signal;

function file(path: string): FileEntry {
  return { kind: "file", path: toRelPath(path), size: 1 };
}

function dir(path: string): Entry {
  return { kind: "dir", path: toRelPath(path) };
}

/** A backend whose folders list exactly this. */
function listing(folders: Readonly<Record<string, readonly Entry[]>>): Backend {
  return withOverrides(memory({ lacks: ["walk"] }), { list: (_inner, dir) => Promise.resolve(folders[dir] ?? []) });
}

function scanned(backend: Backend, options: Partial<ScanOptions> = {}): Promise<Scan> {
  return scan(backend, { signal, links: "Skip", owner, ...options });
}

function shown(found: Scan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Array.from(found.snapshot, (entry) => [entry.path, entry.kind === "opaque" ? entry.cause : entry.kind]),
  );
}

for (const name of ["..", ".", "", "a\0b", "x\u001b[31m", "\ud800"]) {
  Deno.test(`scan() opens nothing by the name ${JSON.stringify(name)}, whatever lists it`, async () => {
    for (const folder of ["", "d"]) {
      const path = (folder === "" ? name : `${folder}/${name}`) as RelPath;
      const bad: Entry = { kind: "file", path, size: 1 };
      const listed = listing({ "": folder === "" ? [bad, file("ok")] : [dir("d")], "d": [bad, file("d/ok")] });
      const walked = withOverrides(memory(), {
        async *walk() {
          yield [bad, file(folder === "" ? "ok" : "d/ok")];
        },
      });
      for (const backend of [listed, walked]) {
        // The root lists itself: no listing may.
        if (path === "") continue;
        const { snapshot } = await scanned(backend);
        const kinds = Array.from(snapshot, (entry) => entry.kind === "opaque" ? entry.cause : entry.kind);
        assert.deepEqual(kinds.filter((kind) => kind !== "dir").sort(), ["file", "name"]);
        assert.ok(["opaque", undefined].includes(snapshot.get(path)?.kind));
      }
    }
  });
}

for (const path of ["/a", "/etc/passwd", "a/../../b", "a//b", "./a"]) {
  Deno.test(`scan() opens nothing by the path ${path} of a listing of everything`, async () => {
    const backend = withOverrides(memory(), {
      async *walk() {
        yield [{ kind: "file", path: path as RelPath, size: 1 }, file("ok")];
      },
    });
    const { snapshot } = await scanned(backend);
    const found = Array.from(snapshot, (entry) => entry.kind === "opaque" ? entry.cause : entry.path);
    assert.deepEqual(found.sort(), ["name", "ok"]);
  });
}

Deno.test("scan() takes a backslash for no part of a name on Windows, and for one elsewhere", async () => {
  const entries = [file("ok"), { ...file("x"), path: "a\\b" as RelPath }];
  const posix = withOverrides(memory({ lacks: ["walk"] }), { list: () => Promise.resolve(entries) });
  assert.deepEqual(shown(await scanned(posix)), { "a\\b": "file", "ok": "file" });
  const windows = withOverrides(memory({ lacks: ["walk"], names: "windows" }), {
    list: () => Promise.resolve(entries),
  });
  assert.deepEqual(Object.values(shown(await scanned(windows))).sort(), ["file", "name"]);
});

Deno.test("scan() ends at names that take more memory than they may, and names the parameter", async () => {
  const endless = withOverrides(memory({ lacks: ["walk"] }), {
    list: (_inner, path) => {
      const names = Array.from({ length: 100 }, (_, i) => `${"x".repeat(200)}${i}`);
      return Promise.resolve(names.map((name) => dir(path === "" ? name : `${path}/${name}`)));
    },
  });
  const pages = withOverrides(memory(), {
    async *walk() {
      for (let page = 0;; page++) yield Array.from({ length: 100 }, (_, i) => file(`k${page}-${i}`));
    },
  });
  for (const backend of [endless, pages]) {
    const error = await rejection(scanned(backend, { maxBytes: 1 << 20 }));
    assert.equal(error.kind, "refused");
    assert.match(error.message, /more than 1 MiB .* -MaxListing/);
    assert.ok(Number(/\((\d+) so far/.exec(error.message)?.[1]) < 7000, error.message);
  }
});
