import { randomBytes } from "node:crypto";
import type { WriteOptions } from "../../core/backend.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { cancelled, SyncError } from "../../core/errors.ts";
import { operationError } from "../../core/operation.ts";
import { escapeForDisplay, nameOf, parentOf } from "../../core/path.ts";
import { displacedTag, tempPath, undottedTempPath } from "../../core/temp_name.ts";
import type { ControlConnection } from "./control_connection.ts";
import type { RenameRefusal } from "../shared/direct_writes.ts";
import { isAbsent, serverMessage, toSyncError } from "./errors.ts";
import type { Reply } from "./replies.ts";
import { childOf, encodePath, type FtpSession, type PathContext, serverNameOf } from "./session.ts";
import { assertUnchanged, existsCommands, fillTime, parseStat, stat, statCommands } from "./stat.ts";
import { checkMdtm, recordTimeRefusal, timeCommand, tryOtherSetters } from "./times.ts";

/** A file to be written. */
export type WriteContext = PathContext & {
  readonly options: WriteOptions;
  /** The folder that holds it, as the server names it. */
  readonly serverParent: string;
};

/** A file to be written, with the temporary name of its upload; in a direct write that is its own. */
export interface PendingWrite extends WriteContext {
  readonly temp: PathContext;
}

/** Whether the bytes go to the file's own name. */
export function isDirect({ temp, serverPath }: PendingWrite): boolean {
  return temp.serverPath === serverPath;
}

/** The refusal to rename a temporary file that is whole. Writing under the final name may be possible all the same. */
export class RenameRefused extends Error implements RenameRefusal {
  readonly operation: string;
  readonly serverMessage: string;
  /** Whether the refusal concerns renaming as such, not the new name. */
  readonly isProven: boolean;
  /** The error to report if writing under the final name is no way out. */
  override readonly cause: unknown;

  constructor({ command, reply, cause }: RefusedRename & { readonly cause: unknown }) {
    super("the rename was refused");
    this.operation = command;
    this.serverMessage = reply.text;
    this.isProven = command === "RNFR" || reply.code === 500 || reply.code === 502;
    this.cause = cause;
  }
}

/** A rename that a server refused: the command and its reply. */
export interface RefusedRename {
  readonly command: "RNFR" | "RNTO";
  readonly reply: Reply;
}

/**
 * The commands that check a temporary file after its last byte, before the rename. Each group holds at most one
 * command, except the stat commands.
 */
export interface FinalChecks {
  readonly write: PendingWrite;
  /** SITE CHMOD, if a mode is wanted. */
  readonly mode: readonly string[];
  readonly time: readonly string[];
  /** The stat commands for the temporary file. */
  readonly written: readonly string[];
  /** The last stat commands for the target. */
  readonly target: readonly string[];
}

export function toFinalChecks(
  session: FtpSession,
  { write, before }: { readonly write: PendingWrite; readonly before: Entry | undefined },
): FinalChecks {
  const { options, temp } = write;
  const mode = isDirect(write) && before !== undefined ? undefined : modeFor(session, { before, options });
  const time = options.modified === undefined ? undefined : timeCommand(session, temp, options.modified);
  const isKnown = time !== undefined && session.learned.keepsTimes;
  return {
    write,
    mode: mode === undefined ? [] : [`SITE CHMOD ${mode.toString(8).padStart(3, "0")} ${encodePath(session, temp)}`],
    time: time === undefined ? [] : [time],
    written: isKnown ? existsCommands(session, temp) : statCommands(session, temp),
    target: isDirect(write)
      ? []
      : options.expect === "absent"
      ? existsCommands(session, write)
      : statCommands(session, write),
  };
}

/** Returns all commands, in the order in which finalize() reads the replies. */
export function checkCommands({ mode, time, written, target }: FinalChecks): readonly string[] {
  return [...mode, ...time, ...written, ...target];
}

