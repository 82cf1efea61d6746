import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { type ErrorKind, SyncError } from "../../../../lib/core/errors.ts";
import { operationError } from "../../../../lib/core/operation.ts";
import { type RelPath, root, toRelPath } from "../../../../lib/core/path.ts";
import { type Scan, scan, type ScanOptions } from "../../../../lib/sync/scan/scan.ts";
import { toTempOwner, toTempTag } from "../../../../lib/sync/common/temp_tag.ts";
import { tempPath } from "../../../../lib/core/temp_name.ts";
import type { Entry, FileEntry } from "../../../../lib/core/entry.ts";
import { withOverrides } from "../../../support/stacked.ts";

const owner = toTempOwner(["test"]);
const stranger = toTempOwner(["stranger"]);
const signal = new AbortController().signal;

function file(path: string, size = 1): FileEntry {
  return { kind: "file", path: toRelPath(path), size, modified: 1000 };
}

function dir(path: string): Entry {
  return { kind: "dir", path: toRelPath(path) };
}

function link(path: string, target: string): Entry {
  return { kind: "link", path: toRelPath(path), target };
}

function holding(...entries: readonly Entry[]): Backend {
  const backend = memory({ lacks: ["walk"] });
  for (const entry of entries) backend.plant(entry);
  return backend;
}

/** A backend whose folders list exactly this. */
function listing(folders: Readonly<Record<string, readonly Entry[] | SyncError>>): Backend {
  return withOverrides(memory({ lacks: ["walk"] }), {
    list: (_inner, dir) => {
      const found = folders[dir] ?? new SyncError("notFound", `no ${dir}`, { operation: "list" });
      return found instanceof SyncError ? Promise.reject(found) : Promise.resolve(found);
    },
    stat: (_inner, path) => {
      const entries = Object.values(folders).flatMap((found) => found instanceof SyncError ? [] : found);
      return Promise.resolve(entries.find((entry) => entry.path === path));
    },
  });
}

function broken(kind: ErrorKind, message = "broken"): SyncError {
  return new SyncError(kind, message, { operation: "list" });
}

function scanned(backend: Backend, options: Partial<ScanOptions> = {}): Promise<Scan> {
  return scan(backend, { signal, links: "Skip", owner, ...options });
}

function shown(found: Scan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Array.from(found.snapshot, (entry) => [entry.path, entry.kind === "opaque" ? entry.cause : entry.kind]),
  );
}

async function rejection(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof SyncError, `no SyncError but ${error}`);
  return error;
}

Deno.test("scan() gives everything below the root, parents first", async () => {
  const found = await scanned(holding(file("b/c/d"), file("a"), dir("e"), file("b-x")));
  assert.deepEqual(Array.from(found.snapshot, ({ path }) => path), ["a", "b", "b/c", "b/c/d", "b-x", "e"]);
});

Deno.test("scan() gives the same through walk() as through list()", async () => {
  const tree = [file("b/c/d"), file("a"), dir("e"), link("l", "a"), file(".tandem-trash/x")];
  const walking = memory();
  for (const entry of tree) walking.plant(entry);
  assert.deepEqual(shown(await scanned(walking)), shown(await scanned(holding(...tree))));
});

Deno.test("scan() gives a folder that cannot be read as unreadable, with nothing below it", async () => {
  const found = await scanned(listing({
    "": [dir("a"), dir("b")],
    "a": broken("denied", "no right"),
    "b": [file("b/x")],
  }));
  assert.deepEqual(shown(found), { "a": "unreadable", "b": "dir", "b/x": "file" });
  const entry = found.snapshot.get(toRelPath("a"));
  assert.match(entry?.kind === "opaque" ? entry.why : "", /no right/);
});

Deno.test("scan() takes nothing from a listing that fails half way", async () => {
  const backend = withOverrides(holding(dir("a"), file("a/x"), file("a/y")), {
    async list(inner, dir, call) {
      const found = await inner.list(dir, call);
      if (dir === "a") throw broken("unexpected");
      return found;
    },
  });
  assert.deepEqual(shown(await scanned(backend)), { "a": "unreadable" });
});

Deno.test("scan() leaves a folder out that is proven to be gone when its turn comes", async () => {
  const backend = withOverrides(listing({ "": [dir("a"), file("b")] }), { stat: () => Promise.resolve(undefined) });
  assert.deepEqual(shown(await scanned(backend)), { "b": "file" });
});

