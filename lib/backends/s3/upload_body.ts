import { Buffer } from "node:buffer";
import type { Body, WriteOptions } from "../../core/backend.ts";
import type { S3Client } from "./client.ts";
import type { NewObject, WriteReply } from "./types.ts";
import type { ConditionalWriteSupport } from "./conditional_write.ts";
import type { ObjectContext } from "./stat.ts";
import { formatMtime, looksLikeMd5 } from "./metadata.ts";
import { contentType } from "../shared/mime.ts";
import type { ByteSemaphore } from "../../net/byte_semaphore.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * The state that all writes to a store share. `partSize` in bytes; `begun`: the multipart uploads that this session
 * began and did not finish.
 */
export interface UploadContext {
  readonly client: S3Client;
  readonly support: ConditionalWriteSupport;
  readonly memory: ByteSemaphore;
  readonly partSize: number;
  readonly begunHere: Set<string>;
}

/** One write in progress. */
export interface PendingWrite {
  readonly context: ObjectContext;
  readonly body: Body;
  readonly options: WriteOptions;
}

/** Returns the metadata and content type of the new object. */
export function toNewObject({ context, options }: PendingWrite): Pick<NewObject, "metadata" | "contentType"> {
  const { modified } = options;
  return {
    metadata: modified === undefined ? {} : { mtime: formatMtime(modified) },
    contentType: contentType(context.path),
  };
}

/** Counts the bytes reported as sent, and subtracts them when they have to be sent again. */
export function countBytes(onBytes: WriteOptions["onBytes"]) {
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
export function assertUndamaged(
  { etag, isEtagOpaque }: WriteReply,
  sum: string,
  context: OperationContext,
): void {
  if (isEtagOpaque || !looksLikeMd5(etag) || etag.toLowerCase() === sum) return;
  throw operationError(context, "connection", { why: "what the store has is not what was sent" });
}

/** Converts an MD5 from hex to base64, as Content-MD5 carries it. */
export function hexToBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
