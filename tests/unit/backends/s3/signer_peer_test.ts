import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "npm:@smithy/signature-v4@5.7.5";
import fc from "npm:fast-check@4.10.2";
import { encodePath, encodeQuery, sha256, Signer, UNSIGNED } from "../../../../lib/backends/s3/signer.ts";
import { runs, seeded } from "../../../support/runs.ts";

type Source = string | ArrayBuffer | ArrayBufferView;

function toBytes(source: Source): Uint8Array {
  if (typeof source === "string") return Buffer.from(source);
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/** The SHA-256 of node, as the AWS SDK's signer takes it: with a key an HMAC. */
class Sha256 {
  readonly #hash;

  constructor(secret?: Source) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", toBytes(secret));
  }

  update(data: Source): void {
    this.#hash.update(toBytes(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

const text = fc.string({ unit: "grapheme", maxLength: 20 });
/** Header values may hold other scripts, but no blanks other than the two that HTTP knows. */
const value = fc.string({
  unit: fc.oneof(fc.constantFrom(" ", "\t", "  "), fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 })),
})
  .map((text) => text.replace(/[^\S \t]|[\p{Cc}&&[^\t]]/gv, ""));
const request = fc.record({
  method: fc.constantFrom("GET", "PUT", "POST", "HEAD", "DELETE"),
  key: fc.array(text, { maxLength: 5 }).map((names) => names.join("/")),
  query: fc.dictionary(text, fc.oneof(text, fc.nat(), fc.constant(undefined)), { maxKeys: 5, noNullPrototype: true }),
  headers: fc.dictionary(
    fc.constantFrom(
      "content-type",
      "range",
      "if-match",
      "content-md5",
      "x-amz-acl",
      "x-amz-meta-mtime",
      "x-amz-meta-a.b",
    ),
    value,
    { maxKeys: 5, noNullPrototype: true },
  ),
  body: fc.oneof(fc.constant(UNSIGNED), fc.uint8Array({ maxLength: 40 }).map((bytes) => sha256(bytes))),
  region: fc.constantFrom("us-east-1", "auto", "eu-central-2"),
  secret: text,
  token: fc.option(fc.base64String({ minLength: 4 }), { nil: undefined }),
  now: fc.date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("2099-12-31T23:59:59Z"), noInvalidDate: true }),
});

Deno.test("Signer gives every request the signature that the AWS SDK's signer gives it", async () => {
  const property = fc.asyncProperty(
    request,
    async ({ method, key, query, headers, body, region, secret, token, now }) => {
      const host = "bucket.s3.example:9000";
      const credentials = {
        accessKeyId: "AK",
        secretAccessKey: secret,
        ...(token === undefined ? {} : { sessionToken: token }),
      };
      const path = `/${encodePath(key)}`;
      const peer = new SignatureV4({ credentials, region, service: "s3", sha256: Sha256, uriEscapePath: false });
      const sent = Object.fromEntries(
        Object.entries(query).flatMap(([name, one]) => one === undefined ? [] : [[name, String(one)]]),
      );
      const expected = await peer.sign({
        ...{ method, protocol: "https:", hostname: host, path, query: sent },
        headers: { ...headers, host, "x-amz-content-sha256": body },
      }, { signingDate: now });
      // The characters of a header are the bytes that are sent.
      const wire = Object.fromEntries(
        Object.entries(headers).map(([name, one]) => [name, Buffer.from(one).toString("latin1")]),
      );
      const signed = new Signer(region).sign(
        { method, path, query: encodeQuery(query), headers: { ...wire, host }, payload: body },
        credentials,
        now.getTime(),
      );
      assert.equal(signed["authorization"], expected.headers["authorization"]);
    },
  );
  await fc.assert(property, { numRuns: runs(300, 5000), ...seeded(20_240_524) });
});
