import assert from "node:assert/strict";
import { retry } from "../../../../lib/backends/layers/retry.ts";
import { type ErrorKind, exitCodes, SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { collect, pattern, wholeBody } from "../../../support/content.ts";
import { errorResponse, listResponse, startSmallS3 } from "../../../support/servers/small_s3.ts";

const call = { signal: new AbortController().signal };
const f = toRelPath("f");

async function rejection(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => undefined, (error) => error);
  assert.ok(error instanceof SyncError, `${error}`);
  return error;
}

const refusals: readonly (readonly [number, string, Record<string, string>, ErrorKind, RegExp])[] = [
  [403, "InvalidAccessKeyId", {}, "auth", /does not know the access key/],
  [403, "SignatureDoesNotMatch", {}, "auth", /secret does not match/],
  [400, "ExpiredToken", {}, "auth", /log in again/],
  [400, "ExpiredToken", { "x-amz-bucket-region": "us-east-1" }, "auth", /log in again/],
  [403, "RequestTimeTooSkewed", {}, "auth", /clock is wrong/],
  [403, "AccessDenied", {}, "denied", /permission denied/],
  [404, "NoSuchBucket", {}, "notFound", /no such bucket/],
  [301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" }, "connection", /write -Region eu-west-1$/],
  [400, "AuthorizationHeaderMalformed", { "x-amz-bucket-region": "eu-west-1" }, "connection", /-Region eu-west-1$/],
  [503, "SlowDown", {}, "connection", /fewer requests/],
  [500, "InternalError", {}, "connection", /the store failed/],
  [400, "SomethingNew", {}, "unexpected", /SomethingNew/],
];

for (const [status, code, headers, kind, message] of refusals) {
  const where = Object.values(headers).map((region) => ` of a bucket in ${region}`).join();
  Deno.test(`openS3() says in one sentence what ${status} ${code}${where} means: ${kind}`, async () => {
    await using server = startSmallS3(() => errorResponse(status, code, headers));
    const error = await rejection(server.open());
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    assert.match(error.message, /^Cannot open s3:\/\/127\.0\.0\.1:\d+\/b: [^\n]*$/);
    assert.ok([1, 4, 5].includes(exitCodes[kind]));
    assert.equal(error.facts.transient ?? false, status >= 500, "transient");
  });
}

Deno.test("a store that asks for fewer requests is left alone for as long as it says", async () => {
  let calls = 0;
  await using server = startSmallS3(({ line }) => {
    if (line !== "HEAD /b/f" || ++calls > 1) return undefined;
    return errorResponse(503, "SlowDown", { "retry-after": "7" });
  });
  await using backend = await server.open();
  const { kind, facts } = await rejection(backend.stat(f, call));
  assert.deepEqual([kind, facts.transient, facts.retryAfter], ["busy", true, 7000]);
  assert.equal(await backend.stat(f, call), undefined);
});

Deno.test("SE-16 no request follows a redirect, so that no signature goes elsewhere", async () => {
  await using elsewhere = startSmallS3(() => undefined);
  await using server = startSmallS3(() =>
    new Response(null, { status: 307, headers: { location: `http://127.0.0.1:${elsewhere.port}/b/` } })
  );
  await rejection(server.open());
  assert.deepEqual([server.requests.length, elsewhere.requests.length], [1, 0]);
});

Deno.test("SE-18 an error shows no token, no signature and no query", async () => {
  await using server = startSmallS3(() => errorResponse(403, "AccessDenied"));
  const error = await rejection(server.open({ Timeout: "5000" }));
  const told = `${error.message} ${error.stack} ${Deno.inspect(error)}`;
  assert.ok(server.requests[0]?.headers.get("authorization")?.includes("Signature="));
  for (const secret of ["SK", "Signature", "X-Amz", "list-type"]) assert.ok(!told.includes(secret), secret);
});

for (const more of ["<IsTruncated>true</IsTruncated>", "<IsTruncated>true</IsTruncated><NextContinuationToken/>"]) {
  Deno.test(`walk() rejects where a page says that more follows and not how: ${more}`, async () => {
    await using server = startSmallS3(({ query }) =>
      query.has("max-keys") ? undefined : listResponse(["a", "b"], more)
    );
    await using backend = await server.open();
    assert.match(
      (await rejection(Array.fromAsync(backend.walk?.(root, call) ?? []))).message,
      /ended its listing early/,
    );
    assert.match((await rejection(backend.list(root, call))).message, /ended its listing early/);
  });
}

for (const word of ["True", "1", "", "yes"]) {
  Deno.test(`walk() takes no page for the last one that says "${word}" of whether more follows (C7)`, async () => {
    const more = `<IsTruncated>${word}</IsTruncated><NextContinuationToken>x</NextContinuationToken>`;
    await using server = startSmallS3(({ query }) => query.has("max-keys") ? undefined : listResponse(["a"], more));
    await using backend = await server.open();
    assert.match((await rejection(Array.fromAsync(backend.walk?.(root, call) ?? []))).message, /is no listing/);
    assert.match((await rejection(backend.list(root, call))).message, /is no listing/);
  });
}

for (
  const elsewhere of [
    "<Contents><Key>other/x</Key><Size>1</Size></Contents>",
    "<CommonPrefixes><Prefix>other/x/</Prefix></CommonPrefixes>",
    "<CommonPrefixes><Prefix>data/x</Prefix></CommonPrefixes>",
    "<CommonPrefixes><Prefix>data/</Prefix></CommonPrefixes>",
    "<Contents><Key>data</Key><Size>1</Size></Contents>",
  ]
) {
  Deno.test(`a listing of data/ with ${elsewhere} in it is believed nowhere`, async () => {
    const body = `<ListBucketResult><IsTruncated>false</IsTruncated>${elsewhere}</ListBucketResult>`;
    await using server = startSmallS3(({ query }) => query.has("max-keys") ? undefined : new Response(body));
    await using bucket = await server.open();
    const backend = await bucket.withRoot("/data", call);
    const walked = Array.fromAsync(backend.walk?.(root, call) ?? []);
    assert.match((await rejection(walked)).message, /lists keys outside of the requested prefix/);
    assert.match((await rejection(backend.list(root, call))).message, /lists keys outside of the requested prefix/);
  });
}

Deno.test("a look at a folder ends where the store answers with one empty page again and again", async () => {
  let pages = 0;
  const more = "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>";
  await using server = startSmallS3(({ query }) =>
    query.get("prefix") === "x/" ? listResponse([], ++pages < 20 ? more : undefined) : undefined
  );
  await using backend = await server.open();
  assert.match((await rejection(backend.stat(toRelPath("x"), call))).message, /ended its listing early/);
});

Deno.test("walk() rejects when a later page fails, and gives no part as the whole", async () => {
  await using server = startSmallS3(({ query }) => {
    if (query.has("max-keys")) return undefined;
    if (query.has("start-after")) return errorResponse(403, "AccessDenied");
    return listResponse(["a"], "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>");
  });
  await using backend = await server.open();
  assert.equal((await rejection(Array.fromAsync(backend.walk?.(root, call) ?? []))).kind, "denied");
});

Deno.test("walk() takes a page that is no XML for a failure, never for an empty bucket", async () => {
  for (const body of ["", "<html>login</html>", "<ListBucketResult><Contents>"]) {
    await using server = startSmallS3(({ query }) => query.has("max-keys") ? undefined : new Response(body));
    await using backend = await server.open();
    await rejection(Array.fromAsync(backend.walk?.(root, call) ?? []));
  }
});

Deno.test("DL-06 content that has not the ETag's MD5 is thrown away and fetched once more", async () => {
  const wanted = "the right content";
  let damaged = 1;
  await using server = startSmallS3(({ line }) => {
    if (line !== "GET /b/f") return undefined;
    const text = damaged-- > 0 ? wanted.replace("r", "R") : wanted;
    return new Response(text, { headers: { etag: ETAG } });
  });
  await using backend = await server.open();
  assert.equal((await rejection(backend.read(f, call))).facts.transient, true);
  damaged = 2;
  const patient = retry({ attempts: 5, firstDelay: 0, maxDelay: 0, random: () => 0, sleep: () => Promise.resolve() })(
    backend,
  );
  assert.equal(new TextDecoder().decode(await collect(await patient.read(f, call))), wanted);
});

Deno.test("DL-06 a large content that has not the ETag's MD5 ends in an error, not in a file", async () => {
  const bytes = pattern(600_000);
  await using server = startSmallS3(({ line }) =>
    line === "GET /b/f" ? new Response(bytes, { headers: { etag: ETAG } }) : undefined
  );
  await using backend = await server.open();
  assert.equal((await rejection(collect(await backend.read(f, call)).then(() => undefined))).kind, "changed");
});

Deno.test("VP-06 an ETag of parts or of an encrypted object is no MD5, neither for reading nor as a checksum", async () => {
  for (
    const headers of [{ etag: ETAG.replace(/"$/, '-3"') }, { etag: ETAG, "x-amz-server-side-encryption": "aws:kms" }]
  ) {
    await using server = startSmallS3(({ line }) =>
      line.endsWith(" /b/f")
        ? new Response(line.startsWith("HEAD") ? null : "other", { headers: { ...headers, "content-length": "5" } })
        : undefined
    );
    await using backend = await server.open();
    assert.equal((await collect(await backend.read(f, call))).length, 5);
    assert.equal(await backend.checksum?.({ kind: "file", path: f, size: 5 }, ["sha256", "md5"], call), undefined);
  }
});

Deno.test("write() takes 200 with an error inside for the failure of an upload, and leaves no parts", async () => {
  await using server = startSmallS3(({ line, query }) => {
    if (line === "POST /b/f" && query.has("uploads")) {
      return new Response("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>");
    }
    if (line === "PUT /b/f") return new Response(null, { headers: { etag: '"p-1"' } });
    if (line === "POST /b/f") return errorResponse(200, "AccessDenied");
    if (line === "DELETE /b/f") return new Response(null, { status: 204 });
    return undefined;
  });
  await using backend = await server.open({ PartSize: "5" });
  const bytes = pattern(6 << 20);
  const error = await rejection(
    backend.write(f, wholeBody(bytes), { ...call, size: bytes.length, tag: "0011223344556677" }),
  );
  assert.equal(error.kind, "denied", error.message);
  assert.deepEqual(server.requests.at(-1)?.line, "DELETE /b/f");
});

Deno.test("write() notices that the store has stored something else", async () => {
  await using server = startSmallS3(({ line }) =>
    line === "PUT /b/f" ? new Response(null, { headers: { etag: ETAG } }) : undefined
  );
  await using backend = await server.open();
  const error = await rejection(backend.write(f, wholeBody("x"), { ...call, size: 1 }));
  assert.deepEqual([error.kind, error.facts.transient], ["connection", true]);
});

Deno.test("write() looks before each write where the store ignores conditions", async () => {
  const objects = new Set<string>();
  await using server = startSmallS3(({ line }) => {
    const [method, path = ""] = line.split(" ");
    if (method === "HEAD" && objects.has(path)) return new Response(null, { headers: { etag: '"x-1"' } });
    if (method !== "PUT") return undefined;
    objects.add(path);
    return new Response(null, { headers: { etag: '"x-1"' } });
  });
  await using backend = await server.open();
  const write = (name: string) =>
    backend.write(toRelPath(name), wholeBody("x"), { ...call, size: 1, modified: 0, expect: "absent" });
  await write("a");
  await write("b");
  objects.add("/b/c");
  assert.equal((await rejection(write("c"))).kind, "changed");
  const lines = server.requests.map(({ line }) => line);
  assert.ok(lines.indexOf("HEAD /b/b") < lines.indexOf("PUT /b/b"));
  assert.ok(!lines.includes("PUT /b/c"));
});

Deno.test("a store that says nothing ends every call in bounded time", async () => {
  const never = Promise.withResolvers<void>();
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const links: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const link of silent) links.push(link);
  })();
  const { s3Target } = await import("../../../support/targets/s3_target.ts");
  const { openS3 } = await import("../../../../lib/backends/s3/mod.ts");
  const target = s3Target({ port: silent.addr.port, accessKey: "AK", secretKey: "SK" }, {
    bucket: "b",
    options: { Timeout: "300" },
  });
  assert.equal((await rejection(openS3(target, call))).kind, "timeout");
  for (const link of links) link.close();
  silent.close();
  never.resolve();
  await accepting;
});

/** The MD5 of "the right content". */
const ETAG = '"af2d6ecb8107bb252800fa0067c4c6c3"';
