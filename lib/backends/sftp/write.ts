import { cancelled, SyncError, toSyncError } from "../../core/errors.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { type Body, SMALL_FILE_BYTES, type WriteOptions } from "../../core/backend.ts";
import { awaitContent, forEachChunk, readExactly, wrongSizeError } from "../../net/byte_stream.ts";
import { pickExpected } from "./stat.ts";
import type { DirectWrites } from "../shared/direct_writes.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { isResumableFailure, MIN_RESUME_BYTES } from "../shared/upload_resume.ts";
import { childOf, parseStat, type PathContext, stat, statExpecting } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { commit } from "./commit.ts";
import { WriteSamples } from "./read_back.ts";
import { finalize, setAttributes } from "./finalize.ts";
import type { UploadOptions } from "./leftover.ts";
import { startUpload } from "./parallel_upload.ts";
import {
  createTemp,
  explainRefusal,
  type PendingWrite,
  randomTag,
  removeTemp,
  resolveMode,
  statWritten,
} from "./temp_file.ts";
import { type SftpClient, WRITE } from "./client.ts";
import { failureReason, operationError } from "../../core/operation.ts";
import { isOrderError, isRefusedWrite } from "./errors.ts";

export interface WriteContext extends PathContext {
  readonly options: WriteOptions;
  /** The server path of the parent folder. */
  readonly dir: string;
}

/**
 * Writes a file atomically: the bytes go to a temporary name beside the target, created exclusively. Time and mode are
 * set on its handle. After CLOSE its size is checked by its path, since a handle may turn out to belong to another
 * file. Then come a last stat of the target and the rename. The parent folders are checked again together with OPEN and
 * before the rename. Small files cost three round trips; large ones use all connections, and resume from the leftover
 * of a failed write of the same tag.
 */
export async function writeFile(pool: Pool, body: Body, context: WriteContext): Promise<FileEntry> {
  const { options, path } = context;
  const { directWrites } = pool.profile;
  if (directWrites?.isOn === true) return await writeDirectly(pool, directWrites, { body, context });
  const client = await pool.client(context);
  const mode = await resolveMode(client, context, options);
  const temp = childOf(context.dir, pool.profile.tempName(path, options.tag ?? randomTag()));
  const isExecutable = options.executable === true && mode === undefined;
  const pending: PendingWrite = { ...context, temp, mode, isExecutable, order: pool.profile.writeOrder };
  return await writePending(pool, client, { body, pending });
}

/**
 * Writes a new file under its final name, on servers that rename nothing. The remainder of an earlier attempt of this
 * run is overwritten.
 */
function writeDirectly(
  pool: Pool,
  directWrites: DirectWrites,
  { body, context }: { readonly body: Body; readonly context: WriteContext },
): Promise<FileEntry> {
  return directWrites.write(
    context,
    context.options,
    (options) => writeFinal(pool, body, { ...context, options }),
  );
}

async function writeFinal(pool: Pool, body: Body, context: WriteContext): Promise<FileEntry> {
  const { options, serverPath } = context;
  const client = await pool.client(context);
  await context.checkParent(client);
  const found = await statExpecting(client, serverPath, { ...context, ...pickExpected(options) });
  const { mode } = options;
  const pending: PendingWrite = {
    ...context,
    temp: serverPath,
    isDirect: true,
    mode: mode === undefined ? undefined : mode & 0o777,
    isExecutable: options.executable === true && mode === undefined,
    order: pool.profile.writeOrder,
  };
  return found !== undefined && options.inPlace === true
    ? await overwriteInPlace(pool, body, context)
    : await writePending(pool, client, { body, pending });
}

function writePending(pool: Pool, client: SftpClient, { body, pending }: UploadOptions): Promise<FileEntry> {
  const { size } = pending.options;
  const write = size > SMALL_FILE_BYTES ? writeLarge : writeSmall;
  if (client.sharesUploads || size <= client.maxWrite || pool.profile.isOrderProven) {
    return write(pool, client, { body, pending });
  }
  return write(pool, client, { body, pending: { ...pending, samples: new WriteSamples() } });
}

