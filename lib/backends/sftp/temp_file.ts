import { randomBytes } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import { undottedTempPath } from "../../core/temp_name.ts";
import { escapeForDisplay, nameOf } from "../../core/path.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import { parseStat, type PathContext, stat, statExpecting } from "./stat.ts";
import { FAILURE, NO_SUCH_FILE, statusOf } from "./errors.ts";
import type { Handle } from "./open_handles.ts";
import type { WriteSamples } from "./read_back.ts";
import type { WriteOrder } from "./profile.ts";
import { CREATE, EXCLUSIVE, type SftpClient, WRITE } from "./client.ts";
import { failureReason, type OperationContext, operationError, type ResolvedPath } from "../../core/operation.ts";

/** A file being written: its target, and its temporary name beside that. */
export interface PendingWrite extends PathContext {
  readonly temp: string;
  readonly options: WriteOptions;
  /** The rwx bits of the finished file; undefined: the server's default for new files. */
  readonly mode: number | undefined;
  /** Whether the "temporary" name is the final one: the file is written directly. */
  readonly isDirect?: boolean;
  /** Whether a new file gets x bits where it has r bits. */
  readonly isExecutable?: boolean;
  /** Samples of what is written, if they are to be read back. */
  readonly samples?: WriteSamples | undefined;
  /** The order in which its bytes are sent; "any" by default. */
  readonly order?: WriteOrder;
}

/** Returns the context without its signal: cleaning up continues although the call was cancelled. */
export function uncancellable<A extends OperationContext>(context: A): A {
  return { ...context, signal: new AbortController().signal };
}

/** Returns a tag for a write that has none. */
export function randomTag(): string {
  return randomBytes(8).toString("hex");
}

/** Returns the mode of the finished file. Rejects with changed or exists when the target is not as expected. */
export async function resolveMode(
  client: SftpClient,
  context: ResolvedPath,
  options: WriteOptions,
): Promise<number | undefined> {
  const fresh = options.mode === undefined ? undefined : options.mode & 0o777;
  const { expect } = options;
  if (expect === "absent") return fresh;
  if (expect?.kind === "file" && expect.mode !== undefined) return expect.mode;
  const found = await statExpecting(client, context.serverPath, {
    ...context,
    ...(expect === undefined ? {} : { expect }),
  });
  assertReplaceable(found, { ...context, options });
  return found?.kind === "file" ? found.mode ?? fresh : fresh;
}

/**
 * Creates the temporary file and checks its parent folders at the same time. It is opened exclusively, so that nothing
 * is written through a link or into another program's file of that name.
 */
export async function createTemp(client: SftpClient, pending: PendingWrite): Promise<Handle> {
  const [parent, made] = await Promise.allSettled([pending.checkParent(client), openTemp(client, pending)]);
  if (parent.status === "rejected") {
    if (made.status === "fulfilled") {
      client.closeInBackground(made.value);
      await removeTemp(client, pending);
    }
    throw parent.reason;
  }
  return made.status === "fulfilled" ? made.value : await replaceLeftover(client, pending, made.reason);
}

function openTemp(client: SftpClient, pending: PendingWrite): Promise<Handle> {
  // OpenSSH applies its umask to this mode; other servers get the x bits after they chose a mode themselves.
  const isProgram = pending.isExecutable === true && client.software.startsWith("OpenSSH");
  return client.open(pending.temp, WRITE | CREATE | EXCLUSIVE, isProgram ? { ...pending, mode: 0o777 } : pending);
}

/**
 * Handles a temporary name that exists. A regular file there is the leftover of a failed write. It is removed, not
 * overwritten, because it may share its content with the target (OpenSSH renames by link and unlink).
 */
async function replaceLeftover(client: SftpClient, pending: PendingWrite, error: unknown): Promise<Handle> {
  if (error instanceof SyncError && error.kind === "busy") {
    // It was created, with the handle of another file, unless the server refused to open any.
    if (statusOf(error) === undefined) await removeTemp(client, pending);
    throw error;
  }
  const status = statusOf(error);
  if (status === undefined || status === NO_SUCH_FILE) throw error;
  const found = await stat(client, pending.temp, pending);
  if (found === undefined) throw await explainRefusedName(client, error, pending);
  if (pending.isDirect === true) {
    throw operationError(pending, "changed", { why: "something of that name is there now", cause: error });
  }
  if (found.kind !== "file") {
    throw operationError(pending, "exists", { why: "its temporary name is taken by something that is no file" });
  }
  await client.unlink(pending.temp, pending);
  return await openTemp(client, pending);
}

/**
 * Returns the error of a temporary name that the server refuses. If it takes the name without a leading dot, the error
 * is retryable, and such names are used from now on.
 */
