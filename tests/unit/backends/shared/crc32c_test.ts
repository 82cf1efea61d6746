import assert from "node:assert/strict";
import { Crc32c } from "../../../../lib/backends/shared/crc32c.ts";
import { pattern, utf8 } from "../../../support/content.ts";

function crcOf(...parts: readonly Uint8Array[]): number {
  const crc = new Crc32c();
  for (const part of parts) crc.update(part);
  return crc.digest();
}

Deno.test("Crc32c gives the sums that RFC 3720, appendix B.4, gives", () => {
  assert.equal(crcOf(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crcOf(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crcOf(new Uint8Array(32).map((_, index) => index)), 0x46dd794e);
  assert.equal(crcOf(utf8("123456789")), 0xe3069283);
  assert.equal(crcOf(), 0);
});

Deno.test("Crc32c gives one sum however the bytes are cut", () => {
  const bytes = pattern(1003, 5);
  for (const at of [0, 1, 3, 4, 5, 500, 1002, 1003]) {
    assert.equal(crcOf(bytes.subarray(0, at), bytes.subarray(at)), crcOf(bytes));
  }
});
