import { parentOf } from "../../core/path.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import { statusOf } from "../../http/errors.ts";
import { conditionOf, mustMatch } from "./preconditions.ts";
import { find, type Finder, type Seen, type Spot } from "./propfind.ts";
import { encodePath } from "./href.ts";
import { canGoOn, isUnfit, isWorthKeeping, putParts } from "./partial_put.ts";
import { type Draft, finish, mustBeWritten, put } from "./put.ts";
import { removeTemp, tempNames } from "./temp_file.ts";
import { operationError } from "../../core/operation.ts";

/** Writes the file by the safest method for this server. Returns the entry that the server then shows. */
export async function writeFile(finder: Finder, draft: Draft): Promise<FileEntry> {
  try {
    return await (await isResumable(finder, draft) ? writeResumable(finder, draft) : writeWhole(finder, draft));
  } catch (error) {
    throw await whyRefused(finder, error, draft);
  }
}

/**
 * Returns the current target as the options expect it. Rejects with changed if it is not as expected, and with exists
 * if a file cannot replace it.
 */
export async function lookFor(
  finder: Finder,
  spot: Spot & { readonly expect?: Entry | "absent" },
): Promise<Seen | undefined> {
  const seen = await find(finder, spot);
  if (spot.expect !== undefined) await mustMatch(finder, spot, { expect: spot.expect, seen });
  if (seen === undefined || seen.entry.kind === "file") return seen;
  const what = seen.entry.kind === "dir" ? "a folder" : "something that must not be touched";
  throw operationError(spot, "exists", { why: `${what} is there` });
}

/** The size above which the target is checked before the upload too. */
const WORTH_LOOKING_FIRST = 1 << 20;

/**
 * Writes by PUT to the final name: the server replaces the file in one step after all bytes arrived, and checks the
 * precondition if there is an ETag.
 */
async function writeDirect(finder: Finder, draft: Draft): Promise<FileEntry> {
  const { options } = draft;
  const seen = options.expect === "absent" ? undefined : await lookFor(finder, { ...draft, ...expecting(options) });
  const tag = conditionOf(finder, seen);
  const headers: Record<string, string> = {
    ...(tag === undefined ? {} : { "if-match": tag }),
    ...(options.expect === "absent" ? { "if-none-match": "*" } : {}),
  };
  await put(finder, draft, { names: draft.names, headers });
  return await finish(finder, draft, draft.names);
}

async function writeWhole(finder: Finder, draft: Draft): Promise<FileEntry> {
  if (draft.dialect.writes === "direct") return await writeDirect(finder, draft);
  const names = tempNames(draft);
  const send = () => put(finder, draft, { names, headers: {} });
  return await writeStaged(finder, draft, { names, send, isResumable: false });
}

/**
 * Whether to write in resumable parts. If only PUT replaces a file atomically, only a new file may be moved into place.
 */
async function isResumable(finder: Finder, draft: Draft): Promise<boolean> {
  if (!canGoOn(draft) || draft.dialect.writes === "staged") return canGoOn(draft);
  return await lookFor(finder, { ...draft, ...expecting(draft.options) }) === undefined;
}

/**
 * Writes in parts, so that a broken upload can be resumed. Writes the whole file at once if the server does not support
 * parts.
 */
async function writeResumable(finder: Finder, draft: Draft): Promise<FileEntry> {
  const { options, learned } = draft;
  let sent = 0;
  const onBytes = (bytes: number) => {
    sent += bytes;
    options.onBytes?.(bytes);
  };
  const counted = { ...draft, options: { ...options, onBytes } };
  const names = tempNames(draft);
  try {
    const send = () => putParts(finder, counted, names);
    return await writeStaged(finder, counted, { names, send, isResumable: true });
  } catch (error) {
    if (!isUnfit(error)) throw error;
  }
  options.onBytes?.(-sent);
  const written = await writeWhole(finder, draft);
  learned.goesOn = false;
  return written;
}

interface Staging {
  readonly names: readonly string[];
  readonly isResumable: boolean;
  /** Uploads the bytes to the temporary name. */
  send(): Promise<void>;
}

/** Uploads to a temporary name, checks the size there, then moves the file to its final name by MOVE. */
async function writeStaged(finder: Finder, draft: Draft, { names, send, isResumable }: Staging): Promise<FileEntry> {
  const { options, dialect } = draft;
  const { expect } = options;
  const look = () => lookFor(finder, { ...draft, ...expecting(options) });
  if (expect !== "absent" && options.size > WORTH_LOOKING_FIRST) await look();
  try {
    await send();
    const written = await finish(finder, draft, names);
    const there = expect === "absent" ? undefined : await look();
    await finder.link.done({
      method: "MOVE",
      uri: encodePath(names),
      headers: {
        destination: draft.origin + encodePath(draft.names),
        // Over a folder MOVE would remove the folder's content: only a target that was seen to be a file is replaced.
        overwrite: there === undefined ? "F" : "T",
      },
    }, draft).then((reply) => reply.drop());
    return dialect.keepsTags ? written : await mustBeWritten(finder, draft, draft.names).then(({ entry }) => entry);
  } catch (error) {
    if (!isResumable || !isWorthKeeping(draft, error)) await removeTemp(finder, draft, names);
    throw error;
  }
}

const UNCLEAR: readonly number[] = [400, 403, 404, 405, 409, 500];

/**
 * Returns the error for a refused write. The status alone may not show the cause, so the parent folder and the target
 * are checked.
 */
async function whyRefused(finder: Finder, error: unknown, draft: Draft): Promise<unknown> {
  const status = statusOf(error);
  if (status === undefined || !UNCLEAR.includes(status) || draft.signal.aborted) return error;
  const above = { ...draft, names: draft.names.slice(0, -1), path: parentOf(draft.path) };
  try {
    const parent = (await find(finder, above))?.entry;
    if (parent === undefined) {
      return operationError(draft, "notFound", { why: "the folder above does not exist", cause: error });
    }
    if (parent.kind === "file") {
      return operationError(draft, "exists", { why: "what stands above it is a file", cause: error });
    }
    if ((await find(finder, draft))?.entry.kind !== "dir") {
      if (status !== 500) return error;
      const why = "the server could not store it (500): no right to write there, or no room; its log tells which";
      return operationError(draft, "unexpected", { why, cause: error });
    }
  } catch {
    // A stat that fails explains nothing: the original refusal is kept.
    return error;
  }
  const kind = draft.options.expect === undefined ? "exists" : "changed";
  return operationError(draft, kind, { why: "a folder is there", cause: error });
}

function expecting({ expect }: WriteOptions): { readonly expect?: Entry | "absent" } {
  return expect === undefined ? {} : { expect };
}
