import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "npm:fast-check@4.10.2";
import { compareKeys } from "../../../../lib/backends/shared/page_limit.ts";
import { root } from "../../../../lib/core/path.ts";
import { addLayers } from "../../../../lib/backends/layers/stack.ts";
import { errorResponse, type RecordedRequest, startSmallS3 } from "../../../support/servers/small_s3.ts";

const call = { signal: new AbortController().signal };
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Answers ListObjectsV2 for these keys as a store does, in pages of `most`. */
function lister(keys: readonly string[], most: number) {
  const sorted = keys.toSorted(byBytes);
  return ({ line, query }: RecordedRequest): Response | undefined => {
    if (line !== "GET /b/") return undefined;
    const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter")];
    const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
    const limit = Math.min(most, Number(query.get("max-keys") ?? most));
    const found = sorted.filter((key) => key.startsWith(prefix) && byBytes(key, after) > 0);
    const end = (key: string) => delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
    const names = found.map((key) => end(key) < 0 ? key : key.slice(0, end(key) + 1));
    const page = [...new Set(names)].slice(0, limit);
    const last = found.findLast((_, i) => names[i] === page.at(-1));
    const isMore = last !== undefined && last !== found.at(-1);
    const text = page.map((name) =>
      end(name) < 0
        ? `<Contents><Key>${encodeURIComponent(name)}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`
        : `<CommonPrefixes><Prefix>${encodeURIComponent(name)}</Prefix></CommonPrefixes>`
    );
    const next = isMore ? `<NextContinuationToken>${last}</NextContinuationToken>` : "";
    return new Response(
      `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${isMore}</IsTruncated>${next}${
        text.join("")
      }</ListBucketResult>`,
      { headers: { "content-type": "application/xml" } },
    );
  };
}

async function walked(keys: readonly string[], most: number): Promise<readonly string[]> {
  await using server = startSmallS3(lister(keys, most));
  await using backend = await server.open();
  const found = (await Array.fromAsync(backend.walk?.(root, call) ?? [])).flat();
  // A key with the name of a folder is none that a path can carry.
  return found.flatMap(({ kind, path }) => kind === "dir" ? [] : [path.replace(/\(empty\)$/, "")]);
}

const segment = fc.constantFrom("a", "b", "c0", "\u00e9", "\uff5e", "\u{1f600}", "\ue000", "z z");
const key = fc.tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.constantFrom("", "", "/")).map((
  [names, end],
) => names.join("/") + end);

Deno.test("walk() gives each key once, whatever the ranges it is listed in", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      async (keys, most) => {
        assert.deepEqual((await walked(keys, most)).toSorted(), keys.toSorted());
      },
    ),
    { numRuns: 60, seed: 7 },
  );
});

Deno.test("HG-04 walk() of 25 pages gives every key once, in whatever order names stand", async () => {
  const names = ["a", "\u{1f600}", "\uff5e", "\ue000", "z"];
  const keys = Array.from({ length: 2500 }, (_, i) => `${names[i % 5]}${i % 37}/${i}`);
  assert.deepEqual((await walked(keys, 100)).toSorted(), keys.toSorted());
});

Deno.test("HG-03 walk() of a key of 500 folders gives them all", async () => {
  const deep = Array.from({ length: 500 }, () => "d").join("/");
  assert.deepEqual(await walked([deep], 100), [deep]);
});

Deno.test("compareKeys() orders as UTF-8 bytes do", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
      assert.equal(Math.sign(compareKeys(a, b)), Math.sign(byBytes(a, b)));
    }),
    { seed: 7 },
  );
});

/** A store that gives these pages, one after the other, whatever else it is asked. */
function paged(...pages: readonly (readonly string[])[]) {
  return ({ line, query }: RecordedRequest): Response | undefined => {
    if (line !== "GET /b/" || query.get("delimiter") !== null) return undefined;
    const at = Number(query.get("continuation-token") ?? "0");
    const isMore = at + 1 < pages.length;
    const text = (pages[at] ?? []).map((key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`);
    const next = isMore ? `<NextContinuationToken>${at + 1}</NextContinuationToken>` : "";
    return new Response(
      `<ListBucketResult><IsTruncated>${isMore}</IsTruncated>${next}${text.join("")}</ListBucketResult>`,
      { headers: { "content-type": "application/xml" } },
    );
  };
}

Deno.test("walk() takes a page without keys for no end of a listing (C7)", async () => {
  await using server = startSmallS3(paged([], [], ["a", "b"]));
  await using backend = await server.open();
  const found = (await Array.fromAsync(backend.walk?.(root, call) ?? [])).flat();
  assert.deepEqual(found.map(({ path }) => path as string), ["a", "b"]);
});

Deno.test("walk() rejects a listing whose keys come in another order than that of their bytes (C7)", async () => {
  await using server = startSmallS3(paged(["b", "a"]));
  await using backend = await server.open();
  await assert.rejects(Array.fromAsync(backend.walk?.(root, call) ?? []), { kind: "unexpected", message: /order/ });
});

/** A reply whose connection breaks amid its body. */
function brokenReply(): Response {
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode("<ListBucketResult><IsTruncated>false")),
    pull: (controller) => controller.close(),
  });
  return new Response(body, { headers: { "content-length": "4000" } });
}

const failures: readonly (readonly [string, () => Response])[] = [
  ["500 InternalError", () => errorResponse(500, "InternalError")],
  ["503 without a code", () => new Response("busy", { status: 503 })],
  ["503 SlowDown", () => errorResponse(503, "SlowDown")],
  ["a connection that breaks amid the page", brokenReply],
];

for (const [what, fail] of failures) {
  Deno.test(`walk() and list() ask for each page once more after ${what}, the first and the ranges too`, async () => {
    const keys = ["a/1", "a/2", "b/1", "b/2", "c/1", "d"];
    const answer = lister(keys, 2);
    const seen = new Set<string>();
    await using server = startSmallS3((request) => {
      const { line, query } = request;
      if (line !== "GET /b/" || query.get("max-keys") === "1" || seen.has(`${query}`)) return answer(request);
      seen.add(`${query}`);
      return fail();
    });
    const instant = { firstDelay: 0, maxDelay: 0, random: () => 0, sleep: () => Promise.resolve() };
    await using bucket = await server.open();
    await using backend = addLayers(bucket, { retry: instant });
    const found = (await Array.fromAsync(backend.walk?.(root, call) ?? [])).flat();
    const files = found.filter(({ kind }) => kind === "file").map(({ path }) => path as string);
    assert.deepEqual(files.toSorted(), keys);
    assert.ok(seen.size >= 4, `${seen.size} pages failed once`);
    const children = (await backend.list(root, call)).map(({ path }) => path as string);
    assert.deepEqual(children.toSorted(), ["a", "b", "c", "d"]);
  });
}
