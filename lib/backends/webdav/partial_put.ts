import { toSyncError } from "../../core/errors.ts";
import { statusOf } from "../../http/errors.ts";
import { encodePath } from "./href.ts";
import type { PendingWrite } from "./put.ts";
import { operationError } from "../../core/operation.ts";
import { isResumableFailure, MIN_RESUME_BYTES, resumeOffset } from "../shared/upload_resume.ts";
import type { DavClient } from "./client.ts";
import { sendPatiently } from "./patient_put.ts";
import { stat } from "./stat.ts";

/** Whether the next write of the same tag can resume a failed upload of this file. */
export function canResume({ options, profile, observed }: PendingWrite): boolean {
  return profile.ranges !== "none" && observed.acceptsRanges !== false && options.tag !== undefined &&
    options.size >= MIN_RESUME_BYTES;
}

/** Whether the leftover of a failed write is worth keeping for the next one. */
export function isResumableError(pending: PendingWrite, error: unknown): boolean {
  return isResumableFailure(toSyncError(error, pending.operation).kind);
}

/** Whether the failure means only that this server requires a file in one request, at its final name. */
export function isPartialPutRefused(error: unknown): boolean {
  return error instanceof PartialPutRefused || REFUSED_STATUSES.includes(statusOf(error) ?? 0);
}

/**
 * Sends the file by PUT with Content-Range (RFC 9110, section 14.5) to the temporary name, and resumes from a leftover
 * of a failed write of the same tag. A server that ignores the header is detected by the file's size; then it rejects
 * with an error that isPartialPutRefused() recognizes.
 */
export async function putRanges(
  client: DavClient,
  pending: PendingWrite,
  serverPath: readonly string[],
): Promise<void> {
  const { options, profile } = pending;
  const from = await findLeftover(client, { ...pending, serverPath });
  if (from > 0) options.onBytes?.(from);
  if (profile.ranges === "grows") return await putRest(client, { ...pending, serverPath }, from);
  await putPieces(client, { ...pending, serverPath }, from);
}

const PIECE_SIZE = 32 << 20;
const REFUSED_STATUSES: readonly number[] = [400, 403, 404, 405, 409, 411, 413, 415, 416, 501];

class PartialPutRefused extends Error {}

/** Returns the byte from which the upload resumes; 0 without a usable leftover. */
async function findLeftover(client: DavClient, pending: PendingWrite): Promise<number> {
  const found = (await stat(client, pending))?.entry;
  if (found === undefined) return 0;
  if (found.kind !== "file") {
    throw operationError(pending, "exists", { why: "its temporary name is taken by something that is no file" });
  }
  const from = resumeOffset(found.size, pending.options.size);
  if (from !== undefined) return from;
  const removed = await client.http.sendOk({ method: "DELETE", uri: encodePath(pending.serverPath) }, {
    ...pending,
    acceptedStatuses: [404, 410],
  });
  await removed.discard();
  return 0;
}

/**
 * Uploads to a server that keeps every byte received: the rest of the file is one part. An empty file is created first,
 * because a file that a broken PUT creates would be removed.
 */
async function putRest(client: DavClient, pending: PendingWrite, from: number): Promise<void> {
  const { size } = pending.options;
  if (from === 0) await putRange(client, pending, { from: 0, to: 0 });
  await putRange(client, pending, { from, to: size });
  if (from > 0) await assertServerSize(client, pending, size);
}

/**
 * Uploads to a server that keeps only complete parts. Each part may cost it a copy of the existing content, so the
 * parts grow with the file.
 */
async function putPieces(client: DavClient, pending: PendingWrite, from: number): Promise<void> {
  const { options, observed } = pending;
  if (from === 0 && observed.acceptsRanges === undefined) await assertRangeSupport(client, pending);
  for (let at = from; at < options.size;) {
    const to = Math.min(options.size, at + Math.max(PIECE_SIZE, Math.floor(at / 2)));
    await putRange(client, pending, { from: at, to });
    if (at > 0) await assertServerSize(client, pending, to);
    at = to;
  }
}

/**
 * Rejects with Unfit if parts are not allowed. lighttpd refuses a part of an absent file with 404 if parts are allowed,
 * and as a bad request otherwise.
 */
async function assertRangeSupport({ http }: DavClient, pending: PendingWrite): Promise<void> {
  const { serverPath, options } = pending;
  const response = await http.send({
    method: "PUT",
    uri: encodePath(serverPath),
    headers: { "content-range": `bytes 0-0/${options.size}` },
    body: { size: 1, open: () => Promise.resolve(new Uint8Array(1)) },
  }, pending);
  await response.discard();
  if (response.status !== 404) throw new PartialPutRefused("parts are not allowed");
}

interface ByteRange {
  readonly from: number;
  /** The end of the range, exclusive. */
  readonly to: number;
}

/**
 * Sends one part. It has no Content-Range if it begins a new file: lighttpd and Apache then create the file completely
 * or not at all. A part that resumes from a leftover must find it: Apache would otherwise put a hole in its place.
 */
async function putRange(client: DavClient, pending: PendingWrite, { from, to }: ByteRange): Promise<void> {
  const { serverPath, options, profile, body } = pending;
  const { size } = options;
  const createsFile = from === 0 && (to === 0 || profile.ranges === "pieces");
  const isWhole = from === 0 && to === size;
  // lighttpd refuses a part of an absent file by itself.
  const isResuming = from > 0 && profile.ranges === "grows";
  const request = {
    method: "PUT",
    uri: encodePath(serverPath),
    headers: {
      "content-type": "application/octet-stream",
      ...(createsFile ? {} : { "content-range": `bytes ${from}-${to - 1}/${size}` }),
      ...(isResuming ? { "if-match": "*" } : {}),
    },
    body: {
      size: to - from,
      open: () => to === 0 ? Promise.resolve(new Uint8Array()) : isWhole ? body() : body(from, to),
      onBytes: (bytes: number) => options.onBytes?.(bytes),
    },
  };
  const isDone = async () => {
    const found = (await stat(client, pending))?.entry;
    return found?.kind === "file" && found.size === to;
  };
  const context = { ...pending, acceptedStatuses: isResuming ? [412] : [] };
  const response = await sendPatiently(client, context, { request, size: to, isDone });
  if (response?.status === 412) throw new PartialPutRefused("what was left is gone");
}

async function assertServerSize(client: DavClient, pending: PendingWrite, size: number): Promise<void> {
  const found = (await stat(client, pending))?.entry;
  if (found?.kind !== "file" || found.size !== size) {
    throw new PartialPutRefused("the server put a part where it does not belong");
  }
  pending.observed.acceptsRanges = true;
}
