import assert from "node:assert/strict";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, file } from "../../../contract/assertions.ts";
import { collect } from "../../../support/content.ts";
import { startDavStore } from "../../../support/servers/dav_store.ts";
import {
  type Answers,
  fileProps,
  folderProps,
  multistatus,
  startSmallDav,
} from "../../../support/servers/small_dav.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

const SIZE = 13_000_001;
const TEXT = Array.from({ length: Math.ceil(SIZE / 8) }, (_, i) => String(i).padStart(8, "0")).join("").slice(0, SIZE);
const FAR_MS = 150;
const f = toRelPath("f");

interface Serving {
  /** The ETag that a GET from this offset carries. */
  tag?(from: number): string;
  readonly ranges?: boolean;
  /** Bytes of each reply that are left out at its end, though its headers promise them. */
  readonly short?: number;
}

function serve({ tag = () => '"1"', ranges = true, short = 0 }: Serving): Answers {
  return ({ method, path, headers }) => {
    if (method !== "GET") {
      const file = fileProps(SIZE, '<D:getetag>"1"</D:getetag>');
      return path === "/" ? multistatus(["/", folderProps]) : multistatus([path, file]);
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(String(headers.range ?? "")) ?? [];
    if (from === undefined || !ranges) return { status: 200, headers: { etag: tag(0) }, body: TEXT };
    const start = Number(from);
    const end = to === "" ? SIZE : Math.min(SIZE, Number(to) + 1);
    return {
      status: 206,
      headers: { "etag": tag(start), "content-range": `bytes ${start}-${end - 1}/${SIZE}` },
      // From a server that is near it comes in one piece.
      after: FAR_MS,
      body: TEXT.slice(start, end - short),
    };
  };
}

async function readAll(serving: Serving, range: { readonly offset?: number; readonly length?: number } = {}) {
  await using server = await startSmallDav(serve(serving));
  await using backend = await openWebdav(
    davTarget({ user: "me", password: "", root: "/", port: server.port }),
    call,
  );
  const expect: FileEntry = { kind: "file", path: f, size: SIZE, revision: '"1"' };
  const bytes = await collect(await backend.read(f, { ...call, expect, ...range }));
  return {
    text: new TextDecoder().decode(bytes),
    gets: server.requests.filter(({ method }) => method === "GET").length,
  };
}

Deno.test("read() puts the pieces of a large file together in order", async () => {
  const { text, gets } = await readAll({});
  assert.ok(text === TEXT);
  assert.equal(gets, 4);
});

Deno.test("read() of a large range begins and ends where it should", async () => {
  const { text } = await readAll({}, { offset: 7, length: 10_000_000 });
  assert.ok(text === TEXT.slice(7, 10_000_007));
});

Deno.test("read() takes the whole where the server knows no ranges", async () => {
  const { text, gets } = await readAll({ ranges: false });
  assert.ok(text === TEXT);
  assert.equal(gets, 1);
  assert.equal((await readAll({ ranges: false }, { offset: 5, length: 9 })).text, TEXT.slice(5, 14));
});

Deno.test("read() never mixes two versions of a file", async () => {
  await assertRejects(readAll({ tag: (from) => from === 0 ? '"1"' : '"2"' }).catch(unwrapped), "changed");
});

Deno.test("read() rejects a piece that is too short", async () => {
  await assertRejects(readAll({ short: 1 }).catch(unwrapped), "changed");
});

for (
  const [what, status, part, range] of [
    ["a part of a file that was asked for as a whole", 206, "0-49/100", {}],
    ["less than a part", 206, "10-49/100", { offset: 10 }],
    ["less than a part, and not of how much", 206, "10-49/*", { offset: 10 }],
    ["more than a part", 206, "10-99/100", { offset: 10, length: 5 }],
    ["nothing of a part that the file has", 416, "*/100", { offset: 10 }],
  ] as const
) {
  Deno.test(`read() rejects when the server gives ${what}`, async () => {
    const props = fileProps(100, '<D:getetag>"1"</D:getetag>');
    await using server = await startSmallDav(({ method, path }) => {
      if (method !== "GET") return multistatus(path === "/" ? ["/", folderProps] : [path, props]);
      const [from = NaN, to = NaN] = part.split(/[-/]/).map(Number);
      const body = status === 206 ? "x".repeat(to + 1 - from) : "";
      return { status, headers: { "etag": '"1"', "content-range": `bytes ${part}` }, body };
    });
    await using backend = await openWebdav(
      davTarget({ user: "me", password: "", root: "/", port: server.port }),
      call,
    );
    const expect: FileEntry = { kind: "file", path: f, size: 100, revision: '"1"' };
    await assertRejects(backend.read(f, { ...call, expect, ...range }), "unexpected");
  });
}

for (const size of [100, 600_000]) {
  Deno.test(`read() of a file of ${size} bytes takes no more than one byte beyond them`, async () => {
    let sent = 0;
    await using server = await startDavStore({
      getHeaders: "none",
      content: (response, bytes) => {
        response.writeHead(200);
        const piece = new Uint8Array(64 * 1024);
        response.write(bytes);
        const more = () => {
          while (!response.destroyed && response.write(piece)) sent += piece.length;
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      },
    });
    server.files.set("f", { bytes: new Uint8Array(size), modified: 0, version: 1 });
    await using backend = await openWebdav(davTarget({ user: "", password: "", root: "/", port: server.port }), call);
    const expect = await file(backend, "f");
    await assertRejects(backend.read(f, { ...call, expect }).then(collect).catch(unwrapped), "changed");
    assert.ok(sent < 64 << 20, `${sent} bytes were sent`);
  });
}

/** What a stream was ended with, when reading it all wrapped that. */
function unwrapped(error: unknown): never {
  throw error instanceof TypeError && error.cause !== undefined ? error.cause : error;
}
