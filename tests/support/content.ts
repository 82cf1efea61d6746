import { Buffer } from "node:buffer";
import type { Body, Content } from "../../lib/core/backend.ts";

/** Bytes that differ from place to place and from seed to seed, the same on every machine. */
export function pattern(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A text as bytes. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A body that gives its bytes whole. */
export function wholeBody(bytes: Uint8Array<ArrayBuffer> | string): Body {
  const all = typeof bytes === "string" ? utf8(bytes) : bytes;
  return (from = 0, to = all.length) => Promise.resolve(all.slice(from, to));
}

/** A body that gives its bytes as a stream of chunks; `before` is awaited ahead of each chunk with the offset it starts at, and may throw. */
export function streamBody(
  bytes: Uint8Array<ArrayBuffer>,
  options: { readonly chunk?: number; before?(offset: number): void | Promise<void> } = {},
): Body {
  const chunk = options.chunk ?? 64 * 1024;
  return (from = 0, to = bytes.length) => {
    let at = from;
    return Promise.resolve(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        async pull(controller) {
          await options.before?.(at);
          const end = Math.min(at + chunk, to, bytes.length);
          if (end > at) controller.enqueue(bytes.slice(at, end));
          at = end;
          if (at >= Math.min(to, bytes.length)) controller.close();
        },
      }, { highWaterMark: 0 }),
    );
  };
}

/** All the bytes of a content. */
export async function collect(content: Content): Promise<Uint8Array<ArrayBuffer>> {
  if (content instanceof Uint8Array) return content;
  return new Uint8Array(await new Response(content).arrayBuffer());
}

/** Are these the same bytes? */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
