import assert from "node:assert/strict";
import { protocols } from "../../../../lib/backends/mod.ts";
import {
  type BucketUrlOptions,
  parseBucketAddress,
  toBucketUrl,
  toEndpoint,
} from "../../../../lib/backends/s3/address.ts";
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
  ["s3://b/x", { Endpoint: "http://nas.example:9000" }, "refused", /readable on the network/],
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

const usual: BucketUrlOptions = { endpoint: undefined, region: "eu-west-1", bucket: "site", pathStyle: false };

const urls: readonly (readonly [string, Partial<BucketUrlOptions>, string | undefined])[] = [
  ["Amazon's own", {}, "https://site.s3.eu-west-1.amazonaws.com/"],
  ["Amazon's own in China", { region: "cn-north-1" }, "https://site.s3.cn-north-1.amazonaws.com.cn/"],
  ["Amazon's own for the government", { region: "us-gov-west-1" }, "https://site.s3.us-gov-west-1.amazonaws.com/"],
  ["the path where it is asked for", { pathStyle: true }, "https://s3.eu-west-1.amazonaws.com/site/"],
  ["the path for dots under TLS", { bucket: "my.site" }, "https://s3.eu-west-1.amazonaws.com/my.site/"],
  ["the path for an old name", { bucket: "My_site" }, "https://s3.eu-west-1.amazonaws.com/My_site/"],
  ["a region that only the SDK knows", { region: "us-iso-east-1" }, undefined],
  ["a region that is none", { region: "eu-west-1.evil.example/" }, undefined],
  ["a directory bucket", { bucket: "site--euw1-az1--x-s3" }, undefined],
  ["an access point", { bucket: "arn:aws:s3:eu-west-1:1:accesspoint/x" }, undefined],
  ["a space", { endpoint: "https://fra1.digitaloceanspaces.com" }, "https://site.fra1.digitaloceanspaces.com/"],
  ["a port", { endpoint: "https://minio.example:9000" }, "https://site.minio.example:9000/"],
  ["a path", { endpoint: "https://minio.example/s3" }, "https://site.minio.example/s3/"],
  [
    "a path, and the bucket in it",
    { endpoint: "https://nas.example/s3", pathStyle: true },
    "https://nas.example/s3/site/",
  ],
  ["dots without TLS", { endpoint: "http://nas.example", bucket: "my.site" }, "http://my.site.nas.example/"],
  ["a number", { endpoint: "http://127.0.0.1:9000" }, "http://127.0.0.1:9000/site/"],
  ["a number of IPv6", { endpoint: "https://[::1]:9000" }, "https://[::1]:9000/site/"],
  ["this machine", { endpoint: "http://localhost:9000" }, "http://localhost:9000/site/"],
  [
    "the dual stack",
    { endpoint: "https://s3.dualstack.eu-west-1.amazonaws.com" },
    "https://site.s3.dualstack.eu-west-1.amazonaws.com/",
  ],
];

for (const [name, asked, expected] of urls) {
  Deno.test(`toBucketUrl() writes the bucket for ${name}`, () => {
    assert.equal(toBucketUrl({ ...usual, ...asked })?.href, expected);
  });
}

Deno.test("toEndpoint() takes the bucket out of the host's name, and leaves a path away", () => {
  const endpoint = (url: string) => toEndpoint(new URL(url), "site").href;
  assert.equal(endpoint("https://site.s3.eu-west-1.amazonaws.com/"), "https://s3.eu-west-1.amazonaws.com/");
  assert.equal(endpoint("http://site.localhost:4566/"), "http://localhost:4566/");
  assert.equal(endpoint("https://[::1]:9000/site/"), "https://[::1]:9000/");
});
