import assert from "node:assert/strict";
import { openS3 } from "../../../../lib/backends/s3/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { collect, pattern, wholeBody } from "../../../support/content.ts";
import { errorResponse, type RecordedRequest, startSmallS3 } from "../../../support/servers/small_s3.ts";
import { s3Target } from "../../../support/targets/s3_target.ts";

const call = { signal: new AbortController().signal };
const conditions = ["if-match", "if-none-match", "x-amz-copy-source-if-match"];
const refusals = [[501, "NotImplemented"], [400, "InvalidArgument"], [400, "InvalidRequest"], [501, ""]] as const;

/** A store of one-byte objects that refuses every condition in this way. */
function refusingStore(status: number, code: string) {
  const objects = new Map<string, string>();
  let writes = 0;
  const answer = ({ line, headers, query }: RecordedRequest): Response | undefined => {
    const [method, key = ""] = line.split(" ");
    if (conditions.some((name) => headers.has(name))) {
      return code === "" ? new Response(null, { status }) : errorResponse(status, code);
    }
    if (method === "POST" && query.has("uploads")) {
      return new Response("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>");
    }
    if (method === "PUT" && query.has("partNumber")) return new Response(null, { headers: { etag: '"p-1"' } });
    if (method === "PUT" || (method === "POST" && query.has("uploadId"))) {
      objects.set(key, `"v${++writes}-1"`);
      const etag = objects.get(key) ?? "";
      const text = headers.has("x-amz-copy-source")
        ? `<CopyObjectResult><ETag>${etag}</ETag></CopyObjectResult>`
        : null;
      return new Response(method === "POST" ? `<R><ETag>${etag}</ETag></R>` : text, { headers: { etag } });
    }
    const etag = objects.get(key);
    if (etag === undefined || !["GET", "HEAD"].includes(method ?? "")) return undefined;
    return new Response(method === "GET" ? "x" : null, { headers: { etag, "content-length": "1" } });
  };
  return { objects, answer };
}

async function opened(port: number) {
  const warnings: string[] = [];
  const target = {
    ...s3Target({ port, accessKey: "AK", secretKey: "SK" }, { bucket: "b" }),
    warn: (text: string) => void warnings.push(text),
  };
  return { warnings, backend: await openS3(target, call) };
}

for (const [status, code] of refusals) {
  Deno.test(`S3: a store that answers conditions with ${status} ${code} is written after a check, noted once`, async () => {
    const { answer, objects } = refusingStore(status, code);
    await using server = startSmallS3(answer);
    const { backend, warnings } = await opened(server.port);
    await using _ = backend;
    const write = (name: string, expect: Parameters<typeof backend.write>[2]["expect"]) =>
      backend.write(toRelPath(name), wholeBody("x"), {
        ...call,
        size: 1,
        modified: 0,
        ...(expect === undefined ? {} : { expect }),
      });
    await write("a", "absent");
    const first = await backend.stat(toRelPath("a"), call);
    assert.ok(first?.kind === "file");
    await write("a", first);
    await write("b", "absent");
    assert.equal(warnings.length, 1, warnings.join("\n"));
    assert.match(warnings.join(), /^s3:\/\/[^ ]+ refuses If-Match and If-None-Match: [^\n]+$/);
    const sent = server.requests.filter(({ line, headers }) =>
      line === "PUT /b/b" && conditions.some((name) => headers.has(name))
    );
    assert.equal(sent.length, 0, "what a store refused is not sent again");
    objects.set("/b/c", '"other-1"');
    const before = server.requests.length;
    await assert.rejects(write("c", "absent"), { kind: "changed" });
    await assert.rejects(write("a", first), { kind: "changed" });
    assert.ok(!server.requests.slice(before).some(({ line }) => line.startsWith("PUT ")));
  });

  Deno.test(`S3: a store that answers conditions with ${status} ${code} is read, and copied in, all the same`, async () => {
    const { answer, objects } = refusingStore(status, code);
    await using server = startSmallS3(answer);
    const { backend } = await opened(server.port);
    await using _ = backend;
    const a = toRelPath("a");
    objects.set("/b/a", '"v0-1"');
    const entry = await backend.stat(a, call);
    assert.ok(entry?.kind === "file");
    assert.equal((await collect(await backend.read(a, { ...call, expect: entry }))).length, 1);
    await backend.setModified?.(a, 1000, call);
    assert.equal(objects.get("/b/a"), '"v1-1"');
    await assert.rejects(async () => await collect(await backend.read(a, { ...call, expect: entry })), {
      kind: "changed",
    });
  });
}

Deno.test("S3: a copy in a store that refuses conditions takes no object that came in between", async () => {
  const { answer, objects } = refusingStore(501, "NotImplemented");
  await using server = startSmallS3((request) => {
    const reply = answer(request);
    if (request.headers.has("x-amz-copy-source")) objects.set("/b/a", '"other-1"');
    return reply;
  });
  const { backend } = await opened(server.port);
  await using _ = backend;
  objects.set("/b/a", '"v0-1"');
  await assert.rejects(async () => await backend.setModified?.(toRelPath("a"), 1000, call), { kind: "changed" });
});

Deno.test("S3: what a store refuses for another reason is reported, and teaches nothing about conditions", async () => {
  await using server = startSmallS3(({ line }) =>
    line.startsWith("PUT ") ? errorResponse(501, "NotImplemented") : undefined
  );
  const { backend, warnings } = await opened(server.port);
  await using _ = backend;
  const error = await backend.write(toRelPath("a"), wholeBody("x"), { ...call, size: 1, expect: "absent" })
    .then(() => undefined, (error) => error);
  assert.ok(error instanceof SyncError && error.kind === "unsupported", `${error}`);
  assert.deepEqual(warnings, []);
});

Deno.test("S3: an upload in parts is completed after a check where only single writes take conditions", async () => {
  const size = 6 << 20;
  const objects = new Set<string>();
  await using server = startSmallS3(({ line, query, headers }) => {
    const [method, key = ""] = line.split(" ");
    if (method === "POST" && query.has("uploads")) return new Response("<R><UploadId>u1</UploadId></R>");
    if (method === "HEAD" && objects.has(key)) {
      return new Response(null, { headers: { etag: '"v-1"', "content-length": `${key === "/b/large" ? size : 1}` } });
    }
    if (method === "PUT" && headers.has("if-none-match") && objects.has(key)) {
      return errorResponse(412, "PreconditionFailed");
    }
    if (method === "POST" && headers.has("if-none-match")) return errorResponse(501, "NotImplemented");
    if (method === "PUT" || method === "POST") {
      if (!query.has("partNumber")) objects.add(key);
      return new Response(method === "POST" ? "<R/>" : null, { headers: { etag: '"v-1"' } });
    }
    return undefined;
  });
  await using backend = await server.open({ PartSize: "5" });
  const write = (name: string, size: number) =>
    backend.write(toRelPath(name), wholeBody(pattern(size)), { ...call, size, expect: "absent" });
  await write("small", 1);
  await write("large", size);
  const ends = server.requests.filter(({ line, query }) => line === "POST /b/large" && query.has("uploadId"));
  assert.deepEqual(ends.map(({ headers }) => headers.has("if-none-match")), [true, false]);
  const looks = server.requests.filter(({ line }) => line === "HEAD /b/large");
  assert.equal(looks.length, 4, "before the upload, before its end, again without the condition, and afterwards");
});
