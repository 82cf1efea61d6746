import assert from "node:assert/strict";
import type { Backend, Content, ReadOptions } from "../../../../lib/core/backend.ts";
import { forEachChunk, toByteStream } from "../../../../lib/net/byte_stream.ts";
import { resumeWhenBroken } from "../../../../lib/backends/layers/resuming_stream.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { withOverrides } from "../../../support/stacked.ts";

const path = toRelPath("f");
const { signal } = new AbortController();
const TEXT = Array.from({ length: 30_000 }, (_, i) => String(i)).join(" ");
const expect: FileEntry = { kind: "file", path, size: TEXT.length };

type Kind = "fills" | "brings" | "whole";

/** The text from an offset on, in one of the forms a content may have; it breaks after so many bytes. */
function content(kind: Kind, from: number, breaksAt: number): Content {
  const bytes = new TextEncoder().encode(TEXT.slice(from));
  if (kind === "whole") return bytes;
  let at = 0;
  const next = (most: number) => {
    if (at >= breaksAt) throw new Error("broken");
    const part = bytes.slice(at, at + Math.min(most, 4_000));
    at += part.length;
    return part;
  };
  if (kind === "brings") {
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const part = next(Infinity);
        if (part.length > 0) controller.enqueue(part);
        else controller.close();
      },
    }, { highWaterMark: 0 });
  }
  return toByteStream({
    pull(into) {
      const part = next(into.length);
      into.set(part);
      return Promise.resolve(part.length === 0 ? undefined : into.subarray(0, part.length));
    },
    cancel: () => {},
  });
}

/** Reads with a first content that breaks, and goes on with one of another form. */
async function readAcross(first: Kind, then: Kind) {
  const asked: ReadOptions[] = [];
  const inner: Backend = withOverrides(memory(), {
    read: (_inner, _path, options) => {
      asked.push(options);
      return Promise.resolve(content(then, options.offset ?? 0, Infinity));
    },
  });
  const pauses: number[] = [];
  const options = { signal, expect };
  const whole = resumeWhenBroken(content(first, 0, 10_000), {
    inner,
    path,
    options,
    waitBeforeRetry: (_, made) => Promise.resolve(void pauses.push(made)),
  });
  const parts: string[] = [];
  await forEachChunk(whole, (bytes) => Promise.resolve(void parts.push(new TextDecoder().decode(bytes))), {
    signal,
    operation: "test",
    reusesBuffer: true,
  });
  return { text: parts.join(""), asked, pauses };
}

for (const first of ["fills", "brings"] as const) {
  for (const then of ["fills", "brings", "whole"] as const) {
    Deno.test(`resumed() goes on behind the last byte: a content that ${first} memory, then one that is ${then}`, async () => {
      const { text, asked, pauses } = await readAcross(first, then);
      assert.ok(text === TEXT);
      assert.deepEqual(asked.map(({ offset, length }) => [offset, length]), [[12_000, TEXT.length - 12_000]]);
      assert.deepEqual(pauses, [1]);
    });
  }
}

Deno.test("resumed() gives up when it is not to be opened again", async () => {
  const whole = resumeWhenBroken(content("fills", 0, 10_000), {
    inner: memory(),
    path,
    options: { signal, expect },
    waitBeforeRetry: (error) => Promise.reject(error),
  });
  const taking = forEachChunk(whole, () => Promise.resolve(), { signal, operation: "test", reusesBuffer: true });
  await assert.rejects(taking, /broken/);
});

Deno.test("resumed() leaves a content alone that nobody could compare", () => {
  const given = content("fills", 0, Infinity);
  assert.equal(
    resumeWhenBroken(given, { inner: memory(), path, options: { signal }, waitBeforeRetry: () => Promise.resolve() }),
    given,
  );
});
