import assert from "node:assert/strict";
import { formatMtime, parseMtime, toUploads } from "../../../../lib/backends/s3/codec.ts";
import { parseXml } from "../../../../lib/backends/s3/xml.ts";

const times: readonly (readonly [number, string])[] = [
  [1_700_000_000_000, "1700000000"],
  [1_700_000_000_500, "1700000000.5"],
  [1_700_000_001_234.5, "1700000001.2345"],
  [0, "0"],
  [-1500, "-1.5"],
  [999.5, "0.9995"],
  [253_402_300_799_000, "253402300799"],
];

for (const [ms, text] of times) {
  Deno.test(`formatMtime() writes ${ms} ms as ${text}, and parseMtime() reads it`, () => {
    assert.equal(formatMtime(ms), text);
    const read = parseMtime({ mtime: text });
    assert.ok(read !== undefined && Math.abs(read - ms) < 0.001, `${read}`);
  });
}

for (
  const [ms, nanoseconds, text] of [
    [1_577_934_245_123, 456_789, "1577934245.123456789"],
    [1_577_934_245_000, 1, "1577934245.000000001"],
    [1_577_934_245_120, 0, "1577934245.12"],
    [-1500, 499_999, "-1.499500001"],
  ] as const
) {
  Deno.test(`formatMtime() writes ${ms} ms and ${nanoseconds} ns as ${text}`, () => {
    assert.equal(formatMtime(ms, nanoseconds), text);
  });
}

const metadata: readonly (readonly [string, Record<string, string>, number | undefined])[] = [
  ["rclone", { mtime: "1577934245.123456789" }, 1577934245123.456789],
  ["s3fs", { mtime: "1577934245", mode: "33188", uid: "0" }, 1577934245000],
  ["s3cmd", { "s3cmd-attrs": "atime:1/ctime:2/gid:0/md5:ab/mode:33188/mtime:1577934245/uid:0" }, 1577934245000],
  ["a tool that counts ms", { mtime: "1577934245123" }, 1577934245123],
  ["minio", { "mc-attrs": "atime:1#2/gid:0/mode:33188/mtime:1577934245#123456789/uid:0" }, 1577934245123.456789],
  ["minio", { "mc-attrs": "mtime:1577934245#5" }, 1577934245000.000005],
  ["datasync", { "file-mtime": "1577934245123ms", "file-owner": "0" }, 1577934245123],
  ["a gateway", { "file-mtime": "1577934245123456789ns" }, 1577934245123.456789],
  ["a liar", { "file-mtime": "1577934245" }, undefined],
  ["gcloud", { "goog-reserved-file-mtime": "1577934245" }, 1577934245000],
  ["nobody", { color: "blue" }, undefined],
  ["a liar", { mtime: "yesterday" }, undefined],
  ["a liar", { mtime: "1e99" }, undefined],
  ["a liar", { mtime: "9".repeat(40) }, undefined],
  ["a liar", { "file-mtime": `${"9".repeat(40)}ns` }, undefined],
  ["two", { mtime: "x", "goog-reserved-file-mtime": "7" }, 7000],
];

for (const [tool, given, expected] of metadata) {
  Deno.test(`parseMtime() reads what ${tool} writes: ${JSON.stringify(given).slice(0, 60)}`, () => {
    assert.equal(parseMtime(given), expected);
  });
}

Deno.test("toUploads() finds a key that XML cannot hold where the store encodes it, and any key where it does not", () => {
  const upload = (key: string) => `<Upload><Key>${key}</Key><UploadId>u</UploadId></Upload>`;
  const listed = (key: string, xml: string) => toUploads(parseXml(`<L>${xml}</L>`), key).map(({ id }) => id);
  const url = "<EncodingType>url</EncodingType>";
  assert.deepEqual(listed("a\u0001 +b", `${url}${upload("a%01+%2Bb")}`), ["u"]);
  assert.deepEqual(listed("a%01", upload("a%01")), ["u"]);
  assert.deepEqual(listed("a", `${url}${upload("b")}`), []);
});
