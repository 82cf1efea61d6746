import { Buffer } from "node:buffer";
import type { Body } from "../../core/backend.ts";
import { readExactly } from "../../net/byte_stream.ts";
import { statusOf } from "./errors.ts";
import { stat } from "./stat.ts";
import { createTemp, type PendingWrite, randomTag, removeTemp } from "./temp_file.ts";
import type { Handle } from "./open_handles.ts";
import { type SftpClient, WRITE } from "./client.ts";

export interface UploadOptions {
  readonly pending: PendingWrite;
  readonly body: Body;
}

/**
 * The largest distance between the first unacknowledged byte and the last one sent. Every version of Tandem must keep
 * this value, because it decides how much of an older version's leftover is complete.
 */
export const RESUME_WINDOW = 16 << 20;
const COMPARED_BYTES = 64 * 1024;

/**
 * Returns the handle of a leftover of the same tag and the number of its first bytes that are valid, or undefined if
 * there is none to resume.
 */
export async function resumeLeftover(
  client: SftpClient,
  { pending, body }: UploadOptions,
): Promise<[Handle, number] | undefined> {
  const { options, temp } = pending;
  // A server that writes only in order cannot go on within a file.
  if (options.tag === undefined || pending.isDirect === true || (pending.order ?? "any") !== "any") return undefined;
  const [found] = await Promise.all([stat(client, temp, pending), pending.checkParent(client)]);
  if (found?.kind !== "file" || found.size > options.size) return undefined;
  const kept = found.size - RESUME_WINDOW;
  if (kept < COMPARED_BYTES || !await isOwnLeftover(client, pending)) return undefined;
  const handle = await client.open(temp, READ_WRITE, pending);
  try {
    const isKept = await holdsLeftover(client, handle, { pending, body, kept });
    if (isKept && (await client.fstat(handle, pending)).size === found.size) return [handle, kept];
  } catch (error) {
    // A server that reads nothing by a handle for writing.
    if (statusOf(error) === undefined) throw error;
  }
  client.closeInBackground(handle);
  return undefined;
}

/** Whether the first and the last of the bytes that are kept of a leftover are those of the source. */
export async function holdsLeftover(
  client: SftpClient,
  handle: Handle,
  { pending, body, kept }: UploadOptions & { readonly kept: number },
): Promise<boolean> {
  const equal = [0, kept - COMPARED_BYTES].map(async (from) => {
    const remote = Buffer.alloc(COMPARED_BYTES);
    const range = { into: remote, at: 0, length: COMPARED_BYTES, from };
    const [count, local] = await Promise.all([
      client.read(handle, range, pending),
      readExactly(body(from, from + COMPARED_BYTES), { ...pending, size: COMPARED_BYTES }),
    ]);
    return remote.subarray(0, count).equals(local);
  });
  return (await Promise.all(equal)).every(Boolean);
}

/**
 * Whether the leftover is a file of the logged-in account that no other account can write. The account's uid is read
 * from a file created for that purpose. If the server reports no owners, the name alone is trusted, because it contains
 * a secret.
 */
async function isOwnLeftover(client: SftpClient, pending: PendingWrite): Promise<boolean> {
  const leftover = await client.lstat(pending.temp, pending);
  if (leftover === undefined || ((leftover.mode ?? 0) & OTHERS_WRITE) !== 0) return false;
  if (leftover.uid === undefined) return true;
  const folder = pending.temp.slice(0, pending.temp.lastIndexOf("/") + 1);
  const probe: PendingWrite = { ...pending, temp: folder + client.profile.tempName(pending.path, randomTag()) };
  const handle = await createTemp(client, probe);
  try {
    return (await client.fstat(handle, probe)).uid === leftover.uid;
  } finally {
    client.closeInBackground(handle);
    await removeTemp(client, probe);
  }
}

const READ_WRITE = WRITE | 0x01;
/** The mode bits that let other accounts write. */
const OTHERS_WRITE = 0o022;
