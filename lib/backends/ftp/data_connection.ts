import { Buffer } from "node:buffer";
import tls from "node:tls";
import { tlsVersions } from "../../net/tcp.ts";
import type { TlsTrust } from "../../net/tls.ts";
import { dialTcp, dialTransport, type Peer, type Transport } from "../../net/transport.ts";
import { startTls } from "../../net/tls_transport.ts";

export interface DataSettings {
  readonly timeout: number;
  readonly trust: TlsTrust;
  /** Whether TLS 1.3 is allowed. */
  readonly allowTls13: boolean;
  /** A session to resume if the control connection has none. */
  readonly session: Uint8Array | undefined;
}

/**
 * Opens a data connection to a peer, over TLS if the control connection is, and with its TLS session: vsftpd and
 * ProFTPD require that. The server starts TLS only after the transfer command, so the handshake is not awaited here.
 */
export async function dialData(
  peer: Peer,
  control: unknown,
  { timeout, trust, allowTls13, session }: DataSettings,
): Promise<Transport> {
  if (!(control instanceof tls.TLSSocket)) return await dialTransport(peer, timeout);
  const known = control.getSession() ?? session;
  const connection = await dialTcp(peer, timeout);
  const resuming = known === undefined ? {} : { session: Buffer.from(known) };
  return startTls(connection, {
    trust,
    timeout,
    expected: "ftps",
    options: { ...tlsVersions(allowTls13), ...resuming },
  });
}