async function writeSmall(pool: Pool, client: SftpClient, { body, pending }: UploadOptions): Promise<FileEntry> {
  const { options, signal } = pending;
  const bytes = await readExactly(body(), { ...pending, size: options.size });
  const handle = await createTemp(client, pending);
  try {
    const unacked: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += client.maxWrite) {
      const piece = bytes.subarray(at, at + client.maxWrite);
      pending.samples?.add(piece, at);
      const sent = client.write(handle, piece, { ...pending, to: at });
      if (pending.order === "one by one") await sent;
      unacked.push(sent);
    }
    options.onBytes?.(bytes.length);
    const done = await finalize(pool, client, handle, { pending, unacked });
    if (signal.aborted) throw cancelled(signal, pending.operation);
    await pending.samples?.assertHeld(done.client, pending);
    if (pending.isDirect !== true) await commit(done.client, pending);
    return done.entry;
  } catch (error) {
    client.closeInBackground(handle);
    await removeTemp(client, pending);
    throw await explainWriteFailure(pool, client, { error, pending });
  }
}

async function writeLarge(pool: Pool, client: SftpClient, { body, pending }: UploadOptions): Promise<FileEntry> {
  const upload = await startUpload(pool, client, { pending, body });
  try {
    await upload.run();
    const done = await finalize(pool, client, upload.handle, { pending, unacked: [] });
    await pending.samples?.assertHeld(done.client, pending);
    if (pending.isDirect !== true) await commit(done.client, pending);
    return done.entry;
  } catch (error) {
    upload.stop();
    client.closeInBackground(upload.handle);
    const known = toSyncError(error, pending.operation);
    // Here "busy" means that the server may have mixed up files: what it holds is then not trusted.
    const isResumable = isResumableFailure(known.kind) && known.kind !== "busy";
    const keep = pending.isDirect !== true && pending.options.tag !== undefined && isResumable &&
      upload.firstUnacked >= MIN_RESUME_BYTES;
    if (!keep) await removeTemp(client, pending);
    throw await explainWriteFailure(pool, client, { error: known, pending });
  }
}

/**
 * Returns the error of a failed upload. A refused WRITE may mean that the server takes bytes only in order: then the
 * error is retryable, and further files are sent that way.
 */
async function explainWriteFailure(
  pool: Pool,
  client: SftpClient,
  { error, pending }: { readonly error: unknown; readonly pending: PendingWrite },
): Promise<unknown> {
  const explained = await explainRefusal(client, error, pending);
  const isFull = explained instanceof SyncError && explained.kind === "full";
  const isCertain = isOrderError(error);
  if (isFull || !isRefusedWrite(error) || pending.options.size <= client.maxWrite) return explained;
  // Servers that are known to keep files on disks refuse a WRITE for other reasons.
  if (!isCertain && client.keepsOrder) return explained;
  if (!pool.profile.demandOrder(pending.order ?? "any", isCertain)) return explained;
  const said = error instanceof SyncError ? failureReason(error) : String(error);
  return operationError(pending, "busy", { why: `${said}; the file is sent again, in order`, cause: error });
}

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
      // The server emptied the file when it was opened for writing: what is left to do is to fill it.
      if (
        !client.sharesUploads && found.size > 0 && isEmptyFile(current) && opened.kind === "file" && opened.size === 0
      ) return;
      const why = describeMismatch(found, current) ??
        describeMismatch(found, opened.kind === "link" ? undefined : opened);
      if (why !== undefined) throw operationError(context, "changed", { why });
    };
    let size = 0;
    await forEachChunk(content, async (chunk) => {
      if (chunk.length === 0) return;
      if (size + chunk.length > options.size) {
        throw wrongSizeError(context, { given: Infinity, size: options.size });
      }
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
    }, context);
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

function isEmptyFile(entry: Entry | undefined): boolean {
  return entry?.kind === "file" && entry.size === 0;
}

/** The limit of unanswered WRITEs: 2 MiB of them, as much as a channel's window holds. */
const MAX_UNACKED_WRITES = 64;
