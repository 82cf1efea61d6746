import { type ErrorKind, SyncError } from "../../core/errors.ts";
import { type Body, type Content, SMALL_FILE_BYTES } from "../../core/backend.ts";
import type { Entry, FileEntry } from "../../core/entry.ts";
import { awaitContent, forEachChunk, readExactly, wrongSizeError } from "../../net/byte_stream.ts";
import { endWithCommand, finalReplyLimit, finishWhole, openTransfer } from "./data_transfer.ts";
import type { ControlConnection } from "./control_connection.ts";
import { FinalReplyLost, type Reply } from "./replies.ts";
import { assertReplaceable, checkCommands, type FinalChecks, finalize, toFinalChecks } from "./finalize.ts";
import { explainWriteRefusal, type PendingWrite, type WriteContext } from "./rename.ts";
import { encodePath, type FtpSession, serverNameOf, withConnection } from "./session.ts";
import { stat } from "./stat.ts";
import { toCertificateError } from "./errors.ts";
import type { Transport } from "../../net/transport.ts";

/** The content of a file on its way to its temporary name, or to its own in a direct write. */
export interface UploadOptions {
  readonly write: PendingWrite;
  readonly content: Content;
  readonly from: number;
  /** The commands to send after the last byte. */
  readonly nextCommands: readonly string[];
}

/** Sends the bytes. Returns the replies to the next commands. */
export async function upload(
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
    if (reply.code >= 300) throw await explainRefusedUpload(control, session, { write, reply });
    return replies;
  } finally {
    data.destroy();
  }
}

/** The refusal of a temporary name that begins with a dot, in a folder that may take other names. */
export class DotNameRefused extends Error {
  /** The error to report if the other name is refused as well. */
  override readonly cause: unknown;

  constructor(cause: unknown) {
    super("the temporary name was refused");
    this.cause = cause;
  }
}

async function explainRefusedUpload(
  control: ControlConnection,
  session: FtpSession,
  { write, reply }: { readonly write: PendingWrite; readonly reply: Reply },
): Promise<Error> {
  const why = await explainWriteRefusal(control, session, { write, reply, command: "STOR" });
  const isDotName = serverNameOf(write.temp.serverPath).startsWith(".") && write.temp.serverPath !== write.serverPath;
  const mayBeName = reply.code >= 500 && why instanceof SyncError && MAY_BE_NAME.has(why.kind);
  return isDotName && mayBeName ? new DotNameRefused(why) : why;
}

const MAY_BE_NAME: ReadonlySet<ErrorKind> = new Set(["denied", "unexpected", "changed", "unsupported"]);

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
 * Finishes an upload whose final reply was lost, on another connection: if the temporary file is whole it is not sent
 * again. Otherwise rejects with the error of the lost connection. `isProof`: whether only the whole upload can have given
 * the file this size.
 */
export async function finalizeIfWhole(
  session: FtpSession,
  { checks, lost, isProof }: {
    readonly checks: FinalChecks;
    readonly lost: FinalReplyLost;
    readonly isProof: boolean;
  },
): Promise<FileEntry> {
  const { write } = checks;
  return await withConnection(session, write, async (control) => {
    const found = isProof ? await stat(control, session, write.temp) : undefined;
    if (found?.kind !== "file" || found.size !== write.options.size) throw lost.cause;
    const replies = await control.sendCommands(checkCommands(checks));
    return await finalize(control, session, { ...checks, replies });
  });
}

/**
 * Writes a file under its own name, into the existing one if there is one, never through a link. Old and new content
 * mix until the write ends, also if it fails.
 */
export async function writeDirectly(session: FtpSession, body: Body, context: WriteContext): Promise<FileEntry> {
  const { options, signal, operation } = context;
  const write: PendingWrite = { ...context, temp: context };
  const small = options.size <= SMALL_FILE_BYTES
    ? await readExactly(body(), { ...context, size: options.size })
    : undefined;
  let before: Entry | undefined;
  let checks: FinalChecks | undefined;
  return await withConnection(session, context, async (control) => {
    before = await stat(control, session, { ...write, precise: true });
    assertReplaceable(before, write);
    const content = small ?? await awaitContent(body(0, options.size), { signal, operation });
    checks = toFinalChecks(session, { write, before });
    const replies = await upload(control, session, { write, content, from: 0, nextCommands: checkCommands(checks) });
    return await finalize(control, session, { ...checks, replies });
  }).catch(async (error) => {
    if (!(error instanceof FinalReplyLost) || checks === undefined) throw error;
    // An old version of the same size would look like the new one.
    const isProof = before?.kind !== "file" || before.size !== options.size;
    return await finalizeIfWhole(session, { checks, lost: error, isProof });
  });
}
