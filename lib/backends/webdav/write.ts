import { SyncError } from "../../core/errors.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import { statusOf } from "../../http/errors.ts";
import { encodePath } from "./href.ts";
import { ChunksRefused, usesChunks, writeChunked } from "./chunked_upload.ts";
import { canResume, isPartialPutRefused, isResumableError, putRanges } from "./partial_put.ts";
import { assertWritten, finalize, type PendingWrite, putWhole } from "./put.ts";
import { operationError } from "../../core/operation.ts";
import { type DavClient, type FoundEntry, parentTarget } from "./client.ts";
import { isMoveRefused, requestMove } from "./move.ts";
import { ifMatchEtag, stat, statExpecting, statFolder } from "./stat.ts";
import { mayRefuseDotNames, removeTemp, tempServerPath } from "./temp_file.ts";

/** Writes the file by the safest method for this server. Returns the entry that the server then shows. */
export async function writeFile(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  try {
    if (await usesChunks(client, pending)) {
      const written = await writeChunked(client, pending).catch((error) => {
        if (!(error instanceof ChunksRefused)) throw error;
      });
      if (written !== undefined) return written;
    }
    return await (await usesRanges(client, pending) ? writeResumable(client, pending) : writeWhole(client, pending));
  } catch (error) {
    throw await explainFailure(client, error, pending);
  }
}

/** The size above which the target is checked before the upload too. */
const CHECK_FIRST_SIZE = 1 << 20;

/**
 * Writes by PUT to the final name, with the precondition if there is an ETag. A server whose PUT is atomic checks by
 * itself that nothing is there; any other may ignore that, and is looked at right before.
 */
async function writeDirect(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  const { options, profile } = pending;
  const isNew = options.expect === "absent";
  const found = isNew && profile.writes === "direct"
    ? undefined
    : await statExpecting(client, { ...pending, ...expecting(options) });
  const tag = ifMatchEtag(client, found);
  const headers: Record<string, string> = {
    ...(tag === undefined ? {} : { "if-match": tag }),
    ...(isNew ? { "if-none-match": "*" } : {}),
  };
  await putWhole(client, pending, { serverPath: pending.serverPath, headers, replaces: found });
  return await finalize(client, pending, pending.serverPath);
}

async function writeWhole(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  const { profile, options, directWrites } = pending;
  if (profile.writes === "direct" || options.inPlace === true) return await writeDirect(client, pending);
  if (directWrites.isOn) return await writeUnderFinalName(client, pending);
  const progress = countProgress(options);
  const counted = { ...pending, options: progress.options };
  try {
    return await writeToTemp(client, counted);
  } catch (error) {
    if (!(error instanceof RenamesRefused)) throw error;
    renamesRefused(pending, error);
  }
  progress.revert();
  return await writeUnderFinalName(client, pending);
}

/** Writes to a temporary name; to one without a dot if the server refuses the other. */
async function writeToTemp(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  const { observed, options } = pending;
  let isSent = false;
  const attempt = async (counted: PendingWrite) => {
    const serverPath = tempServerPath(counted);
    const send = async () => {
      await putWhole(client, counted, { serverPath, headers: {} });
      isSent = true;
      observed.refusesDotNames ??= false;
    };
    return await writeStaged(client, counted, { names: serverPath, send, isResumable: false });
  };
  const progress = countProgress(options);
  try {
    return await attempt({ ...pending, options: progress.options });
  } catch (error) {
    if (isSent || !mayRefuseDotNames(pending, error)) throw error;
    progress.revert();
    const undotted = { ...pending, observed: { ...observed, refusesDotNames: true } };
    // The first refusal explains more than one that all names meet.
    const written = await attempt(undotted).catch((second) => {
      throw isSent ? second : error;
    });
    observed.refusesDotNames = true;
    return written;
  }
}

/** Counts the bytes of an attempt, so that they can be taken back if another one follows. */
function countProgress(options: WriteOptions): { readonly options: WriteOptions; revert(): void } {
  let sent = 0;
  const onBytes = (bytes: number) => {
    sent += bytes;
    options.onBytes?.(bytes);
  };
  return { options: { ...options, onBytes }, revert: () => options.onBytes?.(-sent) };
}

function renamesRefused({ directWrites }: PendingWrite, { status }: RenamesRefused): void {
  directWrites.turnOn({ operation: "MOVE", serverMessage: `status ${status}` });
}

/** Writes a new file under its final name, after history knows of it; an existing one only in place. */
async function writeUnderFinalName(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  const { path, serverPath, directWrites } = pending;
  const target = { path, serverPath: encodePath(serverPath) };
  return await directWrites.write(target, pending.options, (options) => writeDirect(client, { ...pending, options }));
}

/**
 * Whether to write in resumable parts. If only PUT replaces a file atomically, only a new file may be moved into place.
 */
async function usesRanges(client: DavClient, pending: PendingWrite): Promise<boolean> {
  if (pending.options.inPlace === true || !canResume(pending)) return false;
  if (pending.profile.writes === "staged") return !pending.directWrites.isOn;
  return await statExpecting(client, { ...pending, ...expecting(pending.options) }) === undefined;
}

/**
 * Writes in parts, so that a broken upload can be resumed. Writes the whole file at once if the server does not support
 * parts.
 */
