import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { SyncError, toSyncError } from "../../core/errors.ts";
import {
  codeOf,
  explainDistrust,
  foreignStateError,
  ignoreNotFound,
  type OwnershipFacts,
  ownershipFacts,
} from "../../machine/own_files.ts";
import { escapeForDisplay } from "../../core/path.ts";

/** A path in a trash folder of this machine: `base` is that folder, `at` is below it; both absolute. */
export interface TrashPath {
  readonly base: string;
  readonly at: string;
}

/** `make`: create missing folders; `what`: the operation, for messages. */
export interface TrashPathOptions {
  readonly make: boolean;
  readonly what: string;
}

/**
 * Calls `work` with a path of a trash folder that cannot contain a link: every folder from the trash folder down is a
 * real one of this user. On Linux the path leads through the open trash folder, whatever its name refers to meanwhile.
 * `lenient`: mode bits that are tolerated there. Returns undefined if a folder is missing and `make` is false. Rejects
 * with refused and id foreignState if a folder is not this user's, and with a SyncError if the work fails.
 */
export async function withTrashPath<T>(
  { base, at }: TrashPath,
  { make, what }: TrashPathOptions,
  work: (path: string, lenient: number) => Promise<T>,
): Promise<T | undefined> {
  let trash: OpenFolder | undefined;
  try {
    const names = relative(base, at).split(sep);
    const name = names.pop();
    if (name === undefined || name === "" || names[0] === "..") {
      throw foreignStateError(at, `does not lie in "${base}"`);
    }
    if (make) await Deno.mkdir(base, { recursive: true, mode: 0o700 });
    trash = await openFolder(base);
    if (trash === undefined) return undefined;
    let [real, shown] = [trash.path, base];
    for (const one of names) {
      [real, shown] = [join(real, one), join(shown, one)];
      if (!await ensureOwnFolder(real, { shown, make, lenient: trash.lenient })) return undefined;
    }
    return await work(join(real, name), trash.lenient);
  } catch (error) {
    throw toTrashError(error, { what, real: trash?.path ?? base, shown: base });
  } finally {
    await trash?.handle?.close();
  }
}

/** Does the same as withTrashPath(), but rejects with notFound if a folder is missing and `make` is false. */
export async function requireTrashPath<T>(
  place: TrashPath,
  options: TrashPathOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const done = await withTrashPath(place, options, async (path) => [await work(path)] as const);
  if (done !== undefined) return done[0];
  throw new SyncError("notFound", `Cannot ${escapeForDisplay(options.what)}: it is gone`, { operation: "keep" });
}

/**
 * An open trash folder. `lenient`: mode bits that are tolerated. On a disk without modes a trash folder has those of
 * its parent folder, and users who may write there could replace it anyway.
 */
interface OpenFolder {
  readonly path: string;
  readonly lenient: number;
  readonly handle?: FileHandle;
}

async function openFolder(base: string): Promise<OpenFolder | undefined> {
  const around = await Deno.stat(dirname(base)).catch(ignoreNotFound);
  if (around === undefined) return undefined;
  const lenient = around.mode ?? 0;
  if (Deno.build.os !== "linux") {
    const info = await Deno.lstat(base).catch(ignoreNotFound);
    if (info !== undefined) assertOwn(base, info, lenient);
    return info && { path: base, lenient };
  }
  let handle: FileHandle;
  try {
    handle = await open(base, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP" || code === "ENOTDIR") throw foreignStateError(base, "is a link, or no folder");
    throw error;
  }
  try {
    assertOwn(base, ownershipFacts(await handle.stat()), lenient);
    return { path: `/proc/self/fd/${handle.fd}`, lenient, handle };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Returns false if the folder is missing and `make` is false. */
async function ensureOwnFolder(
  path: string,
  { shown, make, lenient }: { readonly shown: string; readonly make: boolean; readonly lenient: number },
): Promise<boolean> {
  let info = await Deno.lstat(path).catch(ignoreNotFound);
  if (info === undefined && make) {
    await Deno.mkdir(path, { mode: 0o700 }).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
    info = await Deno.lstat(path);
  }
  if (info !== undefined) assertOwn(shown, info, lenient);
  return info !== undefined;
}

function assertOwn(path: string, info: OwnershipFacts, lenient: number): void {
  const why = explainDistrust(info, { kind: "folder", allowedMode: lenient });
  if (why !== undefined) throw foreignStateError(path, why);
}

/** Returns the error with the path as the user knows it. */
function toTrashError(
  cause: unknown,
  { what, real, shown }: { readonly what: string; readonly real: string; readonly shown: string },
): SyncError {
  const message = toSyncError(cause, "keep").message.replaceAll(real, shown);
  if (cause instanceof SyncError) return new SyncError(cause.kind, message, cause.facts);
  return new SyncError(errorKindOf(cause), `Cannot ${escapeForDisplay(what)}: ${escapeForDisplay(message)}`, {
    operation: "keep",
    cause,
  });
}

function errorKindOf(cause: unknown): SyncError["kind"] {
  const code = codeOf(cause) ?? "";
  if (cause instanceof Deno.errors.PermissionDenied || ["EACCES", "EPERM", "EROFS"].includes(code)) return "denied";
  if (cause instanceof Deno.errors.AlreadyExists) return "exists";
  return ["ENOSPC", "EDQUOT"].includes(code) ? "full" : "unexpected";
}
