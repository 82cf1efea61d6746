import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "npm:fast-check@4.10.2";
import { etagProof, looksLikeMd5, multipartEtag } from "../../../../lib/backends/s3/etag.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { pattern } from "../../../support/content.ts";
import { runs, seeded } from "../../../support/runs.ts";

const MIB = 1 << 20;

function md5(bytes: Uint8Array): Uint8Array {
  return createHash("md5").update(bytes).digest();
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** The ETag of an object of these parts, as Amazon makes it. */
function etagOf(parts: readonly Uint8Array[]): string {
  const all = createHash("md5");
  for (const part of parts) all.update(md5(part));
  return `${all.digest("hex")}-${parts.length}`;
}

function cut(bytes: Uint8Array, partSize: number): readonly Uint8Array[] {
  const count = Math.ceil(bytes.length / partSize);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * partSize, (i + 1) * partSize));
}

/** What the content proves against an object of this ETag and size; undefined where nothing could. */
function proven(
  bytes: Uint8Array,
  etag: string,
  { partSize = 8 * MIB, size = bytes.length, step = 65_537 }: { partSize?: number; size?: number; step?: number } = {},
) {
  const proof = etagProof({ kind: "file", path: toRelPath("f"), size, revision: etag }, partSize);
  for (let at = 0; at < bytes.length; at += step) proof?.take(bytes.subarray(at, at + step));
  return proof?.result();
}

Deno.test("proofOf() proves content by the MD5 that an ETag of one part is, in either spelling", () => {
  const bytes = pattern(1000);
  const sum = hex(md5(bytes));
  for (const etag of [sum, sum.toUpperCase()]) {
    assert.deepEqual(proven(bytes, etag), { checksum: `md5:${sum}`, isEqual: true });
  }
  assert.deepEqual(proven(new Uint8Array(), hex(md5(new Uint8Array())))?.isEqual, true);
  // So does an object under a key of the user's look.
  assert.deepEqual(proven(bytes, "0".repeat(32)), { checksum: `md5:${sum}`, isEqual: false });
});

Deno.test("proofOf() proves nothing by what is no ETag of content", () => {
  for (const etag of ["", "x", `${"0".repeat(31)}-1`, `${"0".repeat(32)}-0`, `${"0".repeat(32)}-x`, "0".repeat(64)]) {
    assert.equal(proven(pattern(10), etag), undefined, etag);
  }
  assert.equal(etagProof({ kind: "file", path: toRelPath("f"), size: 10 }, MIB), undefined);
});

for (const partSize of [MIB, 2 * MIB]) {
  for (const size of [1, partSize - 1, partSize, partSize + 1, 2 * partSize - 1, 2 * partSize, 2 * partSize + 1]) {
    Deno.test(`proofOf() proves ${size} bytes in parts of ${partSize}, and no other content, however it comes`, () => {
      const bytes = pattern(size, 3);
      const etag = etagOf(cut(bytes, partSize));
      const steps = fc.oneof(
        fc.integer({ min: partSize - 2, max: partSize + 2 }),
        fc.integer({ min: 1000, max: 3 * MIB }),
      );
      fc.assert(
        fc.property(fc.nat(size - 1), steps, (at, step) => {
          assert.equal(proven(bytes, etag, { partSize, step })?.isEqual, true);
          const other = bytes.slice();
          other[at] = (other[at] ?? 0) ^ 1;
          assert.equal(proven(other, etag, { partSize, step })?.isEqual, false);
        }),
        { numRuns: runs(8, 40), ...seeded(1) },
      );
    });
  }
}

Deno.test("proofOf() takes parts of another size for no proof, unless they are the object's", () => {
  const bytes = pattern(20 * MIB, 4);
  for (const [mib, count] of [[5, 4], [8, 3], [15, 2], [16, 2]] as const) {
    const parts = cut(bytes, mib * MIB);
    assert.equal(parts.length, count);
    const found = proven(bytes, etagOf(parts), { partSize: 7 * MIB });
    assert.deepEqual([found?.isEqual, found?.checksum.split(":")[0]], [true, `md5-of-${mib * MIB}`], `${mib} MiB`);
  }
  // Three parts, but not of 7 or 8 MiB: what is compared differs, and nothing is proven.
  assert.equal(proven(bytes, etagOf(cut(bytes, 9 * MIB)))?.isEqual, false);
  // No part of a usual size makes six of them: there is nothing to compare with.
  assert.equal(proven(bytes, etagOf(cut(bytes, 3.5 * MIB))), undefined);
  const [one, two, three, four] = cut(bytes, 5 * MIB).map((part) => part.slice());
  assert.ok(one !== undefined && two !== undefined && three !== undefined && four !== undefined);
  assert.equal(proven(bytes, etagOf([two, one, three, four]))?.isEqual, false);
});

Deno.test("proofOf() is not misled by an object whose one part was sent in parts", () => {
  const bytes = pattern(100);
  assert.equal(proven(bytes, etagOf([bytes]))?.isEqual, true);
  assert.equal(proven(bytes, hex(md5(md5(bytes))))?.isEqual, false);
});

Deno.test("VP-06 the ETag of parts is never taken for an MD5", () => {
  assert.ok(looksLikeMd5("5289df737df57326fcdd22597afb1fac"));
  for (const etag of ["5289df737df57326fcdd22597afb1fac-3", "", undefined, "x".repeat(32)]) {
    assert.ok(!looksLikeMd5(etag));
  }
});

const [a, b] = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"];

Deno.test("multipartEtag() is the MD5 of the parts' MD5s, and their number", () => {
  const parts = [{ number: 1, etag: a }, { number: 2, etag: b }];
  // printf a | md5sum | xxd -r -p, the same of b, both into md5sum.
  assert.equal(multipartEtag(parts), "96e024ba2074fe77e8e965ba43a704be-2");
  assert.equal(multipartEtag([...parts, { number: 3, etag: "no sum" }]), undefined);
  assert.equal(multipartEtag([]), undefined);
});
