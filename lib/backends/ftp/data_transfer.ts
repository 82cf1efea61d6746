import { cancelled, SyncError } from "../../core/errors.ts";
import type { ControlConnection } from "./control_connection.ts";
import { toCertificateError, toSyncError } from "./errors.ts";
import type { Reply } from "./replies.ts";
import type { PathContext } from "./session.ts";
import { openDataConnection } from "./data_connection.ts";
import type { Transport } from "../../net/transport.ts";
import { networkError } from "../../net/net_error.ts";

/** A command whose result is sent on a data connection. */
export interface DownloadOptions {
  readonly context: PathContext;
  readonly command: string;
  /** The offset of the first byte. */
  readonly from?: number;
  /** Commands to send next on this connection. */
  readonly nextCommands?: readonly string[];
  /** The data connection, if it is already being opened. */
  readonly data?: Promise<Transport>;
  /** Whether the end must be proven, because no size is known: over TLS that is the peer's close_notify. */
  readonly needsCloseNotify?: boolean;
}

/** The receiver of the bytes of a data connection. */
export interface Sink {
  /** Returns the buffer for the next bytes. */
  nextBuffer(): Uint8Array<ArrayBuffer>;
  /** Called after `count` bytes were read into that buffer. An exception ends the transfer. */
  onRead(count: number): void;
}

/** The reply after a transfer, and the replies to the next commands; these are meaningless after a refusal. */
export interface TransferReplies {
  readonly reply: Reply;
  readonly replies: readonly Reply[];
}

/** Opens a data connection for a transfer that begins at this byte. The transfer command must come next. */
export async function openTransfer(
  control: ControlConnection,
  start: { context: PathContext; from: number },
): Promise<Transport> {
  const data = await openDataConnection(control);
  try {
    if (start.from > 0) await sendRest(control, start);
    return data;
  } catch (error) {
    data.destroy();
    throw error;
  }
}

/**
 * Passes all bytes of a command's data connection to the sink. If the data connection broke, a refusal in the reply
 * after it takes precedence over that error.
 */
export async function download(
  control: ControlConnection,
  { context, command, from = 0, nextCommands = [], needsCloseNotify = false, ...given }: DownloadOptions,
  sink: Sink,
): Promise<TransferReplies> {
  const { signal, operation } = context;
  const data = await (given.data ?? openDataConnection(control));
  const stop = () => data.destroy();
  signal.addEventListener("abort", stop);
  try {
    if (from > 0) await sendRest(control, { context, from });
    const pending = control.sendCommand(command, { untimed: true });
    // A refusal comes without data, and some servers then do not close the data connection.
    pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
    const broken = await receiveAll(data, { sink, needsCloseNotify });
    // A server that has stopped sending would cost the timeout twice.
    if (broken?.isSinkError === true || (broken?.error instanceof SyncError && broken.error.kind === "timeout")) {
      await abortTransfer(control, data, pending);
      throw broken.error;
    }
    // Destroyed at once: vsftpd waits until the end of its connection is acknowledged, which takes 40 ms if nothing is
    // sent back.
    data.destroy();
    const foreign = toCertificateError(broken?.error, context);
    if (foreign !== undefined) throw foreign;
    if (broken !== undefined) control.armTimeout();
    const { reply, replies } = broken === undefined
      ? await control.finishTransfer(pending, nextCommands)
      : { reply: await pending, replies: [] };
    if (signal.aborted) throw cancelled(signal, operation);
    if (reply.code < 300 && broken !== undefined) throw broken.error;
    return { reply, replies };
  } finally {
    signal.removeEventListener("abort", stop);
    data.destroy();
  }
}

/**
 * Aborts a transfer and waits up to ABORT_MS for its final reply, without which the connection cannot be used again.
 * Pure-FTPd sends none; then the pool opens another connection.
 */
export async function abortTransfer(
  control: ControlConnection,
  data: Transport,
  pending: Promise<Reply>,
): Promise<void> {
  data.destroy();
  control.armTimeout();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ABORT_MS);
  await Promise.race([pending.catch(() => undefined), promise]);
  clearTimeout(timer);
}

const ABORT_MS = 500;

/** Sends REST, so that the next transfer begins at this byte. It must be the last command before the transfer. */
async function sendRest(
  control: ControlConnection,
  { context, from }: { context: PathContext; from: number },
): Promise<void> {
  const reply = await control.sendCommand(`REST ${from}`);
  if (reply.code !== 350) throw toSyncError(context, reply);
}

/**
 * Reads the data connection to its end. Returns the error that ended it early, or undefined; `isSinkError`: the sink threw
 * it.
 */
async function receiveAll(
  data: Transport,
  { sink, needsCloseNotify }: { readonly sink: Sink; readonly needsCloseNotify: boolean },
): Promise<{ readonly error: unknown; readonly isSinkError: boolean } | undefined> {
  let isSinkError = false;
  try {
    for (;;) {
      const count = await data.read(sink.nextBuffer());
      if (count === undefined) break;
      isSinkError = true;
      sink.onRead(count);
      isSinkError = false;
    }
    if (needsCloseNotify && data.endedCleanly?.() === false) {
      throw networkError("connection", "the data connection was cut: TLS did not report its end");
    }
    return undefined;
  } catch (error) {
    return { error, isSinkError };
  }
}
