import { Buffer } from "node:buffer";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { opened, pour } from "../../net/byte_stream.ts";
import type { Store } from "./client.ts";
import type { NewObject, Stored } from "./types.ts";
import type { Honours } from "./conditional_write.ts";
import type { Spot } from "./stat.ts";
import { formatTime, looksLikeMd5 } from "./metadata.ts";
import { contentType } from "../shared/mime.ts";
import type { Room } from "../../net/byte_semaphore.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * The state that all writes to a store share. `partSize` in bytes; `begun`: the multipart uploads that this session
 * began and did not finish.
 */
export interface Desk {
  readonly store: Store;
  readonly honours: Honours;
  readonly room: Room;
  readonly partSize: number;
  readonly begun: Set<string>;
}

/** One write in progress. */
export interface Writing {
  readonly spot: Spot;
  readonly body: Body;
  readonly options: WriteOptions;
}

/** Returns the metadata and content type of the new object. */
export function toObject({ spot, options }: Writing): Pick<NewObject, "metadata" | "contentType"> {
  const { modified } = options;
  return {
    metadata: modified === undefined ? {} : { mtime: formatTime(modified) },
    contentType: contentType(spot.path),
  };
}

/** Reads exactly `size` bytes; rejects with changed if there are more or fewer. */
export async function gather(
  open: () => ReturnType<Body>,
  size: number,
  ask: OperationContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const content = await opened(open(), ask);
  const wrong = () =>
    operationError(ask, "changed", { why: `its source does not have the ${size} bytes it had when listed` });
  if (content instanceof Uint8Array) {
    if (content.length !== size) throw wrong();
    return content;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  await pour(content, (chunk) => {
    if (at + chunk.length > size) return Promise.reject(wrong());
    bytes.set(chunk, at);
    at += chunk.length;
    return Promise.resolve();
  }, ask);
  if (at < size) throw wrong();
  return bytes;
}

/** Counts the bytes reported as sent, and subtracts them when they have to be sent again. */
export function countedBytes(onBytes: WriteOptions["onBytes"]) {
  let told = 0;
  return {
    onBytes: (bytes: number) => {
      told += bytes;
      onBytes?.(bytes);
    },
    takeBack: () => {
      if (told > 0) onBytes?.(-told);
    },
  };
}

/** Throws a retryable connection error if the ETag shows that the store did not store what was sent. */
export function mustBeUndamaged({ etag, isSealed }: Stored, sum: string, ask: OperationContext): void {
  if (isSealed || !looksLikeMd5(etag) || etag.toLowerCase() === sum) return;
  throw operationError(ask, "connection", { why: "what the store has is not what was sent" });
}

/** Converts an MD5 from hex to base64, as Content-MD5 carries it. */
export function toBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
