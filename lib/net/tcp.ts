import { lookup } from "node:dns/promises";
import net, { isIP } from "node:net";
import { SyncError } from "../core/errors.ts";
import { describeNetError, netMessageOf, networkError, timeoutError } from "./net_error.ts";

export interface Peer {
  /** An IP address, or a name that resolves to one. */
  readonly host: string;
  readonly port: number;
}

/** Connects within `timeout` ms. Rejects with connection or timeout. */
export async function dialTcp(peer: Peer, timeout: number): Promise<Deno.TcpConn> {
  try {
    const connection = await dialAnyAddress(peer, timeout);
    connection.setNoDelay(true);
    return connection;
  } catch (error) {
    throw error instanceof SyncError ? error : networkError("connection", netMessageOf(error), error);
  }
}

/**
 * Connects to any address of the host. A name may have several of which only one answers, so each gets a share of the
 * timeout.
 */
async function dialAnyAddress({ host, port }: Peer, timeout: number): Promise<Deno.TcpConn> {
  const addresses = isIP(host) === 0 ? (await lookup(host, { all: true })).map(({ address }) => address) : [host];
  let last: unknown;
  for (const hostname of addresses) {
    try {
      return await withTimeout(Deno.connect({ hostname, port }), timeout / addresses.length);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function withTimeout(dialing: Promise<Deno.TcpConn>, timeout: number): Promise<Deno.TcpConn> {
  const { promise: never, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timeoutError("no answer", timeout)), timeout);
  try {
    return await Promise.race([dialing, never]);
  } catch (error) {
    dialing.then((connection) => connection.close(), () => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Connects a socket of node:net within `timeout` ms, for client libraries that take one; stops when the signal is aborted. */
export function dialSocket(
  peer: Peer,
  { timeout, signal }: { readonly timeout: number; readonly signal?: AbortSignal },
): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const socket = net.connect({ ...peer, noDelay: true });
  const timer = setTimeout(() => fail(timeoutError("no answer", timeout)), timeout);
  const fail = (error: unknown) => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.destroy();
    reject(error);
  };
  const stop = () => fail(networkError("connection", "the connection was given up"));
  signal?.addEventListener("abort", stop);
  socket.once("error", (error) => fail(networkError("connection", describeNetError(error) ?? error.message, error)));
  socket.once("connect", () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.removeAllListeners("error");
    socket.on("error", () => {});
    resolve(socket);
  });
  return promise;
}
