import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { SyncError } from "../../../../lib/core/errors.ts";
import { parseXml } from "../../../../lib/backends/s3/xml.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { collect, utf8 } from "../../../support/content.ts";
import { startRawServer } from "../../../support/servers/raw_http.ts";
import { errorResponse, listResponse, startSmallS3 } from "../../../support/servers/small_s3.ts";
import { openS3 } from "../../../../lib/backends/s3/mod.ts";
import { s3Target } from "../../../support/targets/s3_target.ts";

const call = { signal: new AbortController().signal };
const f = toRelPath("f");
const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const more = (token: string) =>
  `<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`;

async function rejection(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => undefined, (error) => error);
  assert.ok(error instanceof SyncError, `${error}`);
  return error;
}

for (const [status, code] of [[503, "SlowDown"], [500, "InternalError"], [429, "TooManyRequests"]] as const) {
  Deno.test(`walk() and list() ask again for a later page that a store refuses with ${status}`, async () => {
    const failed = new Set<string>();
    await using server = startSmallS3(({ query }) => {
      if (query.has("max-keys")) return undefined;
      const token = `${query.get("continuation-token")} ${query.get("start-after")} ${query.get("delimiter")}`;
      const isFirst = !query.has("continuation-token") && !query.has("start-after");
      if (!isFirst && !failed.has(token)) {
        failed.add(token);
        return errorResponse(status, code);
      }
      if (query.get("continuation-token") === "t") return listResponse(["b"]);
      return query.has("start-after") ? listResponse(["b"]) : listResponse(["a"], more("t"));
    });
    await using backend = await server.open();
    const found = (await Array.fromAsync(backend.walk?.(root, call) ?? [])).flat();
    assert.deepEqual(found.map(({ path }) => path), ["a", "b"]);
    assert.deepEqual((await backend.list(root, call)).map(({ path }) => path), ["a", "b"]);
    assert.ok(failed.size >= 2);
  });
}

Deno.test("list() and walk() end at pages without a key that never end", async () => {
  let pages = 0;
  await using server = startSmallS3(({ query }) =>
    query.has("max-keys") ? undefined : listResponse([], more(`t${pages++}`))
  );
  await using backend = await server.open();
  for (const work of [() => backend.list(root, call), () => Array.fromAsync(backend.walk?.(root, call) ?? [])]) {
    assert.match((await rejection(work())).message, /does not end: 1000 pages in a row hold nothing/);
  }
});

Deno.test("list() ends at tokens that come again", async () => {
  let pages = 0;
  await using server = startSmallS3(({ query }) => {
    return query.has("max-keys") ? undefined : listResponse([`k${pages}`], more(`t${pages++ % 3}`));
  });
  await using backend = await server.open();
  assert.match((await rejection(backend.list(root, call))).message, /repeats a page/);
});

Deno.test("list() ends at a folder whose names take more than 64 MiB", async () => {
  let pages = 0;
  await using server = startSmallS3(({ query }) => {
    if (query.has("max-keys")) return undefined;
    const keys = Array.from({ length: 1000 }, (_, i) => `${"x".repeat(1000)}${i}`);
    return listResponse(keys, more(`t${pages++}`));
  });
  await using backend = await server.open();
  assert.match((await rejection(backend.list(root, call))).message, /more than 64 MiB/);
  assert.ok(pages < 100, `${pages} pages`);
});

Deno.test("list() refuses a key that is longer than any store's", async () => {
  await using server = startSmallS3(({ query }) =>
    query.has("max-keys") ? undefined : listResponse(["d/".repeat(30_000)])
  );
  await using backend = await server.open();
  assert.match((await rejection(backend.list(root, call))).message, /more than 4096 characters/);
});

Deno.test("parseXml() resolves entities, and looks no further than the first bad one", () => {
  const replace = String.prototype.replace;
  // A regular expression would find all of them before the first is told.
  String.prototype.replace = () => assert.fail("the text is searched as a whole");
  try {
    assert.throws(() => parseXml(`<a>${"&".repeat(8_000_000)}</a>`), /longer than 65536 characters/);
  } finally {
    String.prototype.replace = replace;
  }
  assert.equal(parseXml(`<a>${"&amp;&#65;&#x42;".repeat(1000)}</a>`).text, "&AB".repeat(1000));
});

