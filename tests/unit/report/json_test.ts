import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { readObjects, toJson, toJsonPieces } from "../../../lib/report/json.ts";

async function* pieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

function read(input: string | Uint8Array, options: { readonly longest?: number; readonly size?: number } = {}) {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  return Array.fromAsync(readObjects(pieces(bytes, options.size ?? 7), options));
}

function utf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), littleEndian);
  return bytes;
}

const rejects = (work: Promise<unknown>, message: RegExp) =>
  assert.rejects(work, (error: SyncError) => error.kind === "badInput" && message.test(error.message));

Deno.test("toJson() writes nothing but printable ASCII on one line", () => {
  const value = { name: "\u00e9\u4e16\u{1f600}\u001b[31m\u009b\u202e\u2028\r\n\u007f\t" };
  const json = toJson(value);
  assert.match(json, /^[\u0020-\u007e]*$/);
  assert.deepEqual(JSON.parse(json), value);
});

Deno.test("toJson() keeps lone surrogates", () => {
  assert.equal(toJson("a\ud800b"), '"a\\ud800b"');
});

Deno.test("toJson() hides what build servers obey anywhere in a line", () => {
  const json = toJson("##vso[task.setvariable]x ##[error]y ###");
  assert.equal(json.includes("##"), false);
  assert.equal(JSON.parse(json), "##vso[task.setvariable]x ##[error]y ###");
});

Deno.test("toJsonPieces() gives what toJson() gives", () => {
  const long = Array.from({ length: 2001 }, (_, i) => ({ i }));
  for (const value of [null, 5, "x", [1], { a: 1 }, { a: undefined, long, b: [], c: () => 1, d: "\u4e16" }, { long }]) {
    assert.equal([...toJsonPieces(value)].join(""), toJson(value));
  }
});

Deno.test("readObjects() reads one object a line, LF or CRLF, empty lines between, the last line open", async () => {
  assert.deepEqual(await read('{"a":1}\r\n\n  \n{"a":"\u4e16"}\n{"a":3}'), [{ a: 1 }, { a: "\u4e16" }, { a: 3 }]);
  assert.deepEqual(await read(""), []);
  assert.deepEqual(await read("\n"), []);
});

Deno.test("readObjects() reads UTF-8 and UTF-16 by their byte order marks, cut anywhere", async () => {
  const text = '\ufeff{"a":"\u4e16\u{1f600}"}\r\n{"b":2}\r\n';
  for (const bytes of [new TextEncoder().encode(text), utf16(text, true), utf16(text, false)]) {
    for (const size of [1, 2, 3, 1000]) {
      assert.deepEqual(await read(bytes, { size }), [{ a: "\u4e16\u{1f600}" }, { b: 2 }]);
    }
  }
});

Deno.test("readObjects() reads one array, on one line or many", async () => {
  assert.deepEqual(await read('[{"a":1},{"a":2}]\n'), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(await read('\n[\n{"a":1},\n{"a":2}\n]\n'), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(await read("[]"), []);
});

Deno.test("readObjects() names the line that is no JSON", async () => {
  await rejects(read('{"a":1}\n\nplanned 3 files\n'), /^Line 3 /);
  await rejects(read('{"a":1}\n{"a":'), /^Line 2 /);
});

Deno.test("readObjects() names the line or element that holds no object", async () => {
  await rejects(read('{"a":1}\n"text"\n'), /^Line 2 /);
  await rejects(read('{"a":1}\nnull\n'), /^Line 2 /);
  await rejects(read('{"a":1}\n[]\n'), /^Line 2 /);
  await rejects(read('[{"a":1},5]'), /^Element 2 /);
  await rejects(read("[1"), /not JSON/);
});

Deno.test("readObjects() reads no line, and no array, without end", async () => {
  await rejects(read(`{"a":1}\n"${"x".repeat(200)}`, { longest: 100 }), /^Line 2 .* longer than 100 /);
  await rejects(read(`[${"1,".repeat(100)}`, { longest: 100 }), /longer than 100 /);
});

Deno.test("readObjects() refuses bytes that are no text", async () => {
  await rejects(read(new Uint8Array([0x7b, 0xff, 0x7d])), /UTF-8/);
  await rejects(read(new Uint8Array([0xc3])), /UTF-8/);
  await rejects(read(utf16('{"a":1}', true)), /not JSON/);
});

Deno.test("readObjects() reads a long line that comes in small pieces", async () => {
  const text = `{"a":"${"x".repeat(4_000_000)}"}\n{"b":1}`;
  const [first, second] = await read(text, { size: 1000 });
  assert.equal(JSON.stringify(first).length, 4_000_008);
  assert.deepEqual(second, { b: 1 });
});

Deno.test("readObjects() gives an object before the next line is there", async () => {
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const writer = stream.writable.getWriter();
  const objects = readObjects(stream.readable)[Symbol.asyncIterator]();
  const first = objects.next();
  await writer.write(new TextEncoder().encode('{"a":1}\n'));
  assert.deepEqual((await first).value, { a: 1 });
  await writer.close();
  assert.equal((await objects.next()).done, true);
});
