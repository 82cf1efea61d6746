import type { FileEntry } from "../../core/entry.ts";
import type { Body } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { chunksOf } from "./content_chunks.ts";
import { awaitContent, wrongSizeError } from "../../net/byte_stream.ts";
import { parseStat, stat, statExpecting } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { type PendingWrite, statWritten } from "./temp_file.ts";
import { WRITE } from "./client.ts";
import { setAttributes, type WriteContext } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Overwrites a file in place: it keeps its inode, and so its owner, its ACL and its other names. Old and new content
 * mix until it is done. Right before its first byte is sent, after the source has answered, the file is compared again
 * by its path and by its handle, so that an edit made meanwhile is not lost.
 */
export async function overwriteInPlace(pool: Pool, body: Body, context: WriteContext): Promise<FileEntry> {
  const { serverPath: at, options, signal } = context;
  const client = await pool.client(context);
  await context.checkParent(client);
  const { expect } = options;
  const found = await statExpecting(client, at, { ...context, ...(expect === undefined ? {} : { expect }) });
  if (found?.kind !== "file") {
    throw operationError(context, "changed", { why: "there is no file whose content could be replaced" });
  }
  const pending: PendingWrite = { ...context, temp: at, mode: undefined };
  const content = await awaitContent(body(), context);
  const handle = await client.open(at, WRITE, context);
  try {
    const unacked = new Set<Promise<void>>();
    const assertUntouched = async () => {
      const [current, open] = await Promise.all([
        stat(client, at, context),
        client.fstat(handle, context),
        context.checkParent(client),
      ]);
      const opened = parseStat(context.path, open);
      const why = describeMismatch(found, current) ??
        describeMismatch(found, opened.kind === "link" ? undefined : opened);
      if (why !== undefined) throw operationError(context, "changed", { why });
    };
    let size = 0;
    for await (const chunk of chunksOf(content, context)) {
      if (size + chunk.length > options.size) throw wrongSizeError(context, { given: Infinity, size: options.size });
      if (size === 0) await assertUntouched();
      for (let from = 0; from < chunk.length; from += client.maxWrite) {
        const piece = chunk.subarray(from, from + client.maxWrite);
        const sent = client.write(handle, piece, { ...context, to: size + from });
        unacked.add(sent);
        sent.then(() => unacked.delete(sent), () => {});
        if (unacked.size >= MAX_UNACKED_WRITES) await Promise.race(unacked);
      }
      size += chunk.length;
      options.onBytes?.(chunk.length);
    }
    await Promise.all(unacked);
    if (size < options.size) throw wrongSizeError(context, { given: size, size: options.size });
    if (size === 0) await assertUntouched();
    if (found.size > size) await client.fsetstat(handle, { size }, context);
    await setAttributes(client, handle, pending);
    await client.close(handle, { ...context, signal });
    return await statWritten(client, pending);
  } catch (error) {
    client.closeInBackground(handle);
    throw error;
  }
}

/** The limit of unanswered WRITEs: 2 MiB of them, as much as a channel's window holds. */
const MAX_UNACKED_WRITES = 64;
