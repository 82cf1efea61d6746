import { Buffer } from "node:buffer";
import tls from "node:tls";
import { versions } from "../../net/tcp.ts";
import type { TlsTrust } from "../../net/tls.ts";
import { dialTcp, dialWire, type Peer, type Wire } from "../../net/transport.ts";
import { startTls } from "../../net/tls_transport.ts";

export interface DataSettings {
  readonly timeout: number;
  readonly trust: TlsTrust;
  /** Whether TLS 1.3 is agreed to. */
  readonly newest: boolean;
  /** A session to resume where the control connection tells none. */
  readonly session: Uint8Array | undefined;
}

/**
 * A data connection to a peer, over TLS where the control connection is, and with its session: vsftpd and ProFTPD insist on that. The server
 * begins with TLS when the transfer was asked for, so that the handshake is not waited for here.
 */
export async function dialData(
  peer: Peer,
  control: unknown,
  { timeout, trust, newest, session }: DataSettings,
): Promise<Wire> {
  if (!(control instanceof tls.TLSSocket)) return await dialWire(peer, timeout);
  const known = control.getSession() ?? session;
  const connection = await dialTcp(peer, timeout);
  const resuming = known === undefined ? {} : { session: Buffer.from(known) };
  return startTls(connection, { trust, timeout, wanted: "ftps", options: { ...versions(newest), ...resuming } });
}