Deno.test("scan() believes no notFound of a folder that is still there", async () => {
  assert.deepEqual(shown(await scanned(listing({ "": [dir("a")] }))), { "a": "unreadable" });
});

for (const kind of ["connection", "timeout", "auth", "hostKey"] as const) {
  Deno.test(`scan() rejects when a folder fails with ${kind} and the root gives no sign of life`, async () => {
    const folders = listing({ "": [dir("a"), dir("b")], "a": broken(kind), "b": [] });
    const backend = withOverrides(folders, { stat: () => Promise.reject(broken(kind)) });
    assert.equal((await rejection(scanned(backend))).kind, kind);
  });
}

for (const kind of ["connection", "timeout", "busy"] as const) {
  Deno.test(`scan() goes on where one folder fails with ${kind} and the server still answers`, async () => {
    const backend = listing({ "": [dir("a"), dir("b")], "a": broken(kind), "b": [file("b/x")] });
    assert.deepEqual(shown(await scanned(backend)), { "a": "unreadable", "b": "dir", "b/x": "file" });
  });
}

Deno.test("scan() rejects where one folder after the other loses the link", async () => {
  const names = ["a", "b", "c", "d"];
  const failing = Object.fromEntries(names.map((name) => [name, broken("connection")]));
  assert.equal((await rejection(scanned(listing({ "": names.map(dir), ...failing })))).kind, "connection");
});

Deno.test("scan() tells a root apart that is absent, denied, or a file", async () => {
  const absent = withOverrides(listing({}), { stat: () => Promise.resolve(undefined) });
  assert.equal((await rejection(scanned(absent))).kind, "notFound");
  const denied = listing({ "": broken("denied", 'Cannot list ".": no right to look') });
  const error = await rejection(
    scanned(withOverrides(denied, { stat: () => Promise.resolve({ kind: "dir", path: "" as RelPath }) })),
  );
  assert.equal(error.kind, "denied");
  assert.match(error.message, /^Cannot list "\/" \(\w+\): no right to look$/);
  const isFile = withOverrides(denied, { stat: () => Promise.resolve({ ...file("x"), path: "" as RelPath }) });
  assert.equal((await rejection(scanned(isFile))).kind, "badInput");
});

Deno.test("scan() names a root that cannot be listed once, whatever the backend calls it", async () => {
  const context = { signal: new AbortController().signal, operation: "list", path: root };
  const why = "the server's listing is odd";
  const backend = withOverrides(listing({ "": [] }), {
    list: () => Promise.reject(operationError(context, "unexpected", { why })),
    stat: () => Promise.resolve({ kind: "dir", path: root }),
  });
  const error = await rejection(scanned(backend));
  assert.equal(error.message, `Cannot list "${backend.root.path}" (${backend.label}): ${why}`);
});

Deno.test("scan() skips links by default and keeps them under Keep", async () => {
  const backend = holding(file("a"), link("l", "a"));
  assert.deepEqual(shown(await scanned(backend)), { "a": "file", "l": "link" });
  const skipped = (await scanned(backend)).snapshot.get(toRelPath("l"));
  const kept = (await scanned(backend, { links: "Keep" })).snapshot.get(toRelPath("l"));
  assert.deepEqual([skipped?.kind, kept], ["opaque", link("l", "a")]);
});

Deno.test("scan() gives temporary files of our own as leftovers, and nowhere else", async () => {
  const partial = tempPath(toRelPath("a/x"), toTempTag(owner, "partial", file("a/x")));
  const aside = tempPath(toRelPath("y"), toTempTag(owner, "aside", file("y")));
  const found = await scanned(holding(file("a/x"), file(partial), file(aside)));
  assert.deepEqual(shown(found), { "a": "dir", "a/x": "file" });
  assert.deepEqual([...found.leftovers].sort(), [aside, partial].sort());
});

Deno.test("scan() leaves temporary names of others alone, and folders of such a name", async () => {
  const theirs = tempPath(toRelPath("x"), toTempTag(stranger, "partial", file("x")));
  const folder = tempPath(toRelPath("f"), toTempTag(owner, "partial", file("f")));
  const found = await scanned(holding(file(theirs), file(`${folder}/inside`)));
  assert.deepEqual(shown(found), { [theirs]: "special", [folder]: "special" });
  assert.deepEqual(found.leftovers, []);
});

