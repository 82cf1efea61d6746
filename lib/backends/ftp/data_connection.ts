import { Buffer } from "node:buffer";
import { isIPv6 } from "node:net";
import { SyncError } from "../../core/errors.ts";
import { awaitConnection, plainAddress } from "../../net/accepted_connection.ts";
import { NETWORK_OPERATION, networkError } from "../../net/net_error.ts";
import { dialTcp } from "../../net/tcp.ts";
import { startTls } from "../../net/tls_transport.ts";
import type { RawConnection } from "../../net/connection_stream.ts";
import { toTransport, type Transport } from "../../net/transport.ts";
import type { ControlConnection } from "./control_connection.ts";
import type { DataSettings } from "./data_route.ts";
import { tlsVersions } from "./control_socket.ts";
import { serverMessage } from "./errors.ts";
import { parseEpsvPort, parsePasvPort } from "./replies.ts";

/**
 * Opens a data connection, over TLS if the control connection is, and with its TLS session. The server starts TLS only
 * after the transfer command, so the handshake is not awaited here; nor is a connection that the server opens.
 */
export async function openDataConnection(control: ControlConnection): Promise<Transport> {
  const { route } = control;
  if (route.usesActive) return await listenForData(control);
  try {
    return await dialPassive(control);
  } catch (error) {
    if (control.closed || route.hasPassive || !isUnreachable(error)) throw error;
    if (route.turnActive()) return await listenForData(control);
    throw networkError(error.kind === "timeout" ? "timeout" : "connection", `${error.message}; ${ADVICE}`, error);
  }
}

const ADVICE = "-FtpMode Auto lets the server connect to this machine instead";

/**
 * Connects to a port of the server. If the port of EPSV is dead, as behind some firewalls and gateways, that of PASV is
 * tried, unless EPSV has worked before.
 */
async function dialPassive(control: ControlConnection): Promise<Transport> {
  const { route } = control;
  const byEpsv = route.usesEpsv ? await control.takeNextPort() ?? await requestEpsvPort(control) : undefined;
  if (byEpsv !== undefined) {
    try {
      return await dialPort(control, byEpsv, route.hasPassive ? Infinity : EPSV_TRIAL_MS);
    } catch (error) {
      if (route.hasPassive || !isUnreachable(error)) throw error;
    }
  }
  const data = await dialPort(control, await requestPasvPort(control));
  route.usesEpsv = false;
  return data;
}

/** The longest wait in ms for the first port of EPSV: whether PASV has a better one is found out soon. */
const EPSV_TRIAL_MS = 5_000;

async function dialPort(control: ControlConnection, port: number, limit = Infinity): Promise<Transport> {
  const settings = control.dataSettings;
  const peer = { host: settings.host, port, proxy: settings.proxy };
  const connection = await dialTcp(peer, Math.min(settings.timeout, limit)).catch((error) => {
    if (!isUnreachable(error)) throw error;
    const why = `the server's data port ${port} cannot be reached: ${
      error.message.replace(/;.*$/s, "")
    }, a firewall may be in the way`;
    throw networkError(error.kind === "timeout" ? "timeout" : "connection", why, error);
  });
  control.route.hasPassive = true;
  return overConnection(connection, { control, settings });
}

/** Returns the port of EPSV; undefined if the server refuses EPSV. */
async function requestEpsvPort(control: ControlConnection): Promise<number | undefined> {
  const reply = await control.sendCommand("EPSV");
  const port = parseEpsvPort(reply);
  if (port !== undefined) return port;
  if (reply.code === 421 || reply.code === 425) {
    throw networkError("busy", `the server opens no data connection: ${serverMessage(reply)}`);
  }
  control.route.usesEpsv = false;
  return undefined;
}

async function requestPasvPort(control: ControlConnection): Promise<number> {
  const reply = await control.sendCommand("PASV");
  const port = parsePasvPort(reply);
  if (port !== undefined) return port;
  throw networkError("connection", `the server opens no data connection: ${serverMessage(reply)}`);
}

/** Offers a port of this machine, at the address of the control connection, for the server to connect to. */
async function listenForData(control: ControlConnection): Promise<Transport> {
  const settings = control.dataSettings;
  const localHost = plainAddress(settings.localHost ?? "");
  const connection = awaitConnection({
    localHost,
    peerHost: settings.host,
    timeout: settings.timeout,
    onNone: () => control.route.leaveActive(),
  });
  try {
    for (const command of portCommands(localHost, connection.port)) {
      const reply = await control.sendCommand(command);
      if (reply.code < 300) return overConnection(connection, { control, settings });
      if (!REFUSED_COMMAND.has(reply.code)) throw noActiveMode(serverMessage(reply));
    }
    throw noActiveMode("it knows neither PORT nor EPRT");
  } catch (error) {
    connection.close();
    throw error;
  }
}

const REFUSED_COMMAND: ReadonlySet<number> = new Set([500, 501, 502, 504, 522]);

/** Returns the commands that offer a port, the first to be tried first. RFC 959 and 2428. */
function portCommands(host: string, port: number): readonly string[] {
  if (isIPv6(host)) return [`EPRT |2|${host}|${port}|`];
  return [`PORT ${host.replaceAll(".", ",")},${port >> 8},${port & 255}`, `EPRT |1|${host}|${port}|`];
}

function noActiveMode(why: string): SyncError {
  return new SyncError("connection", `the server takes no port of this machine for its data connections: ${why}`, {
    operation: NETWORK_OPERATION,
  });
}

function isUnreachable(error: unknown): error is SyncError {
  return error instanceof SyncError && error.facts.operation === NETWORK_OPERATION &&
    (error.kind === "connection" || error.kind === "timeout");
}

function overConnection(
  connection: RawConnection,
  { control, settings }: { readonly control: ControlConnection; readonly settings: DataSettings },
): Transport {
  const { timeout, tls } = settings;
  const onProgress = () => control.onProgress();
  if (tls === undefined) return withProgress(toTransport(connection, timeout), onProgress);
  const { trust, allowTls13, session } = tls;
  const resumed = session === undefined ? {} : { session: Buffer.from(session) };
  const options = { ...tlsVersions(allowTls13), ...resumed };
  const raw = control.pipelines ? connection : heldBack(connection, control.untilBegun(BEGIN_MS));
  return withProgress(startTls(raw, { trust, timeout, expected: "ftps", options }), onProgress);
}

/**
 * Returns the connection with its first bytes held back until the server begins the transfer: some (pyftpdlib) lose a
 * TLS handshake that comes before they have read the command.
 */
function heldBack(connection: RawConnection, begun: Promise<void>): RawConnection {
  return {
    read: (into) => connection.read(into),
    write: async (bytes) => {
      await begun;
      return await connection.write(bytes);
    },
    closeWrite: () => connection.closeWrite(),
    close: () => connection.close(),
  };
}

/** The longest time in ms that a TLS handshake is held back. */
const BEGIN_MS = 3_000;

/** Returns the transport with a call of `onProgress` after each read and write. */
function withProgress(transport: Transport, onProgress: () => void): Transport {
  return {
    read: async (into, reading) => {
      const count = await transport.read(into, reading);
      onProgress();
      return count;
    },
    write: async (bytes) => {
      await transport.write(bytes);
      onProgress();
    },
    end: () => transport.end(),
    destroy: () => transport.destroy(),
    ...(transport.endedCleanly === undefined ? {} : { endedCleanly: transport.endedCleanly }),
  };
}