/** Checks the replies for time and mode, the size on the server, and the current target; then renames. */
export async function finalize(
  control: ControlConnection,
  session: FtpSession,
  { replies, ...checks }: FinalChecks & { readonly replies: readonly Reply[] },
): Promise<FileEntry> {
  const { write, mode, time } = checks;
  const { signal, operation, options, temp } = write;
  const left = [...replies];
  const [chmodded] = left.splice(0, mode.length);
  const [timed] = left.splice(0, time.length);
  const tempContext = { ...temp, path: write.path };
  const seen = left.splice(0, checks.written.length);
  let written = parseStat(session, tempContext, seen);
  if (!session.learned.keepsTimes) {
    written = await fillTime(control, session, { context: tempContext, found: written, replies: seen });
  }
  const found = parseStat(session, write, left);
  if (chmodded !== undefined && chmodded.code >= 300) warn(write, "mode");
  if (timed !== undefined && timed.code < 300) written = withKnownTime(session, { written, write });
  else if (timed !== undefined && options.modified !== undefined) {
    const isSet = await tryOtherSetters(control, session, { context: temp, modified: options.modified });
    if (!isSet) recordTimeRefusal(session, timed);
    if (!isSet) warn(write, "time");
    // Otherwise the stat at hand already holds the time.
    if (isSet || session.learned.keepsTimes) {
      written = parseStat(session, tempContext, await control.sendCommands(statCommands(session, temp)));
    }
  } else if (options.modified !== undefined && session.learned.timeRefusals > 0) warn(write, "time");
  if (signal.aborted) throw cancelled(signal, operation);
  if (written?.kind !== "file" || written.size !== options.size) {
    const now = written?.kind === "file" ? `${written.size} bytes` : "no file";
    throw operationError(write, "changed", { why: `the server holds ${now} after ${options.size} bytes were sent` });
  }
  if (isDirect(write)) return written;
  assertReplaceable(found, write);
  await commit(control, session, { write, found });
  return written;
}

/** Rejects unless the target is as expected and can be replaced by a file. */
export function assertReplaceable(found: Entry | undefined, write: PendingWrite): void {
  const { options, ...context } = write;
  assertUnchanged(found, { ...context, ...(options.expect === undefined ? {} : { expect: options.expect }) });
  if (found === undefined || found.kind === "file") return;
  if (found.kind === "link" && options.expect !== undefined) return;
  const what = { dir: "a folder", link: "a link", opaque: "something that must not be touched" }[found.kind];
  throw operationError(context, "exists", { why: `${what} exists there` });
}

/**
 * Returns the entry with the time that was set, if the server is known to keep times. Returns it without a time if the
 * server's MDTM is unreliable.
 */
function withKnownTime(
  session: FtpSession,
  { written, write }: { readonly written: Entry | undefined; readonly write: PendingWrite },
): Entry | undefined {
  const { modified } = write.options;
  if (written?.kind !== "file" || modified === undefined) return written;
  const { learned } = session;
  const set = Math.floor(modified / 1000) * 1000;
  if (written.modified === set) learned.keepsTimes = true;
  if (written.modified === undefined && learned.keepsTimes) return { ...written, modified: set };
  if ((!session.hasMlst || learned.mlstLacksTimes) && !learned.keepsTimes && written.modified !== undefined) {
    checkMdtm(session, { shown: written.modified, set });
  }
  if (!learned.mdtmUnreliable) return written;
  warn(write, "time");
  const { modified: _untrue, ...rest } = written;
  return rest;
}

function modeFor(
  session: FtpSession,
  { before, options }: { readonly before: Entry | undefined; readonly options: WriteOptions },
): number | undefined {
  if (!session.hasChmod) return undefined;
  const kept = before?.kind === "file" ? before.mode : undefined;
  const wanted = kept ?? options.mode;
  return wanted === undefined ? undefined : wanted & 0o777;
}

function warn({ path, options }: PendingWrite, what: "time" | "mode"): void {
  const about = what === "time" ? what : undefined;
  options.onWarning?.(`The server refused to set the ${what} of "${escapeForDisplay(path)}"`, about);
}

/**
 * Renames the temporary file to the target, in one step if the server renames over an existing file. Rejects with
 * RenameRefused if the file could be written under its own name instead.
 */
export async function commit(
  control: ControlConnection,
  session: FtpSession,
  { write, found }: { readonly write: PendingWrite; readonly found: Entry | undefined },
): Promise<void> {
  const refused = await renameOnServer(control, session, { from: write.temp, to: write });
  if (refused === undefined) return;
  if (refused.command === "RNTO" && found !== undefined && refused.reply.code !== 421) {
    return await replaceInSteps(control, session, { write, refused });
  }
  const cause = await explainWriteRefusal(control, session, { write, ...refused });
  throw isRenameAsSuch(refused) && await isWhole(control, session, write)
    ? new RenameRefused({ ...refused, cause })
    : cause;
}

