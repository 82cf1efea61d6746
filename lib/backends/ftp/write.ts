import { randomBytes } from "node:crypto";
import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { type Body, type Content, SMALL_FILE_BYTES } from "../../core/backend.ts";
import { awaitContent, forEachChunk, readExactly, wrongSizeError } from "../../net/byte_stream.ts";
import { endWithCommand, finalReplyLimit, finishWhole, openTransfer } from "./data_transfer.ts";
import type { ControlConnection } from "./control_connection.ts";
import { stat } from "./stat.ts";
import { FinalReplyLost, type Reply } from "./replies.ts";
import {
  assertReplaceable,
  checkCommands,
  explainWriteRefusal,
  type FinalChecks,
  finalize,
  type PendingWrite,
  toFinalChecks,
  type WriteContext,
} from "./finalize.ts";
import { isPrefixOfSource } from "./checksum.ts";
import { childOf, encodePath, type FtpSession, type PathContext, withConnection } from "./session.ts";
import { toCertificateError } from "./errors.ts";
import type { Transport } from "../../net/transport.ts";
import { operationError } from "../../core/operation.ts";
import { isResumableFailure, MIN_RESUME_BYTES, resumeOffset } from "../shared/upload_resume.ts";

/**
 * Writes a file atomically: the bytes go to a temporary name beside the target, size, time and mode are checked there,
 * and then come a last stat of the target and the rename. A large upload resumes from the leftover of a failed write of
 * the same tag.
 */
export async function writeFile(session: FtpSession, body: Body, context: WriteContext): Promise<FileEntry> {
  const { options, path, signal, operation } = context;
  assertKeepsName(session, context);
  const temp = childOf(context.serverParent, nameOf(tempPath(path, options.tag ?? randomBytes(8).toString("hex"))));
  const write: PendingWrite = { ...context, temp: { ...context, serverPath: temp } };
  // Small sources are read before a connection is taken, so that no connection is held while the other side is slow.
  const small = options.size <= SMALL_FILE_BYTES
    ? await readExactly(body(), { ...context, size: options.size })
    : undefined;
  let isBegun = false;
  let checks: FinalChecks | undefined;
  try {
    return await withConnection(session, context, async (control) => {
      const before = await statTarget(control, session, write);
      const from = small === undefined ? await findLeftover(control, session, { write, body }) : 0;
      const content = small ?? await awaitContent(body(from, options.size), { signal, operation });
      isBegun = true;
      checks = toFinalChecks(session, { write, before });
      const replies = await upload(control, session, { write, content, from, nextCommands: checkCommands(checks) });
      return await finalize(control, session, { ...checks, replies });
    }).catch(async (error) => {
      if (!(error instanceof FinalReplyLost) || checks === undefined) throw error;
      return await finalizeIfWhole(session, { checks, lost: error });
    });
  } catch (error) {
    // Only after the connection was released: there may be no other.
    if (isBegun) await cleanUp(session, { write, error });
    throw error;
  }
}

/**
 * Finishes an upload whose final reply was lost, on another connection: if the temporary file is whole it is not sent
 * again. Otherwise rejects with the error of the lost connection.
 */
async function finalizeIfWhole(
  session: FtpSession,
  { checks, lost }: { readonly checks: FinalChecks; readonly lost: FinalReplyLost },
): Promise<FileEntry> {
  const { write } = checks;
  return await withConnection(session, write, async (control) => {
    const found = await stat(control, session, write.temp);
    if (found?.kind !== "file" || found.size !== write.options.size) throw lost.cause;
    const replies = await control.sendCommands(checkCommands(checks));
    return await finalize(control, session, { ...checks, replies });
  });
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
  if (options.tag === undefined || !session.profile.features.has("REST")) return 0;
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

interface UploadOptions {
  readonly write: PendingWrite;
  readonly content: Content;
  readonly from: number;
  /** The commands to send after the last byte. */
  readonly nextCommands: readonly string[];
}

/** Sends the bytes to the temporary name. Returns the replies to the next commands. */
async function upload(
  control: ControlConnection,
  session: FtpSession,
  uploading: UploadOptions,
): Promise<readonly Reply[]> {
  const { write, content, from, nextCommands: next } = uploading;
  const data = await openTransfer(control, { context: write.temp, from }).catch(async (error) => {
    if (!(content instanceof Uint8Array)) await content.cancel().catch(() => {});
    throw error;
  });
  try {
    const pending = control.sendCommand(`STOR ${encodePath(session, write.temp)}`, { untimed: true });
    endWithCommand(data, { pending, isSized: true });
    const failed = await send(data, uploading);
    const foreign = toCertificateError(failed?.error, write);
    if (foreign !== undefined) throw foreign;
    if (failed !== undefined) control.armTimeout();
    const limit = finalReplyLimit(session, write.options.size);
    const { reply, replies } = failed === undefined
      ? await finishWhole(control, { pending, nextCommands: next, context: write, limit })
      : { reply: await pending, replies: [] };
    if (failed !== undefined && !(reply.code >= 400 && failed.isWire)) throw failed.error;
    if (reply.code >= 300) throw await explainWriteRefusal(control, session, { write, reply });
    return replies;
  } finally {
    data.destroy();
  }
}

/** Sends the content. Returns the error that stopped it, or undefined; the server's final reply is due in any case. */
async function send(
  data: Transport,
  { write, content, from }: UploadOptions,
): Promise<{ readonly error: unknown; readonly isWire: boolean } | undefined> {
  const { signal, operation, options } = write;
  let at = from;
  let isWire = false;
  if (from > 0) options.onBytes?.(from);
  try {
    await forEachChunk(content, async (bytes) => {
      at += bytes.length;
      if (at > options.size) throw wrongSizeError(write, { given: at, size: options.size });
      isWire = true;
      await data.write(bytes);
      isWire = false;
      options.onBytes?.(bytes.length);
    }, { signal, operation, reusesBuffer: true });
    if (at < options.size) throw wrongSizeError(write, { given: at, size: options.size });
    isWire = true;
    await data.end();
    return undefined;
  } catch (error) {
    data.destroy();
    return { error, isWire };
  }
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
    await session.pool.use({ signal, operation: "clean up" }, (control) => control.sendCommand(`DELE ${path}`));
  } catch (why) {
    options.onWarning?.(`A temporary file was left behind: ${why instanceof Error ? why.message : why}`);
  }
}

const CLEANUP_MS = 10_000;
