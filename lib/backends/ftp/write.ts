import { randomBytes } from "node:crypto";
import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf } from "../../core/path.ts";
import { tempPath, undottedTempPath } from "../../core/temp_name.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { type Body, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { awaitContent, readExactly } from "../../net/byte_stream.ts";
import type { ControlConnection } from "./control_connection.ts";
import { assertNotUnread, stat } from "./stat.ts";
import { FinalReplyLost, RestRefused } from "./replies.ts";
import { DotNameRefused, finalizeIfWhole, upload, writeDirectly } from "./upload.ts";
import { assertReplaceable, checkCommands, type FinalChecks, finalize, toFinalChecks } from "./finalize.ts";
import { type PendingWrite, RenameRefused, type WriteContext } from "./rename.ts";
import { isPrefixOfSource } from "./checksum.ts";
import { isAbsent, serverMessage } from "./errors.ts";
import {
  childOf,
  encodePath,
  type FtpSession,
  type PathContext,
  serverNameOf,
  serverParentOf,
  withConnection,
} from "./session.ts";
import { operationError } from "../../core/operation.ts";
import { isResumableFailure, MIN_RESUME_BYTES, resumeOffset } from "../shared/upload_resume.ts";

/**
 * Writes a file atomically: the bytes go to a temporary name beside the target, size, time and mode are checked there,
 * and then come a last stat of the target and the rename. A large upload resumes from the leftover of a failed write of
 * the same tag. If the server refuses dot names the temporary name begins without one; if it refuses renames a new file
 * is written under its final name.
 */
export async function writeFile(session: FtpSession, body: Body, context: WriteContext): Promise<FileEntry> {
  assertKeepsName(session, context);
  const { directWrites, learned } = session;
  // SIZE is refused for what the server cannot read, too.
  if (!session.hasMlst && context.options.expect === "absent") {
    assertNotUnread(session, context, learned.unreadLines.get(serverParentOf(context.serverPath)));
  }
  if (context.options.inPlace === true || directWrites.isOn) {
    return await directWrites.write(
      context,
      context.options,
      (options) => writeDirectly(session, body, { ...context, options }),
    );
  }
  const attempt = trackBytes(context);
  try {
    return await writeUnderTemp(session, body, attempt.context);
  } catch (error) {
    attempt.revert();
    if (error instanceof RestRefused) {
      session.learned.lacksRest = true;
      return await writeFile(session, body, context);
    }
    if (error instanceof RenameRefused) return await writeWithoutRename(session, body, { context, refused: error });
    if (!(error instanceof DotNameRefused)) throw error;
    if (session.learned.usesUndottedTemps) throw error.cause;
    return await writeUndotted(session, body, context);
  }
}

/** Writes under a temporary name without a leading dot. If that works it is used for this server from then on. */
async function writeUndotted(session: FtpSession, body: Body, context: WriteContext): Promise<FileEntry> {
  const rememberStyle = () => {
    session.learned.usesUndottedTemps = true;
    session.serverMemory?.remember(UNDOTTED_FACT, "true");
  };
  const attempt = trackBytes(context);
  try {
    const written = await writeUnderTemp(session, body, { ...attempt.context, isUndotted: true });
    rememberStyle();
    return written;
  } catch (error) {
    attempt.revert();
    if (!(error instanceof RenameRefused)) throw error instanceof DotNameRefused ? error.cause : error;
    rememberStyle();
    return await writeWithoutRename(session, body, { context, refused: error });
  }
}

/** The fact in a server's memory that it takes no temporary name with a leading dot. */
export const UNDOTTED_FACT = "undottedTemps";

/** Writes a new file under its final name after its temporary file could not be renamed. */
async function writeWithoutRename(
  session: FtpSession,
  body: Body,
  { context, refused }: { readonly context: WriteContext; readonly refused: RenameRefused },
): Promise<FileEntry> {
  const { directWrites } = session;
  if (refused.isProven) directWrites.turnOn(refused);
  const written = await directWrites.write(
    context,
    context.options,
    (options) => writeDirectly(session, body, { ...context, options }),
  );
  directWrites.turnOn(refused);
  return written;
}

/** Returns the context with a count of the bytes that it reports, and a function that reports them as discarded. */
function trackBytes(context: WriteContext): { readonly context: WriteContext; revert(): void } {
  const { onBytes } = context.options;
  if (onBytes === undefined) return { context, revert: () => {} };
  let sent = 0;
  const report = (bytes: number) => {
    sent += bytes;
    onBytes(bytes);
  };
  return { context: { ...context, options: { ...context.options, onBytes: report } }, revert: () => report(-sent) };
}