/** Whether a refusal may be one of renaming, not of this path or this moment. */
function isRenameAsSuch({ reply }: RefusedRename): boolean {
  return reply.code >= 500 && reply.code !== 552 && !isAbsent(reply.text);
}

/** Whether the temporary file is still there and whole: a refusal to rename it says nothing about it. */
async function isWhole(control: ControlConnection, session: FtpSession, { temp, options }: PendingWrite) {
  const found = await stat(control, session, temp);
  return found?.kind === "file" && found.size === options.size;
}

/**
 * Sends RNFR and RNTO. Returns the one that was refused, and its reply. After a refused RNFR unknown servers get no
 * RNTO: one could apply it to an earlier RNFR.
 */
export async function renameOnServer(
  control: ControlConnection,
  session: FtpSession,
  { from, to }: { readonly from: PathContext; readonly to: PathContext },
): Promise<RefusedRename | undefined> {
  const [source, target] = [encodePath(session, from), encodePath(session, to)];
  const [first, ahead] = control.pipelines
    ? await control.sendCommands([`RNFR ${source}`, `RNTO ${target}`])
    : [await control.sendCommand(`RNFR ${source}`)];
  if (first.code !== 350) return { command: "RNFR", reply: first };
  const second = ahead ?? await control.sendCommand(`RNTO ${target}`);
  return second.code < 300 ? undefined : { command: "RNTO", reply: second };
}

/**
 * Replaces the target on servers that cannot rename over a file: moves the old file away, renames the new one, then
 * deletes the old one. Moves the old file back if the rename fails.
 */
async function replaceInSteps(
  control: ControlConnection,
  session: FtpSession,
  { write, refused }: { readonly write: PendingWrite; readonly refused: RefusedRename },
): Promise<void> {
  const { temp, serverParent, path, options } = write;
  const toTemp = serverNameOf(temp.serverPath).startsWith(".") ? tempPath : undottedTempPath;
  const aside = toTemp(path, displacedTag(options.tag ?? randomBytes(8).toString("hex")));
  const displaced = { ...temp, serverPath: childOf(serverParent, nameOf(aside)) };
  const stepped = await renameOnServer(control, session, { from: write, to: displaced });
  if (stepped !== undefined) throw await explainWriteRefusal(control, session, { write, ...refused });
  const placed = await renameOnServer(control, session, { from: temp, to: write });
  if (placed !== undefined) {
    const undone = await renameOnServer(control, session, { from: displaced, to: write });
    if (undone === undefined) throw await explainWriteRefusal(control, session, { write, ...placed });
    throw new SyncError(
      "unexpected",
      `Cannot write "${escapeForDisplay(path)}": its rename failed halfway, and its old content is at "${
        escapeForDisplay(displaced.serverPath)
      }": rename that back`,
      { operation: write.operation, path },
    );
  }
  const removed = await control.sendCommand(`DELE ${encodePath(session, displaced)}`);
  if (removed.code >= 300) {
    options.onWarning?.(
      `The old version of "${escapeForDisplay(path)}" was left behind as "${
        escapeForDisplay(displaced.serverPath)
      }": DELE was refused: ${serverMessage(removed)}`,
    );
  }
}

/**
 * Returns the error for a refused write. "553 Could not create file" may mean anything, so a stat of the folder
 * decides.
 */
export async function explainWriteRefusal(
  control: ControlConnection,
  session: FtpSession,
  { write, reply, command }: { readonly write: PendingWrite; readonly reply: Reply; readonly command: string },
): Promise<Error> {
  const refused = toSyncError(write, reply, command);
  if (refused.kind !== "unexpected" && refused.kind !== "denied" && refused.kind !== "notFound") return refused;
  const above = { ...write, path: parentOf(write.path), serverPath: write.serverParent };
  const parent = await stat(control, session, { ...above, precise: true });
  if (parent?.kind === "dir") {
    return refused.kind === "notFound"
      ? operationError(write, "changed", { why: `${command} was refused: ${serverMessage(reply)}` })
      : refused;
  }
  if (parent === undefined) {
    return operationError(write, "notFound", { why: "its parent folder does not exist", cause: refused });
  }
  return operationError(write, "exists", { why: "its parent is not a folder", cause: refused });
}
