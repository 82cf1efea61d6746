import assert from "node:assert/strict";
import {
  EMPTY,
  encodePath,
  encodeQuery,
  sha256,
  type SignableRequest,
  Signer,
  UNSIGNED,
} from "../../../../lib/backends/s3/signer.ts";
import type { Credentials } from "../../../../lib/backends/s3/types.ts";

/** Those of "Amazon S3 API Reference, Signature Calculations for the Authorization Header". */
const credentials: Credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const examples = new Signer("us-east-1");
const day = Date.UTC(2013, 4, 24);
const host = "examplebucket.s3.amazonaws.com";

const documented: Readonly<Record<string, readonly [SignableRequest, string, string]>> = {
  "GET of a range": [
    { method: "GET", path: "/test.txt", query: "", headers: { range: "bytes=0-9", host }, payload: EMPTY },
    "host;range;x-amz-content-sha256;x-amz-date",
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  "PUT of an object": [
    {
      method: "PUT",
      path: encodePath("/test$file.text"),
      query: "",
      headers: { host, date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      payload: sha256("Welcome to Amazon S3."),
    },
    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  "GET of a subresource": [
    { method: "GET", path: "/", query: encodeQuery({ lifecycle: "" }), headers: { host }, payload: EMPTY },
    "host;x-amz-content-sha256;x-amz-date",
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  ],
  "GET of a listing": [
    { method: "GET", path: "/", query: encodeQuery({ prefix: "J", "max-keys": 2 }), headers: { host }, payload: EMPTY },
    "host;x-amz-content-sha256;x-amz-date",
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ],
};

for (const [name, [request, signedHeaders, signature]] of Object.entries(documented)) {
  Deno.test(`Signer signs Amazon's own example, ${name}, as Amazon does`, () => {
    const added = examples.sign(request, credentials, day);
    const credential = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    assert.deepEqual(added, {
      "x-amz-content-sha256": request.payload,
      "x-amz-date": "20130524T000000Z",
      authorization:
        `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
    });
  });
}

/** Nasty requests, each with the signature that botocore 1.43.11 (S3SigV4Auth) gives it. */
const nasty: Readonly<Record<string, readonly [Omit<SignableRequest, "headers">, Record<string, string>, string]>> = {
  "a key of blanks, signs and other scripts": [
    { method: "GET", path: `/${encodePath("a b/ü+%#?&=~-._ é!'()*$,:;@[]/世界/😀")}`, query: "", payload: EMPTY },
    {},
    "50f9dbbc7511c81ed1beab2f229fc234d0346aafa317ae39667ae753e3613a08",
  ],
  "a listing with every parameter": [
    {
      method: "GET",
      path: "/",
      query: encodeQuery({
        "list-type": 2,
        prefix: "a b/ü+&",
        delimiter: "/",
        "encoding-type": "url",
        "continuation-token": "1ueG/c==",
        "start-after": "Z~é",
        "max-keys": 1000,
        "not-given": undefined,
      }),
      payload: EMPTY,
    },
    {},
    "6c0ec8c00f1769d76c2e6f0f078107fd8be02cde45b0108e256915ceca73b1d9",
  ],
  "a part whose bytes are signed": [
    {
      method: "PUT",
      path: "/k",
      query: encodeQuery({ uploadId: "2~ab+c/", partNumber: 7 }),
      payload: sha256(new TextEncoder().encode("hello")),
    },
    { "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==" },
    "b0666f92f8b1ba531d6591123b439978f8d2357dfd5ff45ecef8d99d8450ec44",
  ],
  "the beginning of an upload": [
    { method: "POST", path: "/k", query: encodeQuery({ uploads: "" }), payload: EMPTY },
    {},
    "4f40b2a99893ba1fd9098460d2d19d770638c367c853733b4ae0625a1f5d4e52",
  ],
};

const signer = new Signer("eu-west-1");
const now = Date.UTC(2026, 10, 27, 19, 17, 23, 456);
const own: Credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

function signatureOf(request: Omit<SignableRequest, "headers">, headers: Record<string, string>, from = own): string {
  const signed = { ...request, headers: { ...headers, host: "b.s3.eu-west-1.amazonaws.com" } };
  return signer.sign(signed, from, now)["authorization"]?.split("Signature=")[1] ?? "";
}

for (const [name, [request, headers, signature]] of Object.entries(nasty)) {
  Deno.test(`Signer signs ${name} as botocore does`, () => {
    assert.equal(signatureOf(request, headers), signature);
  });
}

Deno.test("Signer signs the token of a temporary key, and a body that stays unsigned, as botocore does", () => {
  const path = `/${encodePath("a b/ü+%#?&=~-._ é!'()*$,:;@[]/世界/😀")}`;
  const headers = {
    "content-type": "text/plain",
    "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    "x-amz-meta-mtime": "1577934245.123456789",
    "x-amz-storage-class": "STANDARD_IA",
  };
  const temporary = { ...own, sessionToken: "FQoGZXIvYXdzEXAMPLE//token==" };
  assert.equal(
    signatureOf({ method: "PUT", path, query: "", payload: UNSIGNED }, headers, temporary),
    "5016b1ac4a4b4e3390b9eba1e87df19c63ca64862b2b2fe8755069e5d7347010",
  );
});

Deno.test("Signer derives its key anew for another day and for another secret", () => {
  const request = { method: "GET", path: "/", query: "", headers: { host }, payload: EMPTY };
  const signatures = [[day, "a"], [day + 86_400_000, "a"], [day, "b"], [day, "a"]] as const;
  const found = signatures.map(([at, secretAccessKey]) =>
    examples.sign(request, { ...credentials, secretAccessKey }, at)["authorization"]
  );
  assert.equal(found[0], found[3]);
  assert.equal(new Set(found).size, 3);
});

Deno.test("Signer takes blanks around and within a header's value as servers do", () => {
  const request: Omit<SignableRequest, "headers"> = { method: "PUT", path: "/k", query: "", payload: EMPTY };
  const meant = signatureOf(request, { "x-amz-meta-a": "a b c" });
  assert.equal(signatureOf(request, { "x-amz-meta-a": "  a  b \t c " }), meant);
  assert.notEqual(signatureOf(request, { "x-amz-meta-a": "a bc" }), meant);
});

Deno.test("Signer takes no byte of another script for a blank", () => {
  const request: Omit<SignableRequest, "headers"> = { method: "PUT", path: "/k", query: "", payload: EMPTY };
  const of = (value: string) => signatureOf(request, { "x-amz-meta-a": value });
  assert.notEqual(of("voil\u00c3\u00a0 b"), of("voil\u00c3 b"));
  assert.notEqual(of("voil\u00c3\u00a0"), of("voil\u00c3"));
});

Deno.test("sha256() takes the characters of a header for bytes", () => {
  assert.equal(sha256(""), EMPTY);
  assert.equal(sha256("\u00e9"), sha256(Uint8Array.of(0xe9)));
  assert.equal(sha256("e"), sha256(Uint8Array.of(0x65)));
});

Deno.test("toQuery() sorts by encoded names and leaves out what is undefined", () => {
  assert.equal(encodeQuery({ b: 1, a: "x y", "a-b": "", A: "+", c: undefined }), "A=%2B&a=x%20y&a-b=&b=1");
  assert.equal(encodeQuery({}), "");
});
