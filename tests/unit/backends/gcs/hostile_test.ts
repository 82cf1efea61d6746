import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type GcsClient, type ObjectContext, parseReply, type Query } from "../../../../lib/backends/gcs/client.ts";
import { list, walk } from "../../../../lib/backends/gcs/list.ts";
import type { GcsObject, GcsPage } from "../../../../lib/backends/gcs/object.ts";
import { readObject } from "../../../../lib/backends/gcs/read.ts";
import type { HttpResponse } from "../../../../lib/http/client.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { collect, utf8 } from "../../../support/content.ts";
import { Semaphore } from "../../../../lib/net/semaphore.ts";

const spot: ObjectContext = { signal: new AbortController().signal, operation: "list", path: root, key: "" };
const object = (name: string): GcsObject => ({ name, size: 1, generation: "1", metageneration: "1" });

async function rejection(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => undefined, (error) => error);
  assert.ok(error instanceof SyncError, `${error}`);
  return error;
}

/** A client whose listings are these pages, by number. */
function paged(page: (number: number) => GcsPage): GcsClient {
  let count = 0;
  return { listPage: (_query: Query, _ask: ObjectContext) => Promise.resolve(page(count++)) } as unknown as GcsClient;
}

const endless: readonly (readonly [string, (number: number) => GcsPage, RegExp])[] = [
  ["pages that hold nothing", (n) => ({ items: [], prefixes: [], next: `t${n}` }), /1000 pages in a row hold nothing/],
  [
    "tokens that come again",
    (n) => ({ items: [object(`k${1000 + n}`)], prefixes: [], next: `t${n % 3}` }),
    /repeats a page/,
  ],
  ["names that come again", (n) => ({ items: [object(`k${n % 2}`)], prefixes: [], next: `t${n}` }), /repeats names/],
  ["a token of megabytes", () => ({ items: [object("k")], prefixes: [], next: "t".repeat(1 << 20) }), /too long/],
];

for (const [name, page, message] of endless) {
  Deno.test(`children() and walk() end at ${name}`, async () => {
    assert.match((await rejection(list(paged(page), spot))).message, message);
    assert.match((await rejection(Array.fromAsync(walk(paged(page), spot)))).message, message);
  });
}

Deno.test("children() ends at a folder whose names take more than 64 MiB", async () => {
  const page = (n: number): GcsPage => {
    const items = Array.from(
      { length: 1000 },
      (_, i) => object(`k${String(n * 1000 + i).padStart(9, "0")}${"x".repeat(1000)}`),
    );
    return { items, prefixes: [], next: `t${n}` };
  };
  assert.match((await rejection(list(paged(page), spot))).message, /more than 64 MiB/);
});

/** A reply with this content, whatever its headers say. */
function reply(content: string, headers: Record<string, string> = {}): HttpResponse {
  let left = utf8(content);
  return {
    status: 200,
    headers: { "content-length": String(content.length), ...headers },
    read: (into) => {
      const part = left.subarray(0, into.length);
      left = left.subarray(part.length);
      into.set(part);
      return Promise.resolve(part.length === 0 ? undefined : into.subarray(0, part.length));
    },
    abandon: () => {},
    readAll: () => Promise.resolve(left),
    discard: () => Promise.resolve(),
    chunks: async function* () {},
  };
}

const nested: Readonly<Record<string, string>> = {
  "lists that are too deep": "[".repeat(200_000) + "]".repeat(200_000),
  "objects without end": `[${"{},".repeat(200_000)}{}]`,
  "lists in a text that does not end": `["\\"[[[${"[".repeat(100)}`,
};

for (const [name, text] of Object.entries(nested)) {
  Deno.test(`parsed() refuses ${name}`, async () => {
    assert.match((await rejection(parseReply(reply(text), spot, (value) => value))).message, /cannot be understood/);
  });
}

Deno.test("parsed() counts no brackets in texts", async () => {
  const value = { a: '[{"\\'.repeat(100), b: [["x"]] };
  assert.deepEqual(await parseReply(reply(JSON.stringify(value)), spot, (found) => found), value);
});

function reading(content: string, expect: FileEntry, headers: Record<string, string> = {}) {
  const api = {
    uri: () => "/",
    sendForSuccess: () => Promise.resolve(reply(content, headers)),
  } as unknown as GcsClient;
  let unchecked = 0;
  const onUnchecked = () => void unchecked++;
  const work = readObject(api, {
    ...spot,
    path: expect.path,
    key: "f",
    expect,
    pieces: new Semaphore(1),
    onUnchecked,
  });
  return { work, unchecked: () => unchecked };
}

const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const file: FileEntry = { kind: "file", path: toRelPath("f"), size: 5, revision: "1" };

Deno.test("readObject() holds content against the checksum of the listing, whatever the reply says of itself", async () => {
  const own = { "x-goog-hash": `md5=${createHash("md5").update("wrong").digest("base64")}` };
  const expect: FileEntry = { ...file, checksum: `md5:${md5("right")}` };
  assert.deepEqual(await collect(await reading("right", expect).work), utf8("right"));
  for (const headers of [{}, own]) {
    assert.match((await rejection(reading("wrong", expect, headers).work)).message, /damaged/);
  }
});

Deno.test("readObject() says that a content without any checksum was not checked", async () => {
  const bare = reading("right", file);
  await bare.work;
  assert.equal(bare.unchecked(), 1);
  const told = reading("right", file, { "x-goog-hash": `md5=${createHash("md5").update("right").digest("base64")}` });
  await told.work;
  assert.equal(told.unchecked(), 0);
});

Deno.test("readObject() takes no more bytes than the object has, and no fewer", async () => {
  const large: FileEntry = { ...file, size: 300_000 };
  for (const length of [299_999, 300_001]) {
    const { work } = reading("x".repeat(length), large, { "content-length": "300000" });
    assert.match((await rejection(collect(await work))).message, /more than the 300000|ended after 299999/);
  }
});
