import { createHash } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import { countedBytes, type Desk, gather, mustBeUndamaged, toObject, type Writing } from "./upload_body.ts";
import type { NewObject, Sent } from "./types.ts";
import { guarded, learnHonours } from "./conditional_write.ts";
import { keyOf, toFile } from "./stat.ts";
import { suspecting } from "./object_options.ts";
import { sendParts } from "./multipart_upload.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Writes an object: in one request, or as a parallel multipart upload if it is larger than one part. Either way readers
 * see the old or the new object at every instant.
 */
export async function writeObject(desk: Desk, writing: Writing): Promise<FileEntry> {
  try {
    return await (writing.options.size > desk.partSize ? sendParts : sendWhole)(desk, writing);
  } catch (error) {
    throw suspecting(error, desk.store.options.manners, writing.spot);
  }
}

/** The largest file that is written a second time to probe the store's support for preconditions. */
const MOST_TO_ASK_WITH = 64 * 1024;

async function sendWhole(desk: Desk, writing: Writing): Promise<FileEntry> {
  const { options, spot } = writing;
  using _ = await desk.room.take(options.size, spot);
  const bytes = await gather(() => writing.body(), options.size, spot);
  const made = toObject(writing);
  const sum = createHash("md5").update(bytes).digest();
  const put = async (condition: object, onBytes?: WriteOptions["onBytes"]) => {
    const counted = countedBytes(onBytes);
    const sent: NewObject & Sent = { ...made, ...condition, ...counted, md5: sum.toString("base64") };
    try {
      const stored = await desk.store.put(keyOf(spot), bytes, spot, sent);
      mustBeUndamaged(stored, sum.toString("hex"), spot);
      return stored;
    } catch (error) {
      counted.takeBack();
      throw error;
    }
  };
  const { expect, onBytes } = options;
  const { store, honours } = desk;
  const stored = await guarded({ store, honours, spot, expect, write: (condition) => put(condition, onBytes) });
  if (bytes.length <= MOST_TO_ASK_WITH) {
    await learnHonours(honours, expect, async (condition) => {
      // A write by another client in the meantime must not be lost to the probe.
      const now = await store.head(keyOf(spot), spot);
      if (stored.etag !== undefined && now?.etag === stored.etag) return await put(condition);
      throw operationError(spot, "busy", { why: "somebody else writes it", transient: false });
    });
  }
  // Without an mtime of its own the file has its upload time, which only the store knows.
  const shown = options.modified === undefined ? await store.head(keyOf(spot), spot) : undefined;
  if (shown !== undefined) return toFile(spot.path, shown);
  return toFile(spot.path, { size: bytes.length, etag: stored.etag, metadata: made.metadata, arrived: undefined });
}