async function explainRefusedName(client: SftpClient, error: unknown, pending: PendingWrite): Promise<unknown> {
  const explained = await explainRefusal(client, error, pending);
  if (pending.isDirect === true || explained !== error) return explained;
  const { profile } = client;
  const name = pending.temp.slice(pending.temp.lastIndexOf("/") + 1);
  if (name.startsWith(".") && (profile.isUndotted || await takesUndotted(client, pending))) {
    profile.refuseDots();
    const why = "the server refuses names with a leading dot; the file is sent again by another temporary name";
    return operationError(pending, "busy", { why, cause: error });
  }
  return namedRefusal(error, pending, `the server refused to create the temporary file "${escapeForDisplay(name)}"`);
}

/** Whether the folder takes a temporary name without a leading dot. */
async function takesUndotted(client: SftpClient, pending: PendingWrite): Promise<boolean> {
  const folder = pending.temp.slice(0, pending.temp.lastIndexOf("/") + 1);
  const temp = folder + nameOf(undottedTempPath(pending.path, randomTag()));
  try {
    client.closeInBackground(await client.open(temp, WRITE | CREATE | EXCLUSIVE, pending));
    await removeTemp(client, { ...pending, temp });
    return true;
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    return false;
  }
}

/** Returns the error of a refusal with the operation that was refused: "permission denied" alone names none. */
export function namedRefusal(error: unknown, context: OperationContext, operation: string): unknown {
  if (!(error instanceof SyncError)) return error;
  return operationError(context, error.kind, { why: `${operation}: ${failureReason(error)}`, cause: error });
}

/**
 * Removes the temporary file after a failure. Warns if it is left behind. After an interrupt it waits only briefly,
 * since the server may be busy with the file itself.
 */
export async function removeTemp(client: SftpClient, pending: PendingWrite): Promise<void> {
  if (client.closed.aborted) return;
  const limit = pending.signal.aborted ? AbortSignal.timeout(CLEANUP_MS) : undefined;
  try {
    await client.unlink(pending.temp, limit === undefined ? uncancellable(pending) : { ...pending, signal: limit });
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return;
    pending.options.onWarning?.(`A temporary file was left behind: ${error instanceof Error ? error.message : error}`);
  }
}

/** ms that an interrupted write may take to remove its temporary file. */
const CLEANUP_MS = 2_000;

/**
 * Returns the error for a refused write. FAILURE alone has no meaning, so the disk's free blocks are checked for a full
 * disk.
 */
export async function explainRefusal(client: SftpClient, error: unknown, pending: PendingWrite): Promise<unknown> {
  if (statusOf(error) !== FAILURE || pending.signal.aborted) return error;
  const dir = pending.temp.slice(0, pending.temp.lastIndexOf("/")) || "/";
  const free = await client.bytesFree(dir, pending).catch(() => undefined);
  if (free === undefined || free > pending.options.size) return error;
  return operationError(pending, "full", { why: `the disk is full, ${free} bytes are left`, cause: error });
}

/**
 * Returns the entry of the written file, as its path shows it after CLOSE; a rename keeps it. Rejects as retryable if
 * the path shows another file for the first time, since the server may have mixed up handles: from then on one file at
 * a time is written.
 */
export async function statWritten(client: SftpClient, pending: PendingWrite): Promise<FileEntry> {
  const [attributes] = await Promise.all([client.lstat(pending.temp, pending), pending.checkParent(client)]);
  const found = attributes === undefined ? undefined : parseStat(pending.path, attributes);
  if (found?.kind === "file" && found.size === pending.options.size) return found;
  const state = found?.kind === "file" ? `${found.size} bytes` : found === undefined ? "nothing" : "no regular file";
  // It may also have lost what did not arrive in order.
  const isOrderNew = !client.keepsOrder && pending.options.size > client.maxWrite &&
    client.profile.demandStrictestOrder(pending.order ?? "any");
  if (client.limitToOneFile() || isOrderNew) {
    throw operationError(pending, "busy", {
      why: `the server holds ${state} by that path; the file is sent again, alone`,
    });
  }
  throw operationError(pending, "changed", {
    why: `the server holds ${state} after ${pending.options.size} bytes were written`,
  });
}

/** Rejects with exists if something is there that a file must not replace. */
export function assertReplaceable(
  found: Entry | undefined,
  { options, ...context }: OperationContext & { options: WriteOptions },
): void {
  if (found === undefined || found.kind === "file") return;
  if (found.kind === "link" && options.expect !== undefined) return;
  const what = { dir: "a folder", link: "a link", opaque: "an entry that must not be touched" }[found.kind];
  throw operationError(context, "exists", { why: `${what} of that name exists` });
}
