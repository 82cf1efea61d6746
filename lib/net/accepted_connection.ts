import { networkError, timeoutError } from "./net_error.ts";
import type { RawConnection } from "./connection_stream.ts";

/** A port of this machine at which one connection of a peer is awaited. */
export interface AwaitedConnection extends RawConnection {
  readonly port: number;
}

/**
 * Listens at a local address for one connection of `peerHost`, within `timeout` ms. Connections of other hosts are
 * closed and not counted. Reads and writes wait for the connection.
 */
export function awaitConnection(
  { localHost, peerHost, timeout, onNone }: {
    readonly localHost: string;
    readonly peerHost: string;
    readonly timeout: number;
    /** Called when none came in time. */
    onNone(): void;
  },
): AwaitedConnection {
  const listener = Deno.listen({ hostname: localHost, port: 0 });
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    onNone();
    reject(timeoutError("the server opened no connection to this machine", timeout));
  }, timeout);
  const accepted = acceptFrom(listener, peerHost);
  const connection = Promise.race([accepted, late]).finally(() => {
    clearTimeout(timer);
    closeQuietly(listener);
  });
  connection.catch(() => {});
  return {
    port: listener.addr.port,
    read: async (into) => await (await connection).read(into),
    write: async (bytes) => await (await connection).write(bytes),
    closeWrite: async () => await (await connection).closeWrite(),
    close() {
      reject(networkError("connection", "the connection was given up"));
      closeQuietly(listener);
      accepted.then(closeQuietly, () => {});
    },
  };
}

async function acceptFrom(listener: Deno.TcpListener, peerHost: string): Promise<Deno.TcpConn> {
  for (;;) {
    const connection = await listener.accept();
    if (plainAddress(connection.remoteAddr.hostname) === plainAddress(peerHost)) return connection;
    closeQuietly(connection);
  }
}

/** Returns an IPv4 address that is written as an IPv6 one as itself; others unchanged. */
export function plainAddress(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}

/** Closes what may be closed already. */
function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
