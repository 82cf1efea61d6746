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

/** What all writes to a store share. `partSize` in bytes; `begun`: the uploads in parts that this session began and did not finish. */
export interface Desk {
  readonly store: Store;
  readonly honours: Honours;
  readonly room: Room;
  readonly partSize: number;
  readonly begun: Set<string>;
}

/** One file on its way. */
export interface Writing {
  readonly spot: Spot;
  readonly body: Body;
  readonly options: WriteOptions;
}

/** What the new object is given besides its bytes. */
export function toObject({ spot, options }: Writing): Pick<NewObject, "metadata" | "contentType"> {
  const { modified } = options;
  return {
    metadata: modified === undefined ? {} : { mtime: formatTime(modified) },
    contentType: contentType(spot.path),
  };
}

/** Exactly so many bytes; more or fewer reject with changed. */
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

/** Tells bytes on their way, and takes back what was told when they have to go once more. */
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

/** Throws a connection error that passes where the store has not stored what was sent, as far as its ETag tells. */
export function mustBeUndamaged({ etag, isSealed }: Stored, sum: string, ask: OperationContext): void {
  if (isSealed || !looksLikeMd5(etag) || etag.toLowerCase() === sum) return;
  throw operationError(ask, "connection", { why: "what the store has is not what was sent" });
}

/** Bytes in base64, as Content-MD5 carries them. */
export function toBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
