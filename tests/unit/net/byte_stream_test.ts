import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { Buffer } from "node:buffer";
import { CHUNK_SIZE, forEachChunk, readExactly, toByteStream } from "../../../lib/net/byte_stream.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { runs } from "../../support/runs.ts";
import { toRelPath } from "../../../lib/core/path.ts";

const { signal } = new AbortController();
const options = { signal, operation: "test" };

/** A stream of these pieces, which tells whether it was left. */
function stream(pieces: readonly Uint8Array[]) {
  const left = [...pieces];
  let isLeft = false;
  const content = toByteStream({
    pull(into) {
      const [piece] = left;
      if (piece === undefined) return Promise.resolve(undefined);
      const part = piece.subarray(0, into.length);
      into.set(part);
      if (part.length === piece.length) left.shift();
      else left[0] = piece.subarray(part.length);
      return Promise.resolve(into.subarray(0, part.length));
    },
    cancel: () => void (isLeft = true),
  });
  return { content, isLeft: () => isLeft };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function collect(content: ReadableStream<Uint8Array<ArrayBuffer>>, recycles: boolean): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await forEachChunk(content, (bytes) => {
    // What is taken must be used up before this resolves: its memory is used again.
    parts.push(bytes.slice());
    return Promise.resolve();
  }, { ...options, reusesBuffer: recycles });
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

Deno.test("forEachChunk() gives all bytes in order, whether memory is used again or not", async () => {
  const sizes = fc.array(fc.nat({ max: 2 * CHUNK_SIZE }).filter((size) => size > 0), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), async (lengths, recycles) => {
      const pieces = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
      const { content } = stream(pieces);
      const whole = await collect(content, recycles);
      assert.ok(Buffer.concat(pieces).equals(whole));
    }),
    { numRuns: runs(60, 2_000) },
  );
});

Deno.test("forEachChunk() that reuses its buffer uses one memory for all chunks; without, each chunk keeps its own", async () => {
  const pieces = ["one", "two", "six"].map(bytesOf);
  for (const recycles of [true, false]) {
    const seen: Uint8Array[] = [];
    const take = (bytes: Uint8Array) => Promise.resolve(void seen.push(bytes));
    await forEachChunk(stream(pieces).content, take, { ...options, reusesBuffer: recycles });
    const kept = seen.map((bytes) => new TextDecoder().decode(bytes));
    // Memory that was handed on is empty for who held it before.
    assert.deepEqual(kept, recycles ? ["", "", ""] : ["one", "two", "six"]);
  }
});

Deno.test("forEachChunk() takes a stream that brings its own memory though it would reuse its own", async () => {
  const content = ReadableStream.from(["a", "b"].map((text) => bytesOf(text) as Uint8Array<ArrayBuffer>));
  assert.equal(new TextDecoder().decode(await collect(content, true)), "ab");
});

Deno.test("forEachChunk() lets the source go when what takes the bytes fails, or when it is cancelled", async () => {
  const failing = stream([bytesOf("one"), bytesOf("two")]);
  const failed = forEachChunk(failing.content, () => Promise.reject(new Error("full")), {
    ...options,
    reusesBuffer: true,
  });
  await assert.rejects(failed, /full/);
  assert.ok(failing.isLeft());
  const stop = new AbortController();
  const endless = toByteStream({ pull: () => new Promise(() => {}), cancel: () => void (left = true) });
  let left = false;
  const never = forEachChunk(endless, () => Promise.resolve(), {
    signal: stop.signal,
    operation: "test",
    reusesBuffer: true,
  });
  stop.abort();
  await assertRejects(never, "cancelled");
  assert.ok(left);
});

Deno.test("forEachChunk() rejects with what the source rejects with", async () => {
  for (const recycles of [true, false]) {
    const broken = toByteStream({ pull: () => Promise.reject(new Error("gone")), cancel: () => {} });
    await assert.rejects(forEachChunk(broken, () => Promise.resolve(), { ...options, reusesBuffer: recycles }), /gone/);
  }
});

Deno.test("readExactly() takes a content of the listed size only, whole or in pieces", async () => {
  const options = { signal, operation: "write", path: toRelPath("a") };
  const bytes = new Uint8Array(bytesOf("abcdef"));
  const pieces = () => [bytesOf("abc"), bytesOf("def")];
  assert.equal(await readExactly(Promise.resolve(bytes), { ...options, size: 6 }), bytes);
  assert.deepEqual(await readExactly(Promise.resolve(stream(pieces()).content), { ...options, size: 6 }), bytes);
  for (const size of [0, 5, 7]) {
    const { content, isLeft } = stream(pieces());
    const error = await assertRejects(readExactly(Promise.resolve(content), { ...options, size }), "changed");
    assert.match(error.message, size < 6 ? /^Cannot write "a": .*more than the/ : /only 6 than the 7 bytes/);
    assert.equal(isLeft(), size < 6);
    await assertRejects(readExactly(Promise.resolve(bytes), { ...options, size }), "changed");
  }
});

Deno.test("readExactly() ends with the signal, and leaves a content that comes later", async () => {
  const stop = new AbortController();
  const coming = Promise.withResolvers<ReadableStream<Uint8Array<ArrayBuffer>>>();
  const options = { signal: stop.signal, operation: "write", path: toRelPath("a"), size: 3 };
  const reading = readExactly(coming.promise, options);
  stop.abort();
  await assertRejects(reading, "cancelled");
  const { content, isLeft } = stream([bytesOf("abc")]);
  coming.resolve(content);
  await coming.promise;
  await new Promise((resolve) => setTimeout(resolve));
  assert.ok(isLeft());
});
