import type { WriteOptions } from "../../core/backend.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { cancelled } from "../../core/errors.ts";
import { operationError } from "../../core/operation.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { ControlConnection } from "./control_connection.ts";
import type { Reply } from "./replies.ts";
import { commit, isDirect, type PendingWrite } from "./rename.ts";
import { encodePath, type FtpSession } from "./session.ts";
import { assertUnchanged, existsCommands, fillTime, needsListing, parseStat, stat, statCommands } from "./stat.ts";
import { checkMdtm, recordTimeRefusal, timeCommand, tryOtherSetters } from "./times.ts";

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
  if (options.modified !== undefined && session.learned.setter === "none" && session.learned.timeRefusals === 0) {
    session.warnOnce(
      "The server has no command that sets the time of a file: uploaded files have the time of their upload",
    );
  }
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
  let written = needsListing(session, seen)
    ? await stat(control, session, tempContext)
    : parseStat(session, tempContext, seen);
  if (!session.learned.keepsTimes) {
    written = await fillTime(control, session, { context: tempContext, found: written, replies: seen });
  }
  const found = !isDirect(write) && needsListing(session, left)
    ? await stat(control, session, write)
    : parseStat(session, write, left);
  if (chmodded !== undefined && chmodded.code >= 300) warn(write, "mode");
  if (timed !== undefined && timed.code < 300) written = withKnownTime(session, { written, write });
  else if (timed !== undefined && options.modified !== undefined) {
    const isSet = await tryOtherSetters(control, session, { context: temp, modified: options.modified });
    if (!isSet) recordTimeRefusal(session, timed);
    if (!isSet) warn(write, "time");
    // Otherwise the stat at hand already holds the time.
    if (isSet || session.learned.keepsTimes) {
      written = await stat(control, session, tempContext);
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
