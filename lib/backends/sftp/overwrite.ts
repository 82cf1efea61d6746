import type { FileEntry } from "../../core/entry.ts";
import type { Body } from "../../core/backend.ts";
import { mismatch } from "../shared/preconditions.ts";
import { chunksOf, unlessCancelled, wrongSize } from "./read_exactly.ts";
import { look, lookFor, toSeen } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { type Draft, written } from "./temp_file.ts";
import { WRITE } from "./client.ts";
import { setAttributes, type Writing } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Overwrites a file in place: it keeps its inode, and so its owner, its ACL and its other names. Old and new content
 * mix until it is done. Right before its first byte is sent, after the source has answered, the file is compared again
 * by its path and by its handle, so that an edit made meanwhile is not lost.
 */
export async function overwrite(pool: Pool, body: Body, writing: Writing): Promise<FileEntry> {
  const { at, options, signal } = writing;
  const wire = await pool.wire(writing);
  await writing.checkParent(wire);
  const { expect } = options;
  const found = await lookFor(wire, at, { ...writing, ...(expect === undefined ? {} : { expect }) });
  if (found?.kind !== "file") {
    throw operationError(writing, "changed", { why: "there is no file whose content could be replaced" });
  }
  const draft: Draft = { ...writing, temp: at, mode: undefined };
  const content = await unlessCancelled(body(), writing);
  const handle = await wire.open(at, WRITE, writing);
  try {
    const flying = new Set<Promise<void>>();
    const mustBeUntouched = async () => {
      const [seen, open] = await Promise.all([
        look(wire, at, writing),
        wire.fstat(handle, writing),
        writing.checkParent(wire),
      ]);
      const opened = toSeen(writing.path, open);
      const why = mismatch(found, seen) ?? mismatch(found, opened.kind === "link" ? undefined : opened);
      if (why !== undefined) throw operationError(writing, "changed", { why });
    };
    let size = 0;
    for await (const chunk of chunksOf(content, writing)) {
      if (size + chunk.length > options.size) throw wrongSize({ ...writing, size: options.size }, Infinity);
      if (size === 0) await mustBeUntouched();
      for (let from = 0; from < chunk.length; from += wire.maxWrite) {
        const piece = chunk.subarray(from, from + wire.maxWrite);
        const sent = wire.write(handle, piece, { ...writing, to: size + from });
        flying.add(sent);
        sent.then(() => flying.delete(sent), () => {});
        if (flying.size >= IN_FLIGHT) await Promise.race(flying);
      }
      size += chunk.length;
      options.onBytes?.(chunk.length);
    }
    await Promise.all(flying);
    if (size < options.size) throw wrongSize({ ...writing, size: options.size }, size);
    if (size === 0) await mustBeUntouched();
    if (found.size > size) await wire.fsetstat(handle, { size }, writing);
    await setAttributes(wire, handle, draft);
    await wire.close(handle, { ...writing, signal });
    return await written(wire, draft);
  } catch (error) {
    wire.drop(handle);
    throw error;
  }
}

/** The limit of unanswered WRITEs: 2 MiB of them, as much as a channel's window holds. */
const IN_FLIGHT = 64;
