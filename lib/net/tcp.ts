import net from "node:net";
import { SyncError } from "../core/errors.ts";
import type { RawConnection } from "./connection_stream.ts";
import { dialHost, type Resolve } from "./happy_eyeballs.ts";
import { netMessageOf, networkError } from "./net_error.ts";

/** A proxy that carries connections to other hosts. */
export interface Proxy {
  /** For messages: "http://proxy:3128", without user and password. */
  readonly label: string;
  /** The parameter or the variable that names it. */
  readonly source: string;
  /** Opens a connection through it within `timeout` ms. */
  open(peer: Peer, timeout: number): Promise<RawConnection>;
}

export interface Peer {
  /** An IP address, with its zone if it has one ("fe80::1%eth0"), or a name that resolves to one. */
  readonly host: string;
  readonly port: number;
  /** The proxy that connects to the peer, and looks up its name. */
  readonly proxy?: Proxy | undefined;
}

/** Connects within `timeout` ms. Rejects with connection or timeout, and with the errors of the proxy. */
export async function dialTcp(peer: Peer, timeout: number, resolve?: Resolve): Promise<RawConnection> {
  if (peer.proxy !== undefined) return await peer.proxy.open(peer, timeout);
  const { port } = peer;
  try {
    const connection = await dialHost(peer.host, {
      timeout,
      dial: (hostname, signal) => Deno.connect({ hostname, port, signal }),
      close: (late) => late.close(),
      ...(resolve === undefined ? {} : { resolve }),
    });
    connection.setNoDelay(true);
    return connection;
  } catch (error) {
    throw error instanceof SyncError ? error : networkError("connection", netMessageOf(error), error);
  }
}

/** The options of connecting a socket. */
export interface SocketOptions {
  /** In ms. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  readonly resolve?: Resolve;
}

/** Connects a socket of node:net within `timeout` ms, for client libraries that take one; stops when the signal is aborted. */
export async function dialSocket(peer: Peer, { timeout, signal, resolve }: SocketOptions): Promise<net.Socket> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  const stop = () => reject(networkError("connection", "the connection was given up"));
  signal?.addEventListener("abort", stop);
  if (signal?.aborted === true) stop();
  // node:net of this runtime loses the zone of an address.
  const isOwn = peer.proxy !== undefined || peer.host.includes("%");
  const dialing = isOwn ? dialAsSocket(peer, timeout) : dialHost(peer.host, {
    timeout,
    dial: (host, losing) => connectSocket({ host, port: peer.port }, losing),
    close: (late) => void late.destroy(),
    ...(resolve === undefined ? {} : { resolve }),
  });
  try {
    return await Promise.race([dialing, given]);
  } catch (error) {
    dialing.then((late) => late.destroy(), () => undefined);
    if (error instanceof SyncError) throw error;
    throw networkError("connection", netMessageOf(error), error);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function dialAsSocket(peer: Peer, timeout: number): Promise<net.Socket> {
  const { toSocket } = await import("./connection_stream.ts");
  return toSocket(await dialTcp(peer, timeout), peer.host);
}

function connectSocket(
  peer: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const socket = net.connect({ ...peer, noDelay: true });
  const fail = (error: unknown) => {
    signal.removeEventListener("abort", stop);
    socket.destroy();
    reject(error);
  };
  const stop = () => fail(networkError("connection", "the connection was given up"));
  signal.addEventListener("abort", stop);
  socket.once("error", fail);
  socket.once("connect", () => {
    signal.removeEventListener("abort", stop);
    socket.removeAllListeners("error");
    socket.on("error", () => {});
    resolve(socket);
  });
  return promise;
}
