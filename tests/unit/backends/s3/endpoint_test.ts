import assert from "node:assert/strict";
import { type BucketUrlOptions, toBucketUrl, toEndpoint } from "../../../../lib/backends/s3/endpoint.ts";

const usual: BucketUrlOptions = { endpoint: undefined, region: "eu-west-1", bucket: "site", pathStyle: false };

const rows: readonly (readonly [string, Partial<BucketUrlOptions>, string | undefined])[] = [
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

for (const [name, asked, expected] of rows) {
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
