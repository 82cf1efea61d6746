import { SyncError } from "../../core/errors.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { awaitContent, forEachChunk } from "../../net/byte_stream.ts";

/** Reads all bytes of the body; their number must equal the given size. */
export async function readBody(body: Body, options: WriteOptions, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { signal, size, onBytes } = options;
  const pouring = { signal, operation: "write" };
  const wrong = () =>
    new SyncError("changed", `Cannot write "${path}": its source does not have ${size} bytes`, { operation: "write" });
  const bytes = new Uint8Array(size);
  let at = 0;
  await forEachChunk(await awaitContent(body(), pouring), (chunk) => {
    if (at + chunk.length > size) throw wrong();
    bytes.set(chunk, at);
    at += chunk.length;
    onBytes?.(chunk.length);
    return Promise.resolve();
  }, pouring);
  if (at < size) throw wrong();
  return bytes;
}
