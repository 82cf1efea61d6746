import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openS3 } from "../../../../lib/backends/s3/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { pattern, wholeBody } from "../../../support/content.ts";
import { s3Target } from "../../../support/targets/s3_target.ts";
import { startRawServer } from "../../../support/servers/raw_http.ts";
import { errorResponse, listResponse, startSmallS3 } from "../../../support/servers/small_s3.ts";

const call = { signal: new AbortController().signal };
const f = toRelPath("f");

async function rejection(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => undefined, (error) => error);
  assert.ok(error instanceof SyncError, `${error}`);
  return error;
}

Deno.test("a look at an object leaves its connection for the next request, whatever length it tells", async () => {
  const ports = new Set<number>();
  await using server = startSmallS3(({ line, port }) => {
    ports.add(port);
    return line === "HEAD /b/f"
      ? new Response(null, { headers: { "content-length": "5000000", etag: '"e-2"' } })
      : undefined;
  });
  await using backend = await server.open();
  for (let i = 0; i < 5; i++) {
    const found = await backend.stat(f, call);
    assert.ok(found?.kind === "file" && found.size === 5_000_000);
  }
  assert.equal(ports.size, 1);
});

Deno.test("stat() takes an object whose size the store does not tell for no empty one", async () => {
  const page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
  await using server = startRawServer(async ({ request, send }) => {
    for (let asked = await request(); asked !== undefined; asked = await request()) {
      const isHead = asked.startsWith("HEAD /b/f ");
      await send(
        isHead
          ? 'HTTP/1.1 200 OK\r\netag: "e"\r\n\r\n'
          : `HTTP/1.1 200 OK\r\ncontent-length: ${page.length}\r\n\r\n${page}`,
      );
    }
  });
  const target = s3Target({ port: server.port, accessKey: "AK", secretKey: "SK" }, { bucket: "b" });
  await using backend = await openS3(target, call);
  const { kind, message } = await rejection(backend.stat(f, call));
  assert.equal(kind, "unexpected");
  assert.match(message, /does not report its size/);
});

Deno.test("write() signs a small body where nothing hides it, and of a large one its MD5", async () => {
  await using server = startSmallS3(({ line }) => line === "PUT /b/f" ? new Response() : undefined);
  await using backend = await server.open();
  for (const size of [0, 1000, 256 * 1024, 256 * 1024 + 1]) {
    const bytes = pattern(size);
    await backend.write(f, wholeBody(bytes), { ...call, size, modified: 1500 });
    const headers = server.requests.at(-1)?.headers;
    const sum = createHash("sha256").update(bytes).digest("hex");
    assert.equal(headers?.get("x-amz-content-sha256"), size > 256 * 1024 ? "UNSIGNED-PAYLOAD" : sum);
    assert.equal(headers.get("content-md5"), createHash("md5").update(bytes).digest("base64"));
    assert.equal(headers.get("x-amz-meta-mtime"), "1.5");
    assert.match(
      headers.get("authorization") ?? "",
      /SignedHeaders=content-md5;[a-z0-9;-]*host;x-amz-content-sha256;x-amz-date;x-amz-meta-mtime,/,
    );
  }
});

Deno.test("what users ask of everything that is written goes with it, and the agreement to pay with every request", async () => {
  await using server = startSmallS3(({ line }) => line === "PUT /b/f" ? new Response() : undefined);
  await using backend = await server.open({
    ...{ StorageClass: "STANDARD_IA", Acl: "public-read", CacheControl: "max-age=60" },
    ...{ ServerSideEncryption: "AES256", RequesterPays: "true" },
  });
  await backend.write(f, wholeBody(pattern(3)), { ...call, size: 3, modified: 0, expect: "absent" });
  const put = server.requests.find(({ line }) => line.startsWith("PUT"))?.headers;
  assert.deepEqual(
    ["x-amz-storage-class", "x-amz-acl", "cache-control", "x-amz-server-side-encryption"].map((one) => put?.get(one)),
    ["STANDARD_IA", "public-read", "max-age=60", "AES256"],
  );
  for (const { headers } of server.requests) assert.equal(headers.get("x-amz-request-payer"), "requester");
});

Deno.test("setModified() says again what the object had, and what it had beside the time", async () => {
  const had = {
    "content-type": "text/x",
    "cache-control": "no-cache",
    "x-amz-storage-class": "GLACIER_IR",
    "x-amz-meta-a": "b",
    "x-amz-meta-mtime": "1",
  };
  await using server = startSmallS3(({ line }) => {
    if (line === "HEAD /b/f%20%C3%BC") return new Response(null, { headers: { ...had, etag: '"e"' } });
    return line === "PUT /b/f%20%C3%BC"
      ? new Response("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
      : undefined;
  });
  await using backend = await server.open({ StorageClass: "STANDARD" });
  await backend.setModified?.(toRelPath("f ü"), 2000, call);
  const copy = server.requests.find(({ line }) => line.startsWith("PUT"))?.headers;
  const wanted = {
    ...had,
    "x-amz-meta-mtime": "2",
    "x-amz-copy-source": "b/f%20%C3%BC",
    "x-amz-copy-source-if-match": '"e"',
    "x-amz-metadata-directive": "REPLACE",
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(copy?.get(name), value, name);
});

for (
  const [name, body, kind] of [
    ["an error", errorResponse(200, "AccessDenied"), "denied"],
    ["a failure that passes", errorResponse(200, "InternalError"), "connection"],
    ["a failure of no known name", errorResponse(200, "SomethingNew"), "connection"],
    ["nothing", new Response(""), "connection"],
    ["half an answer", new Response("<CopyObjectResult><ETag>"), "unexpected"],
  ] as const
) {
  Deno.test(`setModified() takes success with ${name} behind it for no success`, async () => {
    await using server = startSmallS3(({ line }) =>
      line === "HEAD /b/f" ? new Response(null, { headers: { etag: '"e"' } }) : line === "PUT /b/f" ? body : undefined
    );
    await using backend = await server.open();
    assert.equal((await rejection(backend.setModified?.(f, 2000, call) ?? Promise.resolve())).kind, kind);
  });
}

Deno.test("walk() gives keys as they are called, and refuses a page whose sizes or XML make no sense", async () => {
  let page = listResponse(
    ["%FF", "a%2Bb+c%25", "%C3%BC"],
    "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>",
  );
  await using server = startSmallS3(({ query }) => query.has("max-keys") ? undefined : page);
  await using backend = await server.open();
  const walked = async () => (await Array.fromAsync(backend.walk?.(root, call) ?? [])).flat();
  assert.deepEqual((await walked()).map(({ path, kind }) => [path, kind]), [
    ["%FF\ufffd", "opaque"],
    ["a+b c%", "file"],
    ["ü", "file"],
  ]);
  for (
    const text of [
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>",
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>0</Size></Contents></ListBucketResult>",
      '<!DOCTYPE x [<!ENTITY k "a">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>",
    ]
  ) {
    page = new Response(text);
    const { kind, message } = await rejection(walked());
    assert.equal(kind, "unexpected");
    assert.match(message, /^Cannot list [^\n]*cannot be parsed/);
  }
});
