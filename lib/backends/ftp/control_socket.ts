import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { SyncError } from "../../core/errors.ts";
import { toLatin1 } from "../../net/latin1.ts";
import { explainWrongProtocol } from "../../net/peer_protocol.ts";
import { tlsConnectionOptions, type TlsTrust, verifyPeer } from "../../net/tls.ts";
import { dialTcp, type Peer } from "../../net/tcp.ts";
import { networkError, timeoutError, wrongProtocolError } from "../../net/net_error.ts";

/**
 * Returns the TLS versions for a control connection and its data connections. `allowTls13`: also 1.3; servers that require
 * a resumed session work best without it.
 */
export function tlsVersions(allowTls13: boolean): tls.ConnectionOptions {
  return { maxVersion: allowTls13 ? "TLSv1.3" : "TLSv1.2" };
}

/** Starts TLS on a connected socket and verifies the peer, within `timeout` ms. */
export function startTlsOnSocket(
  socket: net.Socket,
  { trust, allowTls13, timeout }: { readonly trust: TlsTrust; readonly allowTls13: boolean; readonly timeout: number },
): Promise<tls.TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
  const secured = tls.connect({ ...tlsConnectionOptions(trust), ...tlsVersions(allowTls13), socket });
  if (!(socket instanceof net.Socket)) keepUsable(socket, secured);
  const cleanUp = () => {
    clearTimeout(timer);
    secured.off("error", fail);
    secured.off("close", onClose);
    secured.on("error", () => {});
  };
  const fail = (error: unknown) => {
    cleanUp();
    secured.destroy();
    socket.destroy();
    reject(error);
  };
  const onClose = () => fail(networkError("connection", "the server closed the connection before TLS was agreed on"));
  const timer = setTimeout(() => fail(timeoutError("TLS was not agreed on", timeout)), timeout);
  secured.on("error", fail);
  secured.on("close", onClose);
  secured.once("secureConnect", () => {
    try {
      verifyPeer(secured, trust);
    } catch (error) {
      return fail(error);
    }
    cleanUp();
    resolve(secured);
  });
  return promise;
}

/**
 * Keeps TLS over a connection through a proxy usable: the runtime names no peer of it, which the client library takes for
 * a closed connection, and it carries TLS by listeners, all of which the library removes from the socket below.
 */
function keepUsable(socket: net.Socket, secured: tls.TLSSocket): void {
  Object.defineProperty(secured, "remoteAddress", { value: socket.remoteAddress });
  Object.assign(socket, { removeAllListeners: () => socket });
}

/**
 * Starts TLS from the first byte (implicit TLS). If the server does not use TLS, the error names the protocol it uses.
 */
export async function startImplicitTls(
  socket: net.Socket,
  settings: Peer & Parameters<typeof startTlsOnSocket>[1],
): Promise<tls.TLSSocket> {
  try {
    return await startTlsOnSocket(socket, settings);
  } catch (error) {
    if (error instanceof SyncError && error.kind !== "connection") throw error;
    const why = await probeProtocol(settings);
    throw why === undefined ? error : wrongProtocolError(why);
  }
}

/**
 * Returns the protocol of a port at which TLS failed, as the end of a sentence; undefined if the server does not send
 * first.
 */
async function probeProtocol(peer: Peer): Promise<string | undefined> {
  const connection = await dialTcp(peer, PROBE_TIMEOUT_MS).catch(() => undefined);
  if (connection === undefined) return undefined;
  const first = new Uint8Array(MAX_GREETING);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), PROBE_TIMEOUT_MS));
  // A web server waits for a line; an FTP server sends its greeting before it reads one.
  await connection.write(toLatin1("NOOP\r\n")).catch(() => 0);
  const coming = connection.read(first).catch(() => null);
  const count = await Promise.race([coming, tooLong]);
  clearTimeout(timer);
  connection.close();
  await coming;
  return explainWrongProtocol(first.subarray(0, count ?? 0), "ftps");
}

/** The time in ms to wait for a greeting: servers that send first do so immediately. */
const PROBE_TIMEOUT_MS = 2_000;
const MAX_GREETING = 1024;

/** Longer than any line of a reply. */
const MAX_LINE = 1 << 16;

/**
 * Passes only complete lines to the client library, which treats every chunk as complete lines. `onRefused` is called with
 * the error if the peer is not an FTP server, or if a reply is too long.
 */
export function deliverWholeLines(socket: net.Socket, onRefused: (error: SyncError) => void): void {
  const listeners = socket.listeners("data");
  socket.removeAllListeners("data");
  let rest = "";
  let isFirst = true;
  socket.on("data", (chunk: string | Buffer) => {
    const text = rest + (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1"));
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    const why = isFirst ? explainWrongProtocol(Buffer.from(text, "latin1"), "ftp") : undefined;
    if (why !== undefined) return onRefused(wrongProtocolError(why));
    isFirst &&= end === 0;
    if (rest.length > MAX_LINE) return onRefused(networkError("connection", "the server's reply is too long"));
    if (end > 0) { for (const listener of listeners) listener.call(socket, text.slice(0, end)); }
  });
}

/**
 * The time in ms to wait for the greeting, which an FTP server sends first. A server silent for longer is sent a NOOP:
 * a web server, or one that expects TLS, then answers immediately in its own protocol, and an FTP server answers after
 * its greeting.
 */
export const GREETING_WAIT_MS = 2_000;
/** The error of a connection that ended before any greeting. */
export const NO_GREETING =
  "the server closed the connection and said nothing: check the port; one that expects TLS at once is written ftps://";
