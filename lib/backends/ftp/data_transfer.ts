import { cancelled, SyncError } from "../../core/errors.ts";
import type { ControlConnection } from "./control_connection.ts";
import { serverMessage, toCertificateError, toSyncError } from "./errors.ts";
import { FinalReplyLost, NoReply, type Reply, RestRefused } from "./replies.ts";
import type { FtpSession, PathContext } from "./session.ts";
import { dialTcp } from "../../net/tcp.ts";
import { openDataConnection } from "./data_connection.ts";
import type { Transport } from "../../net/transport.ts";
import { networkError } from "../../net/net_error.ts";
import { operationError } from "../../core/operation.ts";

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
  /** Returns how long the final reply is waited for if the bytes that came are all there, otherwise undefined. */
  finalLimit?(): number | undefined;
  /** ms that the first byte may take, if that is longer than -Timeout: a listing's. */
  readonly firstByteLimit?: number | undefined;
  /** Whether the end must be proven, because no size is known: over TLS that is the peer's close_notify. */
  readonly needsCloseNotify?: boolean;
}

/** The wait for the final reply of a transfer whose bytes are all there. Servers scan a file or pass it on before it. */
export interface FinalWait {
  /** ms until the reply counts as lost. */
  readonly limit: number;
  readonly context: PathContext;
}

/** Returns the longest wait in ms for the final reply of a transfer of so many bytes. */
export function finalReplyLimit({ finalReplyTime }: Pick<FtpSession, "finalReplyTime">, size: number): number {
  return finalReplyTime + size / PROCESSED_PER_MS;
}

/** The bytes that a server is expected to process in 1 ms: 2 MB in a second. */
const PROCESSED_PER_MS = 2_000;

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
    endWithCommand(data, { pending, isSized: given.finalLimit !== undefined });
    const broken = await receiveAll(data, { sink, needsCloseNotify, control, context, limit: given.firstByteLimit });
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
    const limit = given.finalLimit?.();
    const { reply, replies } = broken === undefined
      ? await (limit === undefined
        ? control.finishTransfer(pending, nextCommands)
        : finishWhole(control, { pending, nextCommands, context, limit }))
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
 * Closes a data connection after a refusal, which comes without data and after which some servers leave it open; also
 * after the control connection was closed. `isSized`: if the control connection was cut, by a gateway for example, the
 * data may come to their end all the same, and their size shows it.
 */
export function endWithCommand(
  data: Transport,
  { pending, isSized }: { readonly pending: Promise<Reply>; readonly isSized: boolean },
): void {
  pending.then(
    ({ code }) => code >= 300 && !(isSized && code === 421) && data.destroy(),
    (error) => isSized && isCut(error) || data.destroy(),
  );
}

/** Whether the connection was cut by the peer or by the network, not closed by this end. */
function isCut(error: unknown): boolean {
  return error instanceof SyncError && error.kind === "connection" && error.facts.transient === true;
}

/**
 * Waits for the final reply of a transfer whose bytes are all there, then sends the next commands. Rejects with
 * FinalReplyLost if the connection breaks or the limit passes, and at once with cancelled.
 */
export async function finishWhole(
  control: ControlConnection,
  { pending, nextCommands, context, limit }: FinalWait & {
    readonly pending: Promise<Reply>;
    readonly nextCommands: readonly string[];
  },
): Promise<TransferReplies> {
  const { signal, operation } = context;
  const since = performance.now();
  // A server that works on the file is not stuck: others that wait for a connection wait on.
  const timer = setInterval(() => {
    control.onProgress();
    if (performance.now() - since >= limit) control.close(new NoReply(Math.round(limit / 1000)));
  }, Math.min(limit, PULSE_MS));
  const stop = () => control.close();
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    const done = await control.finishTransfer(pending, nextCommands, { untimed: true });
    if (done.reply.code === 421) throw networkError("connection", serverMessage(done.reply));
    return done;
  } catch (error) {
    if (signal.aborted) throw cancelled(signal, operation);
    throw new FinalReplyLost(error);
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
  }
}

const PULSE_MS = 1_000;

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

/**
 * Sends REST, so that the next transfer begins at this byte. It must be the last command before the transfer. Rejects
 * with RestRefused if the server has no REST, or none for this file.
 */
async function sendRest(
  control: ControlConnection,
  { context, from }: { context: PathContext; from: number },
): Promise<void> {
  const reply = await control.sendCommand(`REST ${from}`);
  if (reply.code >= 500) throw new RestRefused();
  if (reply.code !== 350) throw toSyncError(context, reply, "REST");
}

/**
 * Reads the data connection to its end. Returns the error that ended it early, or undefined; `isSinkError`: the sink threw
 * it.
 */
async function receiveAll(
  data: Transport,
  { sink, needsCloseNotify, control, context, limit }: {
    readonly sink: Sink;
    readonly needsCloseNotify: boolean;
    readonly control: ControlConnection;
    readonly context: PathContext;
    readonly limit: number | undefined;
  },
): Promise<{ readonly error: unknown; readonly isSinkError: boolean } | undefined> {
  let isSinkError = false;
  try {
    for (let isFirst = true;; isFirst = false) {
      const isPatient = isFirst && limit !== undefined && limit > control.settings.timeout;
      const count = isPatient
        ? await readFirst(data, { control, context, limit, into: sink.nextBuffer() })
        : await data.read(sink.nextBuffer());
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

/**
 * Reads the first bytes of a listing, which a server may collect for minutes. Rejects with timeout, not worth another
 * attempt, after `limit` ms; and earlier if the server can no longer be reached by another connection.
 */
async function readFirst(
  data: Transport,
  { control, context, limit, into }: {
    readonly control: ControlConnection;
    readonly context: PathContext;
    readonly limit: number;
    readonly into: Uint8Array<ArrayBuffer>;
  },
): Promise<number | undefined> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  given.catch(() => {});
  const { settings: { timeout, ...server } } = control;
  const probe = async () => (await dialTcp(server, timeout)).close();
  const late = () => {
    const why = `the server began no listing in ${Math.round(limit / 1000)} s`;
    reject(operationError(context, "timeout", { why, transient: false }));
  };
  const timer = setTimeout(late, limit);
  // A server that works on it is not stuck: others that wait for a connection wait on.
  const pulse = setInterval(() => control.onProgress(), timeout / 4);
  const probing = setInterval(() => probe().catch(reject), timeout);
  try {
    return await Promise.race([data.read(into, { untimed: true }), given]);
  } finally {
    clearTimeout(timer);
    clearInterval(pulse);
    clearInterval(probing);
  }
}
