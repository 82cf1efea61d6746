import { randomBytes } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import { swapTag, tempPath } from "../../core/temp_name.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import { look, lookFor, type Spot, toSeen } from "./stat.ts";
import { FAILURE, NO_SUCH_FILE, statusOf } from "./errors.ts";
import type { Handle } from "./handles.ts";
import { CREATE, EXCLUSIVE, type Wire, WRITE } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** A file being written: its target, and its temporary name beside that. */
export interface Draft extends OperationContext, Spot {
  readonly temp: string;
  readonly options: WriteOptions;
  /** The rwx bits of the finished file; undefined: the server's default for new files. */
  readonly mode: number | undefined;
  /** Checks the parent folders. Rejects if one is absent, a link or no folder. */
  checkParent(wire: Wire): Promise<void>;
}

/** Returns the context without its signal: cleaning up continues although the call was cancelled. */
function uncancelled<A extends OperationContext>(ask: A): A {
  return { ...ask, signal: new AbortController().signal };
}

/** Returns a tag for a write that has none. */
export function randomTag(): string {
  return randomBytes(8).toString("hex");
}

/** Returns the mode of the finished file. Rejects with changed or exists when the target is not as expected. */
export async function modeFor(
  wire: Wire,
  ask: OperationContext & Spot,
  options: WriteOptions,
): Promise<number | undefined> {
  const fresh = options.mode === undefined ? undefined : options.mode & 0o777;
  const { expect } = options;
  if (expect === "absent") return fresh;
  if (expect?.kind === "file" && expect.mode !== undefined) return expect.mode;
  const found = await lookFor(wire, ask.at, { ...ask, ...(expect === undefined ? {} : { expect }) });
  mustBeReplaceable(found, { ...ask, options });
  return found?.kind === "file" ? found.mode ?? fresh : fresh;
}

/**
 * Creates the temporary file and checks its parent folders at the same time. It is opened exclusively, so that nothing
 * is written through a link or into another program's file of that name.
 */
export async function makeTemp(wire: Wire, draft: Draft): Promise<Handle> {
  const [parent, made] = await Promise.allSettled([draft.checkParent(wire), openTemp(wire, draft)]);
  if (parent.status === "rejected") {
    if (made.status === "fulfilled") {
      wire.drop(made.value);
      await removeTemp(wire, draft);
    }
    throw parent.reason;
  }
  return made.status === "fulfilled" ? made.value : await replaceTemp(wire, draft, made.reason);
}

function openTemp(wire: Wire, draft: Draft): Promise<Handle> {
  return wire.open(draft.temp, WRITE | CREATE | EXCLUSIVE, draft);
}

/**
 * Handles a temporary name that exists. A regular file there is the leftover of a failed write. It is removed, not
 * overwritten, because it may share its content with the target (OpenSSH renames by link and unlink).
 */
async function replaceTemp(wire: Wire, draft: Draft, error: unknown): Promise<Handle> {
  if (error instanceof SyncError && error.kind === "busy") {
    // It was created, with the handle of another file, unless the server refused to open any.
    if (statusOf(error) === undefined) await removeTemp(wire, draft);
    throw error;
  }
  const status = statusOf(error);
  if (status === undefined || status === NO_SUCH_FILE) throw error;
  const found = await look(wire, draft.temp, draft);
  if (found === undefined) throw await whyRefused(wire, error, draft);
  if (found.kind !== "file") {
    throw operationError(draft, "exists", { why: "something stands in the way of its temporary name" });
  }
  await wire.unlink(draft.temp, draft);
  return await openTemp(wire, draft);
}

/**
 * Renames the temporary file to the target, in one step if the server can. Rejects with changed when the target is not
 * as expected.
 */
