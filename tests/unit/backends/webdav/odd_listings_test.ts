import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import {
  type Answers,
  fileProps,
  folderProps,
  multistatus,
  type RecordedRequest,
  startSmallDav,
} from "../../../support/servers/small_dav.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

type Entries = readonly (readonly [href: string, props: string])[];

/** Answers each PROPFIND with the entries of `listing` (depth 1) or `look` (depth 0), and each GET with `content`. */
interface OddServer {
  listing(path: string): Entries;
  look?(path: string): Entries | undefined;
  content?(path: string): ReturnType<Answers>;
  text?(xml: string): string;
}

async function withServer(
  { listing, look, content, text = (xml) => xml }: OddServer,
  work: (rig: { readonly backend: Backend; readonly asked: readonly RecordedRequest[]; warnings: string[] }) => Promise<
    void
  >,
  path = "/",
): Promise<void> {
  const answers: Answers = ({ method, path, headers }) => {
    if (method === "GET") return content?.(path) ?? { status: 404 };
    if (method === "OPTIONS") return { status: 200, headers: { dav: "1" } };
    if (method !== "PROPFIND") return { status: 201 };
    const entries = headers.depth === "1"
      ? listing(path)
      : look === undefined
      ? [[path, folderProps]] as const
      : look(path);
    return entries === undefined ? { status: 404 } : text(multistatus(...entries));
  };
  await using server = await startSmallDav(answers);
  const warnings: string[] = [];
  const target = davTarget({ user: "", password: "", root: path, port: server.port });
  await using backend = await openWebdav({ ...target, warn: (message) => void warnings.push(message) }, call);
  await work({ backend, asked: server.requests, warnings });
}

const unsized = '<D:resourcetype/><D:getetag>"1"</D:getetag>';

for (
  const [what, content, size] of [
    ["an empty file", { status: 200, body: "" }, 0],
    ["a file that is not empty", { status: 200, body: "hello" }, 5],
    ["an empty file in chunks", { status: 200, headers: { "transfer-encoding": "chunked", "content-length": [] } }, 0],
    ["a file that cannot be read", { status: 403 }, undefined],
  ] as const
) {
  Deno.test(`the size of ${what} is that of its content if the listing shows none`, async () => {
    const listing = () => [["/", folderProps], ["/f", unsized]] as const;
    const look = (path: string) => path === "/" ? [["/", folderProps]] as const : [[path, unsized]] as const;
    await withServer(
      { listing: () => [...listing()], look: (path) => [...look(path)], content: () => content },
      async ({ backend }) => {
        const [entry] = await backend.list(root, call);
        assert.equal(entry?.kind === "file" ? entry.size : undefined, size);
        const seen = await backend.stat(toRelPath("f"), call);
        assert.deepEqual(seen, entry);
        if (size === undefined) assert.equal(seen?.kind, "opaque");
      },
    );
  });
}

Deno.test("a listing without its own folder is taken, after a look at the folder", async () => {
  const listing = (): Entries => [["/a", fileProps(1)], ["/d/", folderProps]];
  await withServer({ listing }, async ({ backend, asked }) => {
    assert.deepEqual((await backend.list(root, call)).map(({ path }) => path), ["a", "d"]);
    assert.ok(asked.slice(-1).every(({ headers }) => headers.depth === "0"));
  });
});

for (
  const [what, listing, look, kind] of [
    [
      "names another folder's files as well",
      [["/d/a", fileProps(1)], ["/e/b", fileProps(1)]],
      folderProps,
      "unexpected",
    ],
    ["names another folder alone", [["/e/", folderProps]], folderProps, "unexpected"],
    ["is empty, and is that of a file", [], fileProps(1), "refused"],
  ] as const
) {
  Deno.test(`a listing without its own folder is not believed if it ${what}`, async () => {
    const isRoot = (path: string) => path.split("/").filter((name) => name !== "").length === 0;
    await withServer({
      listing: () => [...listing],
      look: (path) => [[path, isRoot(path) ? folderProps : look]],
    }, async ({ backend }) => {
      await assertRejects(backend.list(toRelPath("d"), call), kind);
    });
  });
}

Deno.test("a folder whose empty listing does not name it is removed only after the listing has shown a file", async () => {
  await withServer({ listing: () => [] }, async ({ backend, asked }) => {
    await assertRejects(backend.remove({ kind: "dir", path: toRelPath("d") }, call), "unsupported");
    assert.equal(asked.filter(({ method, path }) => method === "DELETE" && path === "/d/").length, 0);
  });
});

for (const [what, start] of [["line feeds", "\r\n\n"], ["a mark of the byte order", "\ufeff\ufeff"]] as const) {
  Deno.test(`a listing with ${what} ahead of it is read`, async () => {
    const text = (xml: string) => `${start}<?xml version="1.0" encoding="utf-8"?>${xml}`;
    await withServer({ listing: (path) => [[path, folderProps], ["/a", fileProps(1)]], text }, async ({ backend }) => {
      assert.deepEqual((await backend.list(root, call)).map(({ path }) => path), ["a"]);
    });
  });
}

Deno.test("a server that names another host in its listings is read by their paths, with one warning of both hosts", async () => {
  const at = (path: string) => `http://internal.example:8080${path}`;
  await withServer({
    listing: (path) => [
      [at(path), folderProps],
      [at("/dav/a"), fileProps(1)],
      [at("/dav/sub/deep"), fileProps(1)],
      [at("/other/b"), fileProps(1)],
      [at("/dav/..%2fb"), fileProps(1)],
    ],
    look: (path) => [[at(path), folderProps]],
  }, async ({ backend, warnings }) => {
    const found = await backend.list(root, call);
    assert.deepEqual(found.filter(({ kind }) => kind === "file").map(({ path }) => path), ["a"]);
    await backend.list(root, call);
    const named = warnings.filter((text) => text.includes("host"));
    assert.equal(named.length, 1);
    assert.match(named[0] ?? "", /"internal\.example", not of "127\.0\.0\.1"/);
  }, "/dav");
});

for (
  const [what, start, href] of [
    ["in lower-case hex", "/[x] ü@", "/%5bx%5d%20%c3%bc%40/"],
    ["as they are", "/[x] ü@", "/[x] ü@/"],
    ["encoded where that is not needed", "/a-b", "/%61%2Db/"],
  ] as const
) {
  Deno.test(`hrefs that are written ${what} belong to their folder`, async () => {
    const listing =
      (): Entries => [[href, folderProps], [`${href}50%25%20off`, fileProps(1)], [`${href}a%2520b`, fileProps(1)]];
    await withServer({ listing, look: () => [[href, folderProps]] }, async ({ backend }) => {
      assert.deepEqual((await backend.list(root, call)).map(({ path }) => path).sort(), ["50% off", "a%20b"]);
    }, start);
  });
}

Deno.test("a server whose replies name other paths than the requests is refused with that path", async () => {
  const listing = (path: string): Entries => [[`/inner${path}`, folderProps]];
  const error = await withServer({ listing, look: listing }, () => assert.fail("it opened"), "/dav").catch((error) =>
    error
  );
  assert.match(error.message, /another path than the requested one: "\/inner\/dav\/?"; a proxy/);
});

Deno.test("each request has a header Accept, which some firewalls want", async () => {
  await withServer({ listing: (path) => [[path, folderProps]] }, async ({ backend, asked }) => {
    await backend.list(root, call);
    assert.ok(asked.every(({ headers }) => headers.accept === "*/*"));
  });
});
