import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { SyncError } from "../../../../lib/core/errors.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { pattern, wholeBody } from "../../../support/content.ts";
import { errorResponse, startSmallS3 } from "../../../support/servers/small_s3.ts";

const call = { signal: new AbortController().signal };
const DAY_MS = 86_400_000;

/** An unfinished upload of the key: who began it, and how many days ago its only part came. */
interface Left {
  readonly id: string;
  readonly by?: string;
  readonly days?: number;
}

/** A store with these uploads of "f" behind it; what it is asked to drop. */
function storeWith(left: readonly Left[], writer: string | undefined) {
  const uploads = [...left];
  const dropped: string[] = [];
  const timeOf = ({ days }: Left) => days === undefined ? "" : new Date(Date.now() - days * DAY_MS).toISOString();
  const server = startSmallS3(({ line, query }) => {
    if (line === "GET /b/" && query.has("uploads")) {
      const all = uploads.map((one) =>
        `<Upload><Key>f</Key><UploadId>${one.id}</UploadId>` +
        (one.by === undefined ? "" : `<Initiator><ID>${one.by}</ID></Initiator>`) +
        (one.days === undefined ? "" : `<Initiated>${timeOf(one)}</Initiated>`) + "</Upload>"
      );
      return new Response(`<ListMultipartUploadsResult>${all.join("")}</ListMultipartUploadsResult>`);
    }
    if (line === "GET /b/f") {
      const one = uploads.find(({ id }) => id === query.get("uploadId"));
      const modified = one?.days === undefined ? "" : `<LastModified>${timeOf(one)}</LastModified>`;
      return new Response(
        `<ListPartsResult><Part><PartNumber>1</PartNumber><Size>7</Size><ETag>"x"</ETag>${modified}</Part></ListPartsResult>`,
      );
    }
    if (line === "POST /b/f" && query.has("uploads")) {
      uploads.push({ id: "new", days: 0, ...(writer === undefined ? {} : { by: writer }) });
      return new Response("<InitiateMultipartUploadResult><UploadId>new</UploadId></InitiateMultipartUploadResult>");
    }
    if (line === "POST /b/f") {
      return new Response("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
    }
    if (line === "PUT /b/f") return new Response(null, { headers: { etag: '"p"' } });
    if (line === "HEAD /b/f") return new Response(null, { headers: { etag: '"x"', "content-length": `${SIZE}` } });
    if (!line.startsWith("DELETE")) return undefined;
    dropped.push(query.get("uploadId") ?? "the object");
    return new Response(null, { status: 204 });
  });
  return { server, dropped };
}

const SIZE = 6 << 20;

async function upload(left: readonly Left[], { writer, tag }: { readonly writer?: string; readonly tag?: string }) {
  const { server, dropped } = storeWith(left, writer);
  await using _ = server;
  await using backend = await server.open({ PartSize: "5" });
  const options = { ...call, size: SIZE, ...(tag === undefined ? {} : { tag }) };
  await backend.write(toRelPath("f"), wholeBody(pattern(SIZE)), options);
  return dropped;
}

const tag = "00112233445566aa";
const left: readonly Left[] = [
  { id: "mine, old", by: "me", days: 8 },
  { id: "mine, young", by: "me", days: 6 },
  { id: "theirs, old", by: "them", days: 800 },
  { id: "nobody's, old", days: 800 },
  { id: "mine, of no time", by: "me" },
];

Deno.test("write() drops what its own key left of the object a week ago, and nothing of others", async () => {
  assert.deepEqual(await upload(left, { writer: "me", tag }), ["mine, old"]);
});

Deno.test("write() drops nothing where the store does not tell who began an upload", async () => {
  assert.deepEqual(await upload(left, { tag }), []);
});

Deno.test("write() without a tag looks at no upload of an earlier run", async () => {
  assert.deepEqual(await upload(left, { writer: "me" }), []);
});

/** Which uploads are begun and ended where the first part of the object was left in an upload of this name and storage class. `breaks`: by a write of its own. */
async function begunBeside(
  storageClass: string,
  options: Readonly<Record<string, string>>,
  { name = "left", breaks = false }: { readonly name?: string; readonly breaks?: boolean } = {},
): Promise<readonly string[]> {
  const part = 5 << 20;
  const sum = createHash("md5").update(pattern(SIZE).subarray(0, part)).digest("hex");
  let isBreaking = breaks;
  await using server = startSmallS3(({ line, query }) => {
    if (isBreaking && line === "PUT /b/f") return errorResponse(500, "InternalError");
    if (line === "GET /b/" && query.has("uploads")) {
      if (isBreaking) return new Response("<L/>");
      const one = `<Key>f</Key><UploadId>${name}</UploadId><StorageClass>${storageClass}</StorageClass>`;
      return new Response(`<L><Upload>${one}</Upload></L>`);
    }
    if (line === "GET /b/f") {
      return new Response(
        `<L><Part><PartNumber>1</PartNumber><Size>${part}</Size><ETag>"${sum}"</ETag></Part></L>`,
      );
    }
    if (line === "POST /b/f") return new Response(query.has("uploads") ? "<U><UploadId>new</UploadId></U>" : "<C/>");
    if (line === "PUT /b/f") return new Response(null, { headers: { etag: '"p"' } });
    return line === "HEAD /b/f" ? new Response(null, { headers: { "content-length": `${SIZE}` } }) : undefined;
  });
  await using backend = await server.open({ PartSize: "5", ...options });
  const write = () => backend.write(toRelPath("f"), wholeBody(pattern(SIZE)), { ...call, size: SIZE, tag });
  if (breaks) await assert.rejects(write());
  isBreaking = false;
  await write();
  return server.requests.flatMap(({ line, query }) =>
    line === "POST /b/f" ? [query.has("uploads") ? "begin" : query.get("uploadId") ?? ""] : []
  );
}

Deno.test("write() goes on with what an earlier run began, where the object is asked to be nothing else", async () => {
  assert.deepEqual(await begunBeside("STANDARD", {}), ["left"]);
  assert.deepEqual(await begunBeside("GLACIER_IR", { StorageClass: "GLACIER_IR" }), ["left"]);
});

for (
  const options of [
    { ServerSideEncryption: "aws:kms" },
    { Acl: "private" },
    { CacheControl: "no-store" },
    { StorageClass: "GLACIER_IR" },
  ]
) {
  Deno.test(`write() begins anew where the object may not become what ${JSON.stringify(options)} asks`, async () => {
    assert.deepEqual(await begunBeside("STANDARD", options), ["begin", "new"]);
  });
}

Deno.test("write() goes on with what this session began, whatever is asked of the object", async () => {
  const options = { ServerSideEncryption: "aws:kms", Acl: "private" };
  assert.deepEqual(await begunBeside("STANDARD", options, { name: "new", breaks: true }), ["begin", "new"]);
});

/** What becomes of an object "f" whose ETag is "theirs" from the second look on; `strict`: how the end of an upload takes If-Match. */
async function replacing(strict: "compares" | "refuses") {
  let etag = "expected";
  let looks = 0;
  const ends: (string | null)[] = [];
  await using server = startSmallS3(({ line, query, headers }) => {
    const match = headers.get("if-match");
    if (line === "PUT /b/small") {
      return match === '"s"'
        ? new Response(null, { headers: { etag: '"s"' } })
        : errorResponse(412, "PreconditionFailed");
    }
    if (line === "HEAD /b/small") return new Response(null, { headers: { etag: '"s"', "content-length": "1" } });
    if (line === "POST /b/f" && query.has("uploads")) return new Response("<U><UploadId>new</UploadId></U>");
    if (line === "PUT /b/f") return new Response(null, { headers: { etag: '"p"' } });
    if (line === "DELETE /b/f") return new Response(null, { status: 204 });
    if (line === "POST /b/f") {
      ends.push(match);
      if (match !== null && (strict === "refuses" || match !== `"${etag}"`)) {
        return errorResponse(412, "PreconditionFailed");
      }
      return new Response("<C><ETag>x</ETag></C>");
    }
    if (line !== "HEAD /b/f") return undefined;
    const seen = etag;
    if (++looks === 2 && strict === "compares") etag = "theirs";
    return new Response(null, { headers: { etag: `"${seen}"`, "content-length": `${SIZE}` } });
  });
  await using backend = await server.open({ PartSize: "5" });
  const small = { kind: "file", path: toRelPath("small"), size: 1, revision: "s" } as const;
  await backend.write(small.path, wholeBody(pattern(1)), { ...call, size: 1, modified: 0, expect: small });
  const expect = { kind: "file", path: toRelPath("f"), size: SIZE, revision: "expected" } as const;
  const work = backend.write(expect.path, wholeBody(pattern(SIZE)), { ...call, size: SIZE, expect });
  return { failed: await work.then(() => undefined, (error) => error), ends };
}

Deno.test("FL-08 the end of an upload in parts is refused where somebody wrote after the last look", async () => {
  const { failed, ends } = await replacing("compares");
  assert.ok(failed instanceof SyncError && failed.kind === "changed", `${failed}`);
  assert.deepEqual(ends, ['"expected"']);
});

Deno.test("write() in parts goes by its own look where a store takes no If-Match at the end of an upload", async () => {
  const { failed, ends } = await replacing("refuses");
  assert.equal(failed, undefined);
  assert.deepEqual(ends, ['"expected"', null]);
});

Deno.test("write() in parts takes the ETag of what is encrypted with a key of the user's for nobody else's", async () => {
  const sealed = { "x-amz-server-side-encryption": "aws:kms", "content-length": `${SIZE}` };
  await using server = startSmallS3(({ line, query }) => {
    if (line === "POST /b/f") return new Response(query.has("uploads") ? "<U><UploadId>new</UploadId></U>" : "<C/>");
    if (line === "PUT /b/f") return new Response(null, { headers: { ...sealed, etag: `"${"1".repeat(32)}"` } });
    return line === "HEAD /b/f"
      ? new Response(null, { headers: { ...sealed, etag: `"${"2".repeat(32)}-2"` } })
      : undefined;
  });
  await using backend = await server.open({ PartSize: "5" });
  const written = await backend.write(toRelPath("f"), wholeBody(pattern(SIZE)), { ...call, size: SIZE });
  assert.equal(written.revision, `${"2".repeat(32)}-2`);
});

Deno.test("write() takes what somebody else puts there while an upload's time is set for no object of its own", async () => {
  let isCopied = false;
  await using server = startSmallS3(({ line, query, headers }) => {
    if (line === "POST /b/f") return new Response(query.has("uploads") ? "<U><UploadId>new</UploadId></U>" : "<C/>");
    if (line === "HEAD /b/f") {
      const shown = isCopied ? { etag: '"theirs"', "x-amz-meta-mtime": "2" } : { etag: '"ours"' };
      return new Response(null, { headers: { ...shown, "content-length": `${SIZE}` } });
    }
    if (line !== "PUT /b/f") return undefined;
    if (!headers.has("x-amz-copy-source")) return new Response(null, { headers: { etag: '"p"' } });
    isCopied = true;
    return new Response('<CopyObjectResult><ETag>"copied"</ETag></CopyObjectResult>');
  });
  await using backend = await server.open({ PartSize: "5" });
  const warnings: string[] = [];
  const options = { ...call, size: SIZE, modified: 2000, onWarning: (message: string) => void warnings.push(message) };
  const written = await backend.write(toRelPath("f"), wholeBody(pattern(SIZE)), options);
  assert.equal(written.revision, "ours");
  assert.match(warnings.join(), /another client replaced it/);
});
