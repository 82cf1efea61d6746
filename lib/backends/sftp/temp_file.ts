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

/** A file that is being written: where it will lie, and its temporary name beside that. */
export interface Draft extends OperationContext, Spot {
  readonly temp: string;
  readonly options: WriteOptions;
  /** The rwx bits it ends with; undefined: whatever the server gives to new files. */
  readonly mode: number | undefined;
  /** Looks at the folders above. Rejects if one is absent, a link or no folder. */
  checkParent(wire: Wire): Promise<void>;
}

/** Cleaning up goes on though the call itself was cancelled. */
function uncancelled<A extends OperationContext>(ask: A): A {
  return { ...ask, signal: new AbortController().signal };
}

/** A tag for a write that has none of its own. */
export function randomTag(): string {
  return randomBytes(8).toString("hex");
}

/** The mode a write ends with. Rejects with changed or exists when the target is not what it should be. */
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
 * Makes the temporary file, and looks at the folders above with it. Exclusive: neither a link nor a stranger's file at that name is
 * written through.
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

/** A regular file at that name is what a broken write left: removed, for its bytes may be those of the target (OpenSSH renames by link and unlink). */
async function replaceTemp(wire: Wire, draft: Draft, error: unknown): Promise<Handle> {
  if (error instanceof SyncError && error.kind === "busy") {
    // It was made, with a handle of another file, unless the server refused to open any.
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

/** The target takes the temporary file's content, in one step where the server can. Rejects with changed when the target is not as expected. */
export async function placeTemp(wire: Wire, draft: Draft): Promise<void> {
  const { at, temp, options } = draft;
  const { expect } = options;
  // OpenSSH's own rename makes a hard link, which fails where something is: nothing can come between look and rename.
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

/** Does the server replace a file in one step? */
export const POSIX_RENAME = "posix-rename@openssh.com";

/** Removes the temporary file after a failure; what stays behind is told. */
export async function removeTemp(wire: Wire, draft: Draft): Promise<void> {
  if (wire.closed.aborted) return;
  try {
    await wire.unlink(draft.temp, uncancelled(draft));
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return;
    draft.options.onWarning?.(`A temporary file was left behind: ${error instanceof Error ? error.message : error}`);
  }
}

/** FAILURE alone tells nothing: a disk without room is found by asking for its free blocks. */
export async function whyRefused(wire: Wire, error: unknown, draft: Draft): Promise<unknown> {
  if (statusOf(error) !== FAILURE || draft.signal.aborted) return error;
  const dir = draft.temp.slice(0, draft.temp.lastIndexOf("/")) || "/";
  const free = await wire.bytesFree(dir, draft).catch(() => undefined);
  if (free === undefined || free > draft.options.size) return error;
  return operationError(draft, "full", { why: `the disk is full, ${free} bytes are left`, cause: error });
}

/**
 * The entry of what was written, as its path shows it after CLOSE, which a rename keeps. Rejects as retryable if it is another file at the
 * first time, since the server may have mixed up handles: then one file at a time is written.
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

/** Without posix-rename: the old file steps aside, the new one takes its name, the old one goes; undone when the middle step fails. */
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