Deno.test("scan() does not see the trash at any depth, nor the lock at the root", async () => {
  const found = await scanned(
    holding(file(".tandem-trash/x"), file("a/.tandem-trash/y"), file(".tandem-lock"), file("a/.tandem-lock")),
  );
  assert.deepEqual(shown(found), { "a": "dir", "a/.tandem-lock": "file" });
});

Deno.test("scan() keeps neither of two entries of one name, nor what lies below", async () => {
  const twice = listing({ "": [file("a"), dir("a"), file("b")], "a": [file("a/x")] });
  assert.deepEqual(shown(await scanned(twice)), { "a": "unreadable", "b": "file" });
});

Deno.test("scan() keeps a name that cannot be opened as one entry, however often it is shown", async () => {
  const entry: Entry = { kind: "opaque", path: "a\ufffd" as RelPath, cause: "name", why: "no Unicode" };
  assert.deepEqual(shown(await scanned(listing({ "": [entry, entry] }))), { "a\ufffd": "name" });
});

Deno.test("scan() keeps the mark of an incomplete folder, whatever else has that path", async () => {
  const entry: Entry = { kind: "opaque", path: "a" as RelPath, cause: "name", why: "a line", incomplete: true };
  const plain: Entry = { kind: "opaque", path: "a" as RelPath, cause: "name", why: "no name" };
  for (const other of [entry, plain, file("a"), dir("a")]) {
    for (const both of [[entry, other], [other, entry]]) {
      const { snapshot } = await scanned(listing({ "": both, "a": [] }));
      const [found, ...more] = snapshot;
      assert.deepEqual([found?.kind === "opaque" && found.incomplete, more.length], [true, 0]);
    }
  }
});

Deno.test("scan() believes no entry that does not lie in the folder that lists it", async () => {
  const odd = listing({ "": [dir("a"), dir("b")], "a": [file("b/x")], "b": [] });
  assert.deepEqual(shown(await scanned(odd)), { "a": "unreadable", "b": "dir" });
});

Deno.test("scan() completes the folders that walk() does not name, and closes a name that is file and folder", async () => {
  const backend = withOverrides(memory(), {
    async *walk() {
      yield [file("a/b/c"), file("f")];
      yield [file("f/below")];
    },
  });
  assert.deepEqual(shown(await scanned(backend)), { "a": "dir", "a/b": "dir", "a/b/c": "file", "f": "unreadable" });
});

Deno.test("scan() rejects when walk() fails half way", async () => {
  const backend = withOverrides(holding(file("a")), {
    async *walk() {
      yield [file("a")];
      throw broken("unexpected", "page 2 is missing");
    },
  });
  assert.match((await rejection(scanned(backend))).message, /page 2 is missing/);
});

Deno.test("scan() works on folders 300 levels deep", async () => {
  const path = Array.from({ length: 300 }, () => "d").join("/");
  const found = await scanned(holding(file(`${path}/f`)));
  assert.equal(found.snapshot.size, 301);
});

Deno.test("scan() stops at folders without end", async () => {
  const endless = withOverrides(memory({ lacks: ["walk"] }), {
    list: (_inner, path) => Promise.resolve([dir(path === "" ? "d" : `${path}/d`)]),
  });
  const found = await scanned(endless);
  const last = Array.from(found.snapshot).at(-1);
  assert.deepEqual([found.snapshot.size, last?.kind], [1001, "opaque"]);
});

Deno.test("scan() lists folders side by side, as many as it may", async () => {
  const folders = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`d${i}`, []]));
  let [now, most] = [0, 0];
  const backend = withOverrides(listing({ "": Object.keys(folders).map(dir), ...folders }), {
    async list(inner, path, call) {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      now--;
      return await inner.list(path, call);
    },
  });
  await scanned(backend, { concurrency: 4 });
  assert.equal(most, 4);
});

Deno.test("scan() rejects with cancelled once the signal is aborted, and begins nothing more", async () => {
  const stop = new AbortController();
  const lists: string[] = [];
  const backend = withOverrides(listing({ "": [dir("a"), dir("b")], "a": [], "b": [] }), {
    async list(inner, path, call) {
      lists.push(path);
      const found = await inner.list(path, call);
      stop.abort();
      return found;
    },
  });
  assert.equal((await rejection(scanned(backend, { signal: stop.signal }))).kind, "cancelled");
  assert.deepEqual(lists, [""]);
});
