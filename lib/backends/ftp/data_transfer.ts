import { cancelled, SyncError } from "../../core/errors.ts";
import type { FtpLink } from "./control_connection.ts";
import { refusal, type Reply } from "./reply.ts";
import type { Doing } from "./session.ts";
import { foreignCertificate } from "./foreign_certificate.ts";
import { lost, type Wire } from "../../net/transport.ts";

/** A command whose result comes on a data connection. */
export interface Fetching {
  readonly doing: Doing;
  readonly command: string;
  /** The offset of the first byte. */
  readonly from?: number;
  /** Commands to send next on this connection. */
  readonly next?: readonly string[];
  /** The data connection, if it is already being opened. */
  readonly data?: Promise<Wire>;
  /** Whether the end must be proven, because no size is known: over TLS that is the peer's close_notify. */
  readonly witnessed?: boolean;
}

/** The receiver of the bytes of a data connection. */
export interface Sink {
  /** Returns the buffer for the next bytes. */
  room(): Uint8Array<ArrayBuffer>;
  /** Called after `count` bytes were read into that buffer. An exception ends the transfer. */
  took(count: number): void;
}

/** The reply after a transfer, and the replies to the next commands; these are meaningless after a refusal. */
export interface Fetched {
  readonly reply: Reply;
  readonly replies: readonly Reply[];
}

/** Opens a data connection for a transfer that begins at this byte. The transfer command must come next. */
export async function openDataAt(link: FtpLink, start: { doing: Doing; from: number }): Promise<Wire> {
  const data = await link.openData();
  try {
    if (start.from > 0) await restart(link, start);
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
export async function fetchInto(
  link: FtpLink,
  { doing, command, from = 0, next = [], witnessed = false, ...given }: Fetching,
  sink: Sink,
): Promise<Fetched> {
  const { signal, operation } = doing;
  const data = await (given.data ?? link.openData());
  const stop = () => data.destroy();
  signal.addEventListener("abort", stop);
  try {
    if (from > 0) await restart(link, { doing, from });
    const pending = link.ask(command, { patient: true });
    // A refusal comes without data, and some servers then do not close the data connection.
    pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
    const broken = await receive(data, { sink, witnessed });
    // A server that has stopped sending would cost the timeout twice.
    if (broken?.isOurs === true || (broken?.error instanceof SyncError && broken.error.kind === "timeout")) {
      await letGo(link, data, pending);
      throw broken.error;
    }
    // Destroyed at once: vsftpd waits until the end of its connection is acknowledged, which takes 40 ms if nothing is
    // sent back.
    data.destroy();
    const foreign = foreignCertificate(broken?.error, doing);
    if (foreign !== undefined) throw foreign;
    if (broken !== undefined) link.hurry();
    const { reply, replies } = broken === undefined
      ? await link.conclude(pending, next)
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
 * Aborts a transfer and waits up to LET_GO_MS for its final reply, without which the connection cannot be used again.
 * Pure-FTPd sends none; then the pool opens another connection.
 */
export async function letGo(link: FtpLink, data: Wire, pending: Promise<Reply>): Promise<void> {
  data.destroy();
  link.hurry();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LET_GO_MS);
  await Promise.race([pending.catch(() => undefined), promise]);
  clearTimeout(timer);
}

const LET_GO_MS = 500;

/** Sends REST, so that the next transfer begins at this byte. It must be the last command before the transfer. */
async function restart(link: FtpLink, { doing, from }: { doing: Doing; from: number }): Promise<void> {
  const reply = await link.ask(`REST ${from}`);
  if (reply.code !== 350) throw refusal(doing, reply);
}

/**
 * Reads the data connection to its end. Returns the error that ended it early, or undefined; `isOurs`: the sink threw
 * it.
 */
async function receive(
  data: Wire,
  { sink, witnessed }: { readonly sink: Sink; readonly witnessed: boolean },
): Promise<{ readonly error: unknown; readonly isOurs: boolean } | undefined> {
  let isOurs = false;
  try {
    for (;;) {
      const count = await data.read(sink.room());
      if (count === undefined) break;
      isOurs = true;
      sink.took(count);
      isOurs = false;
    }
    if (witnessed && data.isTold?.() === false) {
      throw lost("connection", "the data connection was cut: TLS did not tell its end");
    }
    return undefined;
  } catch (error) {
    return { error, isOurs };
  }
}