Deno.test("parseXml() refuses elements without end", () => {
  assert.throws(() => parseXml(`<a>${"<b/>".repeat(300_000)}</a>`), /more than 200000 elements/);
});

/** A store that answers every GET of an object so, byte for byte, and its HEAD with this ETag. */
function rawStore(answer: string, head: { readonly etag?: string; readonly size: number }) {
  const etag = head.etag === undefined ? "" : `etag: "${head.etag}"\r\n`;
  return startRawServer(async (connection) => {
    for (let request = await connection.request(); request !== undefined; request = await connection.request()) {
      if (request.startsWith("HEAD")) {
        await connection.send(`HTTP/1.1 200 OK\r\ncontent-length: ${head.size}\r\n${etag}\r\n`);
      } else if (/^GET \/b\/\?/.test(request)) {
        const page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        await connection.send(`HTTP/1.1 200 OK\r\ncontent-length: ${page.length}\r\n\r\n${page}`);
      } else await connection.send(answer);
    }
  });
}

async function open(port: number, warnings: string[] = []) {
  const target = s3Target({ port, accessKey: "AK", secretKey: "SK" }, { bucket: "b", options: {} });
  return await openS3({ ...target, warn: (message) => void warnings.push(message) }, call);
}

const expected = (revision?: string): FileEntry => {
  return { kind: "file", path: f, size: 5, ...(revision === undefined ? {} : { revision }) };
};
const bare = (content: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${content.length}\r\n\r\n${content}`;

Deno.test("read() holds content whose reply has no ETag against the listing's", async () => {
  await using right = rawStore(bare("right"), { size: 5 });
  await using wrong = rawStore(bare("wrong"), { size: 5 });
  await using good = await open(right.port);
  await using bad = await open(wrong.port);
  assert.deepEqual(await collect(await good.read(f, { ...call, expect: expected(md5("right")) })), utf8("right"));
  const error = await rejection(bad.read(f, { ...call, expect: expected(md5("right")) }));
  assert.match(error.message, /checksum/);
});

Deno.test("read() asks for the version where the reply has none and the listing's ETag is no MD5", async () => {
  await using same = rawStore(bare("right"), { etag: "abc-2", size: 5 });
  await using other = rawStore(bare("right"), { etag: "def-2", size: 5 });
  await using good = await open(same.port);
  await using bad = await open(other.port);
  assert.deepEqual(await collect(await good.read(f, { ...call, expect: expected("abc-2") })), utf8("right"));
  assert.equal((await rejection(bad.read(f, { ...call, expect: expected("abc-2") }))).kind, "changed");
});

Deno.test("read() says once that content can be compared with nothing", async () => {
  await using server = rawStore(bare("right"), { size: 5 });
  const warnings: string[] = [];
  await using backend = await open(server.port, warnings);
  for (let i = 0; i < 3; i++) await collect(await backend.read(f, { ...call, expect: expected() }));
  assert.equal(warnings.filter((text) => /neither ETag nor checksum/.test(text)).length, 1);
});

Deno.test("read() takes no more bytes than the part has, whatever comes", async () => {
  const size = 300_000;
  const answer = [
    `HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 1-${size - 1}/${size}\r\n`,
    `etag: "e-1"\r\ntransfer-encoding: chunked\r\n\r\n`,
    `100000\r\n${"x".repeat(0x100000)}\r\n`.repeat(40),
  ].join("");
  await using server = rawStore(answer, { etag: "e-1", size });
  await using backend = await open(server.port);
  const expect: FileEntry = { kind: "file", path: f, size, revision: "e-1" };
  const content = await backend.read(f, { ...call, offset: 1, length: size - 1, expect });
  assert.match((await rejection(collect(content))).message, /more than the 299999 bytes/);
});

Deno.test("read() of a large object takes no whole for one of its parts", async () => {
  const size = 20 * (1 << 20);
  const answer =
    `HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-9/${size}\r\ncontent-length: 10\r\netag: "e"\r\n\r\n0123456789`;
  await using server = rawStore(answer, { etag: "e", size });
  await using backend = await open(server.port);
  const expect: FileEntry = { kind: "file", path: f, size, revision: "e" };
  const error = await rejection((async () => await collect(await backend.read(f, { ...call, expect })))());
  assert.match(error.message, /another range/);
});
