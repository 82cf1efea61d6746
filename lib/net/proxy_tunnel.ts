import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { SyncError } from "../core/errors.ts";
import type { RawConnection } from "./connection_stream.ts";
import { lookUp } from "./happy_eyeballs.ts";
import { formatHostPort, withoutZone } from "./host.ts";
import { netMessageOf, PROXY_FAILED, timeoutError } from "./net_error.ts";
import { proxyError, ProxyHandshake, type ProxySettings } from "./proxy_handshake.ts";
import { basicAuthorization, connectThroughHttp } from "./proxy_http.ts";
import { connectThroughSocks } from "./proxy_socks.ts";
import { dialTcp, type Peer } from "./tcp.ts";
import { dialTls } from "./tls_transport.ts";
import type { Transport } from "./transport.ts";

/** Opens a connection to the proxy itself, over TLS for https: with the same check of its certificate as a server's. */
export async function connectToProxy(settings: ProxySettings, timeout: number): Promise<RawConnection> {
  const { scheme, host, port } = settings.address;
  try {
    if (scheme !== "https") return await dialTcp({ host, port }, timeout);
    const tls = { trust: { host }, timeout, expected: "https", options: { ALPNProtocols: ["http/1.1"] } } as const;
    return toRawConnection(await dialTls({ host, port }, tls));
  } catch (error) {
    if (error instanceof SyncError && error.kind === "hostKey") {
      throw proxyError(settings, "hostKey", `cannot be trusted: ${error.message}`);
    }
    const kind = error instanceof SyncError && error.kind === "timeout" ? "timeout" : "connection";
    throw proxyError(settings, kind, `cannot be reached: ${netMessageOf(error)}`, true);
  }
}

/** Opens a connection to the peer through the proxy, within twice `timeout` ms: once for the proxy, once for its answer. */
export async function openTunnel(settings: ProxySettings, peer: Peer, timeout: number): Promise<RawConnection> {
  const { scheme } = settings.address;
  const name = domainToASCII(peer.host) || withoutZone(peer.host);
  const host = scheme === "socks5" && isIP(name) === 0 ? await resolveHere(name) : name;
  const connection = await connectToProxy(settings, timeout);
  let isLate = false;
  let isClosed = false;
  const close = () => {
    if (!isClosed) connection.close();
    isClosed = true;
  };
  const timer = setTimeout(() => {
    isLate = true;
    close();
  }, timeout);
  try {
    const handshake = new ProxyHandshake(settings, connection);
    const login = await settings.login();
    if (scheme === "http" || scheme === "https") {
      const target = formatHostPort({ host, port: peer.port });
      await connectThroughHttp(handshake, target, basicAuthorization(login, settings));
    } else {
      await connectThroughSocks(handshake, { host, port: peer.port, login });
    }
    return handshake.tunnel();
  } catch (error) {
    close();
    if (isLate) {
      throw proxyError(settings, "timeout", `did not connect: ${timeoutError("no answer", timeout).message}`, true);
    }
    if (error instanceof SyncError && error.facts.id === PROXY_FAILED) throw error;
    if (error instanceof SyncError && error.kind === "badInput") throw error;
    throw proxyError(settings, "connection", `broke the connection: ${netMessageOf(error)}`, true);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the address that socks5: asks for; with socks5h: the proxy looks the name up. */
async function resolveHere(name: string): Promise<string> {
  const addresses = await lookUp(name);
  return addresses.find((address) => isIP(address) === 4) ?? addresses[0] ?? name;
}

/** Returns a transport as a connection: its time limits are those of the protocol above. */
function toRawConnection(transport: Transport): RawConnection {
  return {
    read: async (into) => await transport.read(into as Uint8Array<ArrayBuffer>, { untimed: true }) ?? null,
    write: async (bytes) => {
      await transport.write(bytes);
      return bytes.length;
    },
    closeWrite: () => transport.end(),
    close: () => transport.destroy(),
  };
}