export async function placeTemp(wire: Wire, draft: Draft): Promise<void> {
  const { at, temp, options } = draft;
  const { expect } = options;
  // OpenSSH's own rename creates a hard link, which fails if the target exists: there is no gap between check and
  // rename.
  if (expect === "absent" && wire.software.startsWith("OpenSSH")) {
    try {
      return await wire.rename(temp, at, draft);
    } catch (error) {
      if (statusOf(error) === undefined) throw error;
    }
  }
  const found = await lookFor(wire, at, { ...draft, ...(expect === undefined ? {} : { expect }) });
  mustBeReplaceable(found, draft);
  if (wire.offers(POSIX_RENAME)) return await wire.replace(temp, at, draft);
  if (found === undefined) return await wire.rename(temp, at, draft);
  await swap(wire, draft);
}

/** The extension that renames over an existing file in one step. */
export const POSIX_RENAME = "posix-rename@openssh.com";

/** Removes the temporary file after a failure. Warns if it is left behind. */
export async function removeTemp(wire: Wire, draft: Draft): Promise<void> {
  if (wire.closed.aborted) return;
  try {
    await wire.unlink(draft.temp, uncancelled(draft));
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return;
    draft.options.onWarning?.(`A temporary file was left behind: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * Returns the error for a refused write. FAILURE alone has no meaning, so the disk's free blocks are checked for a full
 * disk.
 */
export async function whyRefused(wire: Wire, error: unknown, draft: Draft): Promise<unknown> {
  if (statusOf(error) !== FAILURE || draft.signal.aborted) return error;
  const dir = draft.temp.slice(0, draft.temp.lastIndexOf("/")) || "/";
  const free = await wire.bytesFree(dir, draft).catch(() => undefined);
  if (free === undefined || free > draft.options.size) return error;
  return operationError(draft, "full", { why: `the disk is full, ${free} bytes are left`, cause: error });
}

/**
 * Returns the entry of the written file, as its path shows it after CLOSE; a rename keeps it. Rejects as retryable if
 * the path shows another file for the first time, since the server may have mixed up handles: from then on one file at
 * a time is written.
 */
export async function written(wire: Wire, draft: Draft): Promise<FileEntry> {
  const [attributes] = await Promise.all([wire.lstat(draft.temp, draft), draft.checkParent(wire)]);
  const found = attributes === undefined ? undefined : toSeen(draft.path, attributes);
  if (found?.kind === "file" && found.size === draft.options.size) return found;
  const now = found?.kind === "file" ? `${found.size} bytes` : found === undefined ? "nothing" : "no regular file";
  if (wire.doubt()) {
    throw operationError(draft, "busy", { why: `the server holds ${now} by that path; the file is sent again, alone` });
  }
  throw operationError(draft, "changed", {
    why: `the server holds ${now} after ${draft.options.size} bytes were written`,
  });
}

function mustBeReplaceable(
  found: Entry | undefined,
  { options, ...ask }: OperationContext & { options: WriteOptions },
): void {
  if (found === undefined || found.kind === "file") return;
  if (found.kind === "link" && options.expect !== undefined) return;
  const what = { dir: "a folder", link: "a link", opaque: "something that must not be touched" }[found.kind];
  throw operationError(ask, "exists", { why: `${what} is there` });
}

/**
 * Replaces the target on servers without posix-rename: moves the old file away, renames the new one, then deletes the
 * old one. Moves the old file back if the rename fails.
 */
async function swap(wire: Wire, draft: Draft): Promise<void> {
  const { at, temp } = draft;
  const slash = at.lastIndexOf("/") + 1;
  const { tag } = draft.options;
  const name = tempPath(draft.path, tag === undefined ? randomTag() : swapTag(tag));
  const aside = at.slice(0, slash) + name.split("/").at(-1);
  const rest = uncancelled(draft);
  await wire.rename(at, aside, draft);
  try {
    await wire.rename(temp, at, rest);
  } catch (error) {
    await wire.rename(aside, at, rest).catch((undo) => {
      throw new SyncError("unexpected", `Cannot write "${draft.path}": its old content is left at "${aside}"`, {
        operation: draft.operation,
        path: draft.path,
        cause: undo,
      });
    });
    throw error;
  }
  await wire.unlink(aside, rest);
}
