import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { failureReason, operationError } from "../../core/operation.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Pool } from "./pool.ts";
import { statusOf } from "./errors.ts";
import { parseStat } from "./stat.ts";
import { type PendingWrite, statWritten } from "./temp_file.ts";
import type { Handle } from "./open_handles.ts";
import { markHandled } from "./requests.ts";
import type { SftpClient } from "./client.ts";
import type { RawAttributes } from "../../ssh/channels.ts";

/** The last second that SFTP version 3 can represent, in 2106. */
export const MAX_SECONDS = 0xffff_ffff;

export interface FinalizeOptions {
  readonly pending: PendingWrite;
  /** The unanswered WRITEs. */
  readonly unacked: readonly Promise<void>[];
}

/** A finished temporary file, and the client to go on with. */
export interface Finalized {
  readonly client: SftpClient;
  readonly entry: FileEntry;
}

/**
 * Sets mode and time, sends CLOSE and checks the file by its path. All are sent right after the WRITEs if the server
 * keeps the order of requests. If CLOSE is not answered although all bytes were, the file is looked at before anything
 * is sent again.
 */
export async function finalize(
  pool: Pool,
  client: SftpClient,
  handle: Handle,
  { pending, unacked: sent }: FinalizeOptions,
): Promise<Finalized> {
  let isWritten = false;
  const written = Promise.all(sent).then(() => {
    isWritten = true;
  });
  try {
    return { client, entry: await closeAndCheck(client, handle, { pending, written }) };
  } catch (error) {
    const isUnanswered = error instanceof SyncError && (error.kind === "timeout" || error.kind === "connection");
    if (!isWritten || !isUnanswered || pending.signal.aborted) throw error;
    return await finishUnconfirmed(pool, pending, error);
  }
}

async function closeAndCheck(
  client: SftpClient,
  handle: Handle,
  { pending, written }: { readonly pending: PendingWrite; readonly written: Promise<void> },
): Promise<FileEntry> {
  const wanted = wantedAttributes(pending);
  if (!client.keepsOrder) await written;
  const setting = markHandled(trySetAttributes(client, handle, { pending, attributes: wanted }));
  if (!client.keepsOrder) await setting;
  const closing = markHandled(client.close(handle, pending));
  if (!client.keepsOrder) await closing;
  const [entry, refused] = await Promise.all([statWritten(client, pending), setting, closing, written]);
  const mode = missingExecuteBits(entry, pending);
  if (refused === NOTHING && mode === undefined) return entry;
  return await setRest(client, {
    pending,
    refused,
    attributes: { ...refused, ...(mode === undefined ? {} : { mode }) },
  });
}

/** Sets by the path what the server refused to set by the handle, and what it shows otherwise than wanted. */
async function setRest(
  client: SftpClient,
  { pending, refused, attributes }: AttributeOptions & { readonly refused: RawAttributes },
): Promise<FileEntry> {
  const stillRefused = await trySetAttributes(client, pending.temp, { pending, attributes });
  if (stillRefused.mtime === undefined && refused.mtime !== undefined) client.profile.setsByHandle = false;
  warnRefused(pending, stillRefused);
  return await statWritten(client, pending);
}

/** Returns the mode with the x bits that a new program should have where it can be read, if the file lacks them. */
function missingExecuteBits({ mode }: FileEntry, { isExecutable }: PendingWrite): number | undefined {
  if (isExecutable !== true || mode === undefined) return undefined;
  const wanted = mode | ((mode & 0o444) >> 2);
  return wanted === mode ? undefined : wanted;
}

/**
 * Goes on with a temporary file whose CLOSE was not answered, if it is whole. Otherwise rejects: as retryable only the
 * first time, since a file that a gateway takes minutes to pass on must not be sent again and again.
 */
async function finishUnconfirmed(pool: Pool, pending: PendingWrite, error: SyncError): Promise<Finalized> {
  const client = await pool.client(pending);
  const attributes = await client.lstat(pending.temp, pending);
  const found = attributes === undefined ? undefined : parseStat(pending.path, attributes);
  if (found?.kind !== "file" || found.size !== pending.options.size) {
    const state = found?.kind === "file" ? `it holds ${found.size} bytes` : "the file is not there";
    throw operationError(pending, error.kind, {
      why: `${failureReason(error)}; ${state} after ${pending.options.size} bytes were sent`,
      transient: pool.profile.countUnconfirmed(pending.temp) < MAX_UNCONFIRMED,
      cause: error,
    });
  }
  await setAttributes(client, pending.temp, pending);
  return { client, entry: await statWritten(client, pending) };
}

/** The number of times that a file is sent whose end the server does not confirm. */
const MAX_UNCONFIRMED = 2;

/** Sets the requested mode and time. A refusal is a warning: the content is valid without its time or mode. */
export async function setAttributes(client: SftpClient, target: Handle | string, pending: PendingWrite): Promise<void> {
  const attributes = wantedAttributes(pending);
  warnRefused(pending, await trySetAttributes(client, target, { pending, attributes }));
}

function wantedAttributes(pending: PendingWrite): RawAttributes {
  const { mode, options } = pending;
  const times = options.modified === undefined ? {} : toSftpTimes(options.modified, pending);
  return { ...(mode === undefined ? {} : { mode }), ...times };
}

interface AttributeOptions {
  readonly pending: PendingWrite;
  readonly attributes: RawAttributes;
}

const NOTHING: RawAttributes = {};

/** Returns the attributes that the server refused to set; NOTHING if all are set. */
async function trySetAttributes(
  client: SftpClient,
  target: Handle | string,
  { pending, attributes }: AttributeOptions,
): Promise<RawAttributes> {
  const { mode, mtime } = attributes;
  if (mode === undefined && mtime === undefined) return NOTHING;
  if (typeof target !== "string" && !client.profile.setsByHandle) return attributes;
  if (await isSet(client, target, { pending, attributes })) return NOTHING;
  if (mode === undefined || mtime === undefined) return attributes;
  const times = { atime: attributes.atime ?? mtime, mtime };
  const isModeSet = await isSet(client, target, { pending, attributes: { mode } });
  const areTimesSet = await isSet(client, target, { pending, attributes: times });
  return isModeSet && areTimesSet ? NOTHING : { ...(isModeSet ? {} : { mode }), ...(areTimesSet ? {} : times) };
}

async function isSet(
  client: SftpClient,
  target: Handle | string,
  { pending, attributes }: AttributeOptions,
): Promise<boolean> {
  try {
    if (typeof target === "string") await client.setstat(target, attributes, pending);
    else await client.fsetstat(target, attributes, pending);
    return true;
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    return false;
  }
}

function warnRefused({ path, options }: PendingWrite, refused: RawAttributes): void {
  const name = escapeForDisplay(path);
  if (refused.mode !== undefined) options.onWarning?.(`The server refused to set the mode of "${name}"`);
  if (refused.mtime !== undefined) options.onWarning?.(`The server refused to set the time of "${name}"`, "time");
}

/** Converts a time to whole seconds from 1970 to 2106: SFTP version 3 represents no others. */
function toSftpTimes(modified: number, { path, options }: Pick<PendingWrite, "path" | "options">): RawAttributes {
  const wanted = Math.floor(modified / 1000);
  const mtime = Math.min(Math.max(wanted, 0), MAX_SECONDS);
  if (mtime !== wanted) {
    options.onWarning?.(
      `The time of "${
        escapeForDisplay(path)
      }" is outside 1970 to 2106, which SFTP cannot represent; the nearest one was set`,
      "time",
    );
  }
  return { atime: mtime, mtime };
}
