import assert from "node:assert/strict";
import { multipartEtag } from "../../../../lib/backends/s3/multipart_parts.ts";

const [a, b] = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"];

Deno.test("wholeEtag() is the MD5 of the parts' MD5s, and their number", () => {
  const parts = [{ number: 1, etag: a }, { number: 2, etag: b }];
  // printf a | md5sum | xxd -r -p, the same of b, both into md5sum.
  assert.equal(multipartEtag(parts), "96e024ba2074fe77e8e965ba43a704be-2");
  assert.equal(multipartEtag([...parts, { number: 3, etag: "no sum" }]), undefined);
  assert.equal(multipartEtag([]), undefined);
});