async function writeUnderTemp(
  session: FtpSession,
  body: Body,
  context: WriteContext & { readonly isUndotted?: boolean },
): Promise<FileEntry> {
  const { options, path, signal, operation } = context;
  const toTemp = context.isUndotted === true || session.learned.usesUndottedTemps ? undottedTempPath : tempPath;
  const temp = childOf(context.serverParent, nameOf(toTemp(path, options.tag ?? randomBytes(8).toString("hex"))));
  const write: PendingWrite = { ...context, temp: { ...context, serverPath: temp } };
  // Small sources are read before a connection is taken, so that no connection is held while the other side is slow.
  const small = options.size <= SMALL_FILE_BYTES
    ? await readExactly(body(), { ...context, size: options.size })
    : undefined;
  let isBegun = false;
  let resumes = false;
  let checks: FinalChecks | undefined;
  try {
    return await withConnection(session, context, async (control) => {
      const before = await statTarget(control, session, write);
      const from = small === undefined ? await findLeftover(control, session, { write, body }) : 0;
      const content = small ?? await awaitContent(body(from, options.size), { signal, operation });
      isBegun = true;
      // A leftover may have this size already, so that its size would prove nothing.
      resumes = from > 0;
      checks = toFinalChecks(session, { write, before });
      const replies = await upload(control, session, { write, content, from, nextCommands: checkCommands(checks) });
      return await finalize(control, session, { ...checks, replies });
    }).catch(async (error) => {
      if (!(error instanceof FinalReplyLost) || checks === undefined) throw error;
      return await finalizeIfWhole(session, { checks, lost: error, isProof: !resumes });
    });
  } catch (error) {
    // Only after the connection was released: there may be no other.
    if (isBegun) await cleanUp(session, { write, error });
    throw error;
  }
}

/** Rejects names that the server would alter: the file would be sent again in every run. */
export function assertKeepsName(session: FtpSession, context: PathContext): void {
  if (!session.altersTrailingBlanks || !context.serverPath.endsWith(" ")) return;
  throw operationError(context, "unsupported", { why: "this server changes a blank at the end of a name: rename it" });
}

/** Returns the target before the first byte is sent. It is checked again before it is replaced. */
async function statTarget(
  control: ControlConnection,
  session: FtpSession,
  write: PendingWrite,
): Promise<Entry | undefined> {
  const { expect, size } = write.options;
  if (size <= SMALL_FILE_BYTES && (expect === "absent" || expect?.kind === "file")) {
    return expect === "absent" ? undefined : expect;
  }
  const found = await stat(control, session, write);
  assertReplaceable(found, write);
  return found;
}

/** Returns the byte from which a large upload resumes; 0 without a usable leftover. */
async function findLeftover(
  control: ControlConnection,
  session: FtpSession,
  { write: { temp, options }, body }: { readonly write: PendingWrite; readonly body: Body },
): Promise<number> {
  if (options.tag === undefined || !session.profile.features.has("REST") || session.learned.lacksRest) return 0;
  const found = await stat(control, session, temp);
  if (found === undefined) return 0;
  if (found.kind !== "file") {
    throw operationError(temp, "exists", {
      why: `"${escapeForDisplay(temp.serverPath)}", its temporary name, is not a file: remove it`,
    });
  }
  const from = resumeOffset(found.size, options.size);
  if (from !== undefined && await isPrefixOfSource(control, session, { temp, entry: found, body })) return from;
  await control.sendCommand(`DELE ${encodePath(session, temp)}`);
  return 0;
}

/**
 * Removes the temporary file after a failure, unless a later write can resume it. Does nothing if the connection was
 * lost.
 */
async function cleanUp(
  session: FtpSession,
  { write, error }: { readonly write: PendingWrite; readonly error: unknown },
): Promise<void> {
  const { temp, options } = write;
  const { kind } = toSyncError(error, write.operation);
  if (options.tag !== undefined && options.size >= MIN_RESUME_BYTES && isResumableFailure(kind)) return;
  if (kind === "connection" || kind === "timeout") return;
  const signal = AbortSignal.timeout(CLEANUP_MS);
  try {
    const path = encodePath(session, temp);
    await session.pool.use({ signal, operation: "clean up" }, async (control) => {
      const reply = await control.sendCommand(`DELE ${path}`);
      if (reply.code < 300 || isAbsent(reply.text) || await stat(control, session, temp) === undefined) return;
      throw operationError(temp, "denied", { why: `DELE was refused: ${serverMessage(reply)}` });
    });
  } catch (why) {
    const name = escapeForDisplay(serverNameOf(temp.serverPath));
    options.onWarning?.(`A temporary file "${name}" was left behind: ${why instanceof Error ? why.message : why}`);
  }
}

const CLEANUP_MS = 10_000;
