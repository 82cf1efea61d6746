import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { SyncError } from "../core/errors.ts";
import { netWords } from "./net_error.ts";
import { toLatin1 } from "./latin1.ts";
import { wrongProtocol } from "./peer_protocol.ts";
import { connectionOptions, type TlsTrust, verifyPeer } from "./tls.ts";
import { dialTcp, late, lost, misdirected, type Peer } from "./transport.ts";

/** Connects within `timeout` ms; stops when the signal is aborted. */
export function dial(
  to: { readonly host: string; readonly port: number },
  { timeout, signal }: { readonly timeout: number; readonly signal?: AbortSignal },
): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const socket = net.connect({ ...to, noDelay: true });
  const timer = setTimeout(() => fail(late("no answer", timeout)), timeout);
  const fail = (error: unknown) => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.destroy();
    reject(error);
  };
  const stop = () => fail(lost("connection", "the connection was given up"));
  signal?.addEventListener("abort", stop);
  socket.once("error", (error) => fail(lost("connection", netWords(error) ?? error.message, error)));
  socket.once("connect", () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.removeAllListeners("error");
    socket.on("error", () => {});
    resolve(socket);
  });
  return promise;
}

/**
 * Returns the TLS versions for a control connection and its data connections. `newest`: also 1.3; servers that require
 * a resumed session work best without it.
 */
export function versions(newest: boolean): tls.ConnectionOptions {
  return { maxVersion: newest ? "TLSv1.3" : "TLSv1.2" };
}

/** Starts TLS on a connected socket and verifies the peer, within `timeout` ms. */
export function secure(
  socket: net.Socket,
  { trust, newest, timeout }: { readonly trust: TlsTrust; readonly newest: boolean; readonly timeout: number },
): Promise<tls.TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
  const secured = tls.connect({ ...connectionOptions(trust), ...versions(newest), socket });
  const settle = () => {
    clearTimeout(timer);
    secured.off("error", fail);
    secured.off("close", onClose);
    secured.on("error", () => {});
  };
  const fail = (error: unknown) => {
    settle();
    secured.destroy();
    socket.destroy();
    reject(error);
  };
  const onClose = () => fail(lost("connection", "the server closed the connection before TLS was agreed on"));
  const timer = setTimeout(() => fail(late("TLS was not agreed on", timeout)), timeout);
  secured.on("error", fail);
  secured.on("close", onClose);
  secured.once("secureConnect", () => {
    try {
      verifyPeer(secured, trust);
    } catch (error) {
      return fail(error);
    }
    settle();
    resolve(secured);
  });
  return promise;
}

/**
 * Starts TLS from the first byte (implicit TLS). If the server does not use TLS, the error names the protocol it uses.
 */
export async function secureFirst(
  socket: net.Socket,
  settings: Peer & Parameters<typeof secure>[1],
): Promise<tls.TLSSocket> {
  try {
    return await secure(socket, settings);
  } catch (error) {
    if (error instanceof SyncError && error.kind !== "connection") throw error;
    const why = await whatSpeaksThere(settings);
    throw why === undefined ? error : misdirected(why);
  }
}

/**
 * Returns the protocol of a port at which TLS failed, as the end of a sentence; undefined if the server does not send
 * first.
 */
async function whatSpeaksThere(peer: Peer): Promise<string | undefined> {
  const connection = await dialTcp(peer, LOOK_MS).catch(() => undefined);
  if (connection === undefined) return undefined;
  const first = new Uint8Array(MOST_GREETING);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), LOOK_MS));
  // A web server waits for a line; an FTP server sends its greeting before it reads one.
  await connection.write(toLatin1("NOOP\r\n")).catch(() => 0);
  const coming = connection.read(first).catch(() => null);
  const count = await Promise.race([coming, tooLong]);
  clearTimeout(timer);
  connection.close();
  await coming;
  return wrongProtocol(first.subarray(0, count ?? 0), "ftps");
}

/** The time in ms to wait for a greeting: servers that send first do so immediately. */
const LOOK_MS = 2_000;
const MOST_GREETING = 1024;

/** Longer than any line of a reply. */
const MOST_LINE = 1 << 16;

/**
 * Passes only complete lines to the client library, which treats every chunk as complete lines. `refuse` is called with
 * the error if the peer is not an FTP server, or if a reply is too long.
 */
export function wholeLines(socket: net.Socket, refuse: (error: SyncError) => void): void {
  const listeners = socket.listeners("data");
  socket.removeAllListeners("data");
  let rest = "";
  let isFirst = true;
  socket.on("data", (chunk: string | Buffer) => {
    const text = rest + (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1"));
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    const why = isFirst ? wrongProtocol(Buffer.from(text, "latin1"), "ftp") : undefined;
    if (why !== undefined) return refuse(misdirected(why));
    isFirst &&= end === 0;
    if (rest.length > MOST_LINE) return refuse(lost("connection", "the server's reply is too long"));
    if (end > 0) { for (const listener of listeners) listener.call(socket, text.slice(0, end)); }
  });
}

/**
 * The time in ms to wait for the greeting, which an FTP server sends first. A server silent for longer is sent a NOOP:
 * a web server, or one that expects TLS, then answers immediately in its own protocol, and an FTP server answers after
 * its greeting.
 */
export const SILENT_MS = 2_000;
/** The error of a connection that ended before any greeting. */
export const SAID_NOTHING =
  "the server closed the connection and said nothing: check the port; one that expects TLS at once is written ftps://";
