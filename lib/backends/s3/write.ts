import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { readExactly } from "../../net/byte_stream.ts";
import type { S3Client } from "./client.ts";
import type { BodyOptions, NewObject, WriteReply } from "./types.ts";
import { type ConditionalWriteSupport, probeSupport, writeConditionally } from "./conditional_write.ts";
import { keyOf, type ObjectContext } from "./keys.ts";
import { toFileEntry } from "./stat.ts";
import { formatMtime } from "./codec.ts";
import { looksLikeMd5 } from "./etag.ts";
import { contentType } from "../shared/mime.ts";
import type { ByteSemaphore } from "../../net/byte_semaphore.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * The state that all writes to a store share. `partSize` in bytes; `begunHere`: the multipart uploads that this session
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

/**
 * Writes an object in one request. Readers see the old or the new object at every instant. If the store's support for
 * preconditions is unknown, a small write is repeated under one that does not hold.
 */
export async function uploadWhole(uploads: UploadContext, pending: PendingWrite): Promise<FileEntry> {
  const { options, context } = pending;
  using _ = await uploads.memory.acquire(options.size, context);
  const bytes = await readExactly(pending.body(), { ...context, size: options.size });
  const made = toNewObject(pending);
  const sum = createHash("md5").update(bytes).digest();
  const put = async (condition: object, onBytes?: WriteOptions["onBytes"]) => {
    const counted = countBytes(onBytes);
    const sent: NewObject & BodyOptions = { ...made, ...condition, ...counted, md5: sum.toString("base64") };
    try {
      const stored = await uploads.client.put(keyOf(context), bytes, context, sent);
      assertUndamaged(stored, sum.toString("hex"), context);
      return stored;
    } catch (error) {
      counted.takeBack();
      throw error;
    }
  };
  const { expect, onBytes } = options;
  const { client, support } = uploads;
  const stored = await writeConditionally({
    client,
    support,
    context,
    expect,
    write: (condition) => put(condition, onBytes),
  });
  if (bytes.length <= MAX_PROBE_BYTES) {
    await probeSupport(support, expect, async (condition) => {
      // A write by another client in the meantime must not be lost to the probe.
      const now = await client.head(keyOf(context), context);
      if (stored.etag !== undefined && now?.etag === stored.etag) return await put(condition);
      throw operationError(context, "busy", { why: "another client writes it", transient: false });
    });
  }
  // Without an mtime of its own the file has its upload time, which only the store knows.
  const shown = options.modified === undefined ? await client.head(keyOf(context), context) : undefined;
  if (shown !== undefined) return toFileEntry(context.path, shown);
  return toFileEntry(context.path, {
    size: bytes.length,
    etag: stored.etag,
    metadata: made.metadata,
    arrived: undefined,
  });
}

/** Returns the metadata and content type of the new object. */
export function toNewObject({ context, options }: PendingWrite): Pick<NewObject, "metadata" | "contentType"> {
  const { modified, nanoseconds } = options;
  return {
    metadata: modified === undefined ? {} : { mtime: formatMtime(modified, nanoseconds) },
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
  throw operationError(context, "connection", { why: "the store holds other bytes than were sent" });
}

/** Converts an MD5 from hex to base64, as Content-MD5 carries it. */
export function hexToBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

/** The largest file that is written a second time to probe the store's support for preconditions. */
const MAX_PROBE_BYTES = 64 * 1024;
