import assert from "node:assert/strict";
import { protocols } from "../../../../lib/backends/mod.ts";
import { parseBucketAddress } from "../../../../lib/backends/s3/address.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { parseAddress } from "../../../../lib/core/address_parser.ts";

const place = (text: string, options: Record<string, string> = {}) =>
  parseBucketAddress(parseAddress(text, protocols).address, options);

const rows: readonly (readonly [string, Record<string, string>, Partial<ReturnType<typeof place>>])[] = [
  ["s3://site", {}, { bucket: "site", path: "/", endpoint: undefined, region: undefined, label: "s3://site" }],
  ["s3://site/a/b/", { Region: "eu-west-1" }, { bucket: "site", path: "/a/b", region: "eu-west-1", pathStyle: false }],
  ["s3://site/a", { Endpoint: "https://minio.example:9000/" }, { endpoint: "https://minio.example:9000", path: "/a" }],
  ["s3://site/a", { Endpoint: "10.0.0.1:9000" }, { endpoint: "https://10.0.0.1:9000", pathStyle: true }],
  ["s3://127.0.0.1:9000/b/p", {}, { endpoint: "http://127.0.0.1:9000", bucket: "b", path: "/p", pathStyle: true }],
  ["s3://minio.example:9000/b", {}, { endpoint: "https://minio.example:9000", bucket: "b", path: "/" }],
  ["s3://s3.eu-west-1.amazonaws.com/b/p", {}, { region: "eu-west-1", bucket: "b", pathStyle: false }],
  ["s3://my.bucket.name/p", {}, { bucket: "my.bucket.name", path: "/p", endpoint: undefined }],
  ["spaces://fra1/shop/img", {}, {
    endpoint: "https://fra1.digitaloceanspaces.com",
    bucket: "shop",
    path: "/img",
    region: "us-east-1",
    label: "spaces://fra1/shop",
  }],
  ["r2://abc123/b", {}, { endpoint: "https://abc123.r2.cloudflarestorage.com", region: "auto", pathStyle: true }],
];

for (const [text, options, expected] of rows) {
  Deno.test(`toBucketPlace() reads ${text} ${JSON.stringify(options)}`, () => {
    const found = place(text, options);
    assert.deepEqual({ ...found, ...expected }, found);
  });
}

const wrong: readonly (readonly [string, Record<string, string>, string, RegExp])[] = [
  ["s3://127.0.0.1:9000", {}, "badInput", /Which bucket/],
  ["s3://127.0.0.1:9000/", {}, "badInput", /Which bucket/],
  ["spaces://fra1", {}, "badInput", /Which space/],
  ["s3://b//x", {}, "badInput", /empty name/],
  ["s3://b/x//y", {}, "badInput", /empty name/],
  ["s3://b/x", { Endpoint: "http://nas.example:9000" }, "refused", /in clear/],
  ["s3://b/x", { Endpoint: "ftp://nas.example" }, "badInput", /no https/],
  ["s3://b/x", { Endpoint: "https://user:secret@nas.example" }, "badInput", /address of a store alone/],
  ["spaces://fra1/b", { Endpoint: "https://x.example" }, "badInput", /leave -Endpoint out/],
  ["s3://nas.example:9000/b", { Endpoint: "https://x.example" }, "badInput", /leave -Endpoint out/],
];

for (const [text, options, kind, message] of wrong) {
  Deno.test(`toBucketPlace() refuses ${text} ${JSON.stringify(options)}`, () => {
    assert.throws(() => place(text, options), (error) => {
      assert.ok(error instanceof SyncError && error.kind === kind, String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  });
}

Deno.test("toBucketPlace() takes http: to another machine under -AllowInsecure", () => {
  const { endpoint } = place("s3://b/x", { Endpoint: "http://nas.example:9000", AllowInsecure: "true" });
  assert.equal(endpoint, "http://nas.example:9000");
});

Deno.test("BI-02 an address without a bucket, or with one that none can have, is refused", () => {
  for (const text of ["s3://", "s3:///k", "s3://UPPER/k", "s3://b/%ZZ", "spaces://"]) {
    assert.throws(() => parseAddress(text, protocols), { kind: "badInput" });
  }
});