async function writeResumable(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  const { options, observed } = pending;
  const progress = countProgress(options);
  const counted = { ...pending, options: progress.options };
  const serverPath = tempServerPath(pending);
  try {
    const send = () => putRanges(client, counted, serverPath);
    return await writeStaged(client, counted, { names: serverPath, send, isResumable: true });
  } catch (error) {
    if (error instanceof RenamesRefused) renamesRefused(pending, error);
    else if (!isPartialPutRefused(error)) throw error;
  }
  progress.revert();
  const written = await writeWhole(client, pending);
  observed.acceptsRanges = false;
  return written;
}

interface StagedWrite {
  readonly names: readonly string[];
  readonly isResumable: boolean;
  /** Uploads the bytes to the temporary name. */
  send(): Promise<void>;
}

/** Uploads to a temporary name, checks the size there, then moves the file to its final name by MOVE. */
async function writeStaged(
  client: DavClient,
  pending: PendingWrite,
  { names: serverPath, send, isResumable }: StagedWrite,
): Promise<FileEntry> {
  const { options, profile } = pending;
  const { expect } = options;
  const check = () => statExpecting(client, { ...pending, ...expecting(options) });
  if (expect !== "absent" && options.size > CHECK_FIRST_SIZE) await check();
  try {
    await send();
    const written = await finalize(client, pending, serverPath);
    const existing = expect === "absent" ? undefined : await check();
    await commit(client, pending, { serverPath, existing, size: written.size });
    return profile.keepsEtags
      ? written
      : await assertWritten(client, pending, pending.serverPath).then(({ entry }) => entry);
  } catch (error) {
    if (!isResumable || !isResumableError(pending, error)) {
      await removeTemp(client, pending, { serverPath, cause: error });
    }
    throw error;
  }
}

/** A refusal of every MOVE, seen by one to another temporary name. */
class RenamesRefused extends Error {
  constructor(readonly status: number, cause: unknown) {
    super("the server renames no files", { cause });
  }
}

/**
 * Moves the temporary file to its final name. Over a folder MOVE would remove the folder's content: only a target that
 * was seen to be a file is replaced. Rejects with RenamesRefused if the server refuses every MOVE.
 */
async function commit(
  client: DavClient,
  pending: PendingWrite,
  { serverPath, existing, size }: {
    readonly serverPath: readonly string[];
    readonly existing: FoundEntry | undefined;
    readonly size: number;
  },
): Promise<void> {
  const { observed, options, profile } = pending;
  const at = (names: readonly string[]) => stat(client, { ...pending, serverPath: names });
  const isDone = async () => {
    const found = (await at(pending.serverPath))?.entry;
    return found?.kind === "file" && found.size === size && await at(serverPath) === undefined;
  };
  const overwrite = existing === undefined ? "F" : "T";
  const move = { method: "MOVE", from: serverPath, as: "file", overwrite, size, isDone } as const;
  try {
    await requestMove(client, pending, { ...move, to: pending.serverPath });
    observed.moves = true;
  } catch (error) {
    if (!isMoveRefused(error) || isBusy(error) || observed.moves === true || profile.writes === "direct") throw error;
    // Whether the server refuses this target alone: no other file may have to pay for it.
    const probe = tempServerPath({ ...pending, options: withoutTag(options) });
    const probed = await requestMove(client, pending, {
      ...move,
      to: probe,
      overwrite: "F",
      isDone: () => Promise.resolve(false),
    }).then(() => undefined, (refusal) => refusal);
    if (probed === undefined) {
      observed.moves = true;
      await removeTemp(client, pending, { serverPath: probe });
      throw error;
    }
    if (!isMoveRefused(probed) || await at(serverPath) === undefined) throw error;
    throw new RenamesRefused(statusOf(probed) ?? 0, error);
  }
}

/** Whether the server named the time of the next attempt. */
function isBusy(error: unknown): boolean {
  return error instanceof SyncError && error.facts.retryAfter !== undefined;
}

function withoutTag({ tag: _, ...options }: WriteOptions): WriteOptions {
  return options;
}

const UNCLEAR_STATUSES: readonly number[] = [301, 302, 307, 308, 400, 403, 404, 405, 409, 500];

/**
 * Returns the error for a refused write. The status alone may not show the cause, so the parent folder and the target
 * are checked.
 */
async function explainFailure(client: DavClient, error: unknown, pending: PendingWrite): Promise<unknown> {
  const status = statusOf(error);
  if (status === undefined || !UNCLEAR_STATUSES.includes(status) || pending.signal.aborted) return error;
  try {
    const parent = (await statFolder(client, parentTarget(pending)))?.entry;
    if (parent === undefined) {
      return operationError(pending, "notFound", { why: "the folder above does not exist", cause: error });
    }
    if (parent.kind === "file") {
      return operationError(pending, "exists", { why: "the folder above is a file", cause: error });
    }
    if ((await stat(client, pending))?.entry.kind !== "dir") {
      if (status !== 500) return error;
      const why = "the server could not store it (500): check its rights and its free space; its log shows the cause";
      return operationError(pending, "unexpected", { why, cause: error });
    }
  } catch {
    // A stat that fails explains nothing: the original refusal is kept.
    return error;
  }
  const kind = pending.options.expect === undefined ? "exists" : "changed";
  return operationError(pending, kind, { why: "a folder is there", cause: error });
}

function expecting({ expect }: WriteOptions): { readonly expect?: Entry | "absent" } {
  return expect === undefined ? {} : { expect };
}
