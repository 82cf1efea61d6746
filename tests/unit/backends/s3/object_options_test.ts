import assert from "node:assert/strict";
import { assertKnownStorageClass, isAmazon, parseObjectOptions } from "../../../../lib/backends/s3/object_options.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { pattern, wholeBody } from "../../../support/content.ts";
import { errorResponse, listResponse, type RecordedRequest, startSmallS3 } from "../../../support/servers/small_s3.ts";

const call = { signal: new AbortController().signal };
const f = toRelPath("f");
const options = {
  StorageClass: "STANDARD_IA",
  Acl: "public-read",
  CacheControl: "max-age=3600",
  ServerSideEncryption: "AES256",
  RequesterPays: "true",
  PartSize: "5",
};

/** Of a request: what the options ask for. */
function manners({ headers }: RecordedRequest): Readonly<Record<string, string | null>> {
  const names = {
    class: "x-amz-storage-class",
    acl: "x-amz-acl",
    cache: "cache-control",
    encryption: "x-amz-server-side-encryption",
    payer: "x-amz-request-payer",
  };
  return Object.fromEntries(Object.entries(names).map(([name, header]) => [name, headers.get(header)]));
}

/** A server that takes everything, and has one object. */
function obliging() {
  return startSmallS3(({ line, query }) => {
    if (line === "GET /b/") return listResponse();
    if (line === "HEAD /b/f") {
      return new Response(null, {
        headers: { etag: '"x-2"', "cache-control": "max-age=60", "content-length": "6291456" },
      });
    }
    if (line === "POST /b/f" && query.has("uploads")) {
      return new Response("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>");
    }
    if (line === "POST /b/f") {
      return new Response("<CompleteMultipartUploadResult><ETag>x-2</ETag></CompleteMultipartUploadResult>");
    }
    if (line === "PUT /b/f") {
      return new Response("<CopyObjectResult><ETag>x-1</ETag></CopyObjectResult>", { headers: { etag: '"x-1"' } });
    }
    return line.startsWith("DELETE") ? new Response(null, { status: 204 }) : undefined;
  });
}

const ALL = {
  class: "STANDARD_IA",
  acl: "public-read",
  cache: "max-age=3600",
  encryption: "AES256",
  payer: "requester",
};
const NONE = { class: null, acl: null, cache: null, encryption: null };

Deno.test("write() of a small file says all that the options ask of an object", async () => {
  await using server = obliging();
  await using backend = await server.open(options);
  await backend.write(f, wholeBody("x"), { ...call, size: 1, modified: 0 });
  const put = server.requests.find(({ line }) => line === "PUT /b/f");
  assert.deepEqual(put && manners(put), ALL);
});

Deno.test("write() in parts says it where the upload begins, and of its parts only who pays", async () => {
  await using server = obliging();
  await using backend = await server.open(options);
  const bytes = pattern(6 << 20);
  await backend.write(f, wholeBody(bytes), { ...call, size: bytes.length });
  const begun = server.requests.find(({ line, query }) => line === "POST /b/f" && query.has("uploads"));
  assert.deepEqual(begun && manners(begun), ALL);
  const parts = server.requests.filter(({ query }) => query.has("partNumber"));
  assert.equal(parts.length, 2);
  for (const part of parts) assert.deepEqual(manners(part), { ...NONE, payer: "requester" });
});

Deno.test("setModified() keeps what the object has, and says the rest anew", async () => {
  await using server = obliging();
  await using backend = await server.open(options);
  await backend.setModified?.(f, 0, call);
  const copy = server.requests.find(({ line }) => line === "PUT /b/f");
  assert.deepEqual(copy && manners(copy), { ...ALL, cache: "max-age=60" });
});

Deno.test("-RequesterPays goes with every request, and without options nothing does", async () => {
  for (const [given, payer] of [[options, "requester"], [{ PartSize: "5" }, null]] as const) {
    await using server = obliging();
    await using backend = await server.open(given);
    await backend.list(root, call);
    await backend.stat(f, call);
    await backend.write(f, wholeBody("x"), { ...call, size: 1, modified: 0 });
    await backend.remove({ kind: "file", path: f, size: 6 << 20 }, call);
    const methods = new Set(server.requests.map(({ line }) => line.slice(0, line.indexOf(" "))));
    assert.deepEqual([...methods].toSorted(), ["DELETE", "GET", "HEAD", "PUT"]);
    for (const asked of server.requests) assert.equal(manners(asked)["payer"], payer, asked.line);
    const put = server.requests.find(({ line }) => line === "PUT /b/f");
    assert.deepEqual(put && manners(put), payer === null ? { ...NONE, payer } : ALL);
  }
});

Deno.test("toManners() refuses what no header carries", () => {
  for (
    const [name, value] of [["CacheControl", "a\r\nx-amz-acl: public-read"], ["CacheControl", "ä"], [
      "CacheControl",
      "",
    ], ["StorageClass", "A B"]] as const
  ) {
    assert.throws(() => parseObjectOptions({ [name]: value }), {
      kind: "badInput",
      message: new RegExp(`^-${name} is one `),
    });
  }
  assert.equal(parseObjectOptions({ CacheControl: "no-cache, max-age=0" }).cacheControl, "no-cache, max-age=0");
});

Deno.test("mustBeKnown() refuses a storage class that Amazon does not have, and lets other stores name theirs", () => {
  const manners = parseObjectOptions({ StorageClass: "standard_ia" });
  for (const endpoint of [undefined, new URL("https://s3.eu-west-1.amazonaws.com")]) {
    assert.ok(isAmazon(endpoint));
    assert.throws(() => assertKnownStorageClass(manners, endpoint), {
      kind: "badInput",
      message: /takes STANDARD, STANDARD_IA/,
    });
    assertKnownStorageClass(parseObjectOptions(options), endpoint);
    assertKnownStorageClass(parseObjectOptions({}), endpoint);
  }
  assertKnownStorageClass(manners, new URL("https://fra1.digitaloceanspaces.com"));
});

for (
  const [code, message] of [["InvalidStorageClass", /no such storage class/], [
    "AccessControlListNotSupported",
    /leave -Acl out/,
  ]] as const
) {
  Deno.test(`write() says in one sentence what 400 ${code} means`, async () => {
    await using server = startSmallS3(({ line }) => line === "PUT /b/f" ? errorResponse(400, code) : undefined);
    await using backend = await server.open(options);
    await assert.rejects(backend.write(f, wholeBody("x"), { ...call, size: 1, modified: 0 }), {
      kind: "badInput",
      message,
    });
  });
}
