import { cancelled, SyncError } from "../../core/errors.ts";
import type { FtpLink } from "./control_connection.ts";
import { refusal, type Reply } from "./reply.ts";
import type { Doing } from "./session.ts";
import { foreignCertificate } from "./foreign_certificate.ts";
import { lost, type Wire } from "../../net/transport.ts";

/** A command whose answer comes on a data connection. */
export interface Fetching {
  readonly doing: Doing;
  readonly command: string;
  /** The first byte. */
  readonly from?: number;
  /** What is asked next on this connection. */
  readonly next?: readonly string[];
  /** The data connection, where it is on its way already. */
  readonly data?: Promise<Wire>;
  /** No size proves that all came: over TLS the other side must have told the end. */
  readonly witnessed?: boolean;
}

/** Where the bytes of a data connection go. */
export interface Sink {
  /** Memory for the next bytes. */
  room(): Uint8Array<ArrayBuffer>;
  /** So many bytes came into that memory. What it throws ends the transfer. */
  took(count: number): void;
}

/** The reply behind a transfer, and those to what was asked next; these are of no use after a refusal. */
export interface Fetched {
  readonly reply: Reply;
  readonly replies: readonly Reply[];
}

/** A data connection for a transfer that begins at this byte: its command comes next. */
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

/** Hands everything that a command gives on a data connection to the sink. The reply after it decides over a broken data connection. */
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
    // A refusal comes without any data, and without an end of it at some servers.
    pending.then((reply) => reply.code >= 300 && data.destroy(), () => data.destroy());
    const broken = await receive(data, { sink, witnessed });
    // A server that sends next to nothing would be waited for twice.
    if (broken?.isOurs === true || (broken?.error instanceof SyncError && broken.error.kind === "timeout")) {
      await letGo(link, data, pending);
      throw broken.error;
    }
    // At once: vsftpd waits until its end of the connection was acknowledged, which takes 40 ms where nothing is sent back.
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

/** Ends a transfer that is left: its final reply must come before the connection is of use again. Pure-FTPd gives none; then the pool opens another. */
export async function letGo(link: FtpLink, data: Wire, pending: Promise<Reply>): Promise<void> {
  data.destroy();
  link.hurry();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LET_GO_MS);
  await Promise.race([pending.catch(() => undefined), promise]);
  clearTimeout(timer);
}

const LET_GO_MS = 500;

/** The next transfer begins at this byte: the last command before it. */
async function restart(link: FtpLink, { doing, from }: { doing: Doing; from: number }): Promise<void> {
  const reply = await link.ask(`REST ${from}`);
  if (reply.code !== 350) throw refusal(doing, reply);
}

/** What ended it before its end, undefined where nothing did; `isOurs`: the sink took no more. */
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
