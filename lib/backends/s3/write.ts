import { createHash } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import { assertUndamaged, countBytes, type PendingWrite, toNewObject, type UploadContext } from "./upload_body.ts";
import type { BodyOptions, NewObject } from "./types.ts";
import { probeSupport, writeConditionally } from "./conditional_write.ts";
import { keyOf, toFileEntry } from "./stat.ts";
import { explainRejectedOptions } from "./object_options.ts";
import { uploadInParts } from "./multipart_upload.ts";
import { operationError } from "../../core/operation.ts";
import { readExactly } from "../../net/byte_stream.ts";

/**
 * Writes an object: in one request, or as a parallel multipart upload if it is larger than one part. Either way readers
 * see the old or the new object at every instant.
 */
export async function writeObject(uploads: UploadContext, pending: PendingWrite): Promise<FileEntry> {
  try {
    return await (pending.options.size > uploads.partSize ? uploadInParts : uploadWhole)(uploads, pending);
  } catch (error) {
    throw explainRejectedOptions(error, uploads.client.options.objectOptions, pending.context);
  }
}

/** The largest file that is written a second time to probe the store's support for preconditions. */
const MAX_PROBE_BYTES = 64 * 1024;

async function uploadWhole(uploads: UploadContext, pending: PendingWrite): Promise<FileEntry> {
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
      throw operationError(context, "busy", { why: "somebody else writes it", transient: false });
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
