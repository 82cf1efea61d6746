import assert from "node:assert/strict";
import { formatMtime, parseObject, parsePage, toFileEntry } from "../../../../lib/backends/gcs/object.ts";
import { toRelPath } from "../../../../lib/core/path.ts";

const plain = { name: "a/b", size: "7", generation: "1700000000000001", metageneration: "2" };

function editedOf(metadata: Readonly<Record<string, string>>) {
  const { modified, timeStep } = parseObject({ ...plain, metadata });
  return [modified, timeStep];
}

Deno.test("parseObject() reads what a listing tells of an object", () => {
  const object = parseObject({ ...plain, md5Hash: "kAFQmDzST7DWlj99KOF/cg==", crc32c: "Nks/tw==" });
  assert.deepEqual(object, { ...plain, size: 7, md5: "900150983cd24fb0d6963f7d28e17f72", crc32c: "Nks/tw==" });
  const entry = toFileEntry(toRelPath("b"), object);
  assert.deepEqual(entry, {
    kind: "file",
    path: "b",
    size: 7,
    revision: "1700000000000001",
    checksum: "md5:900150983cd24fb0d6963f7d28e17f72",
  });
});

Deno.test("parseObject() never takes the time of the upload for that of the edit", () => {
  assert.equal(parseObject({ ...plain, updated: "2026-01-01T00:00:00Z", timeCreated: "x" }).modified, undefined);
});

Deno.test("parseObject() reads the times that rclone, gsutil, gcloud, gcsfuse and s3fs leave", () => {
  assert.deepEqual(editedOf({ mtime: "2023-11-14T22:13:20.123456789Z" }), [1_700_000_000_123.457, undefined]);
  assert.deepEqual(editedOf({ mtime: "2023-11-14T23:13:20+01:00" }), [1_700_000_000_000, undefined]);
  assert.deepEqual(editedOf({ mtime: "1700000000.5" }), [1_700_000_000_500, undefined]);
  assert.deepEqual(editedOf({ mtime: "1700000000123" }), [1_700_000_000_123, undefined]);
  assert.deepEqual(editedOf({ gcsfuse_mtime: "2023-11-14T22:13:20.5Z" }), [1_700_000_000_500, undefined]);
  assert.deepEqual(editedOf({ "goog-reserved-file-mtime": "1700000000" }), [1_700_000_000_000, 1000]);
  const both = { mtime: "2023-11-14T22:13:20.5Z", "goog-reserved-file-mtime": "1700000000" };
  assert.deepEqual(editedOf(both), [1_700_000_000_500, undefined]);
  for (const mtime of ["", "yesterday", "2023-13-99T00:00:00Z", "1e99", "NaN", "2023-11-14"]) {
    assert.deepEqual(editedOf({ mtime }), [undefined, undefined], mtime);
  }
});

Deno.test("formatEdited() writes a time as rclone and gsutil do, and parseObject() reads it back", () => {
  assert.deepEqual(formatMtime(1_700_000_000_000), {
    "mtime": "2023-11-14T22:13:20Z",
    "goog-reserved-file-mtime": "1700000000",
  });
  assert.equal(formatMtime(1_700_000_000_123.456).mtime, "2023-11-14T22:13:20.123456Z");
  assert.equal(formatMtime(1_700_000_000_123, 456_789).mtime, "2023-11-14T22:13:20.123456789Z");
  assert.equal(formatMtime(1_700_000_000_000, 1).mtime, "2023-11-14T22:13:20.000000001Z");
  for (const time of [0, -1, -1234.567, 1_700_000_001_234.5, 3_345_678_901_000, 253_402_300_799_999]) {
    assert.equal(editedOf(formatMtime(time))[0], time);
  }
  assert.deepEqual(formatMtime(9e15), {});
});

Deno.test("parseObject() takes names such as __proto__ and constructor for names (SE-15)", () => {
  const text = `{"name":"__proto__","size":"1","generation":"1","metageneration":"1",
    "metadata":{"__proto__":{"mtime":"1700000000"},"constructor":"x"}}`;
  const object = parseObject(JSON.parse(text));
  assert.deepEqual([object.name, object.modified], ["__proto__", undefined]);
  const inherited = `{"__proto__":${JSON.stringify(plain)}}`;
  assert.throws(() => parseObject(JSON.parse(inherited)), RangeError);
  assert.equal(({} as Record<string, unknown>)["mtime"], undefined);
});

Deno.test("parsePage() refuses what is no listing: nothing may look empty", () => {
  const wrong: readonly unknown[] = [
    ...[undefined, null, [], "x", 3, {}, { kind: "storage#object" }],
    { kind: "storage#objects", items: {} },
    { kind: "storage#objects", items: [null] },
    { kind: "storage#objects", items: [{ ...plain, name: "" }] },
    { kind: "storage#objects", items: [{ ...plain, size: "-1" }] },
    { kind: "storage#objects", items: [{ ...plain, size: "99999999999999999999" }] },
    { kind: "storage#objects", items: [{ ...plain, generation: 7 }] },
    { kind: "storage#objects", items: [{ ...plain, metadata: [] }] },
    { kind: "storage#objects", prefixes: [1] },
  ];
  for (const value of wrong) assert.throws(() => parsePage(value), RangeError, JSON.stringify(value));
  assert.deepEqual(parsePage({ kind: "storage#objects" }), { items: [], prefixes: [] });
  const page = parsePage({ kind: "storage#objects", items: [plain], prefixes: ["d/"], nextPageToken: "t" });
  assert.deepEqual([page.items.length, page.prefixes, page.next], [1, ["d/"], "t"]);
});
