import type { ConnectContext } from "../core/protocol.ts";
import type { RawConnection } from "./connection_stream.ts";
import type { Proxy } from "./tcp.ts";

/** The parts of ConnectContext that choose a proxy. */
export type ProxyContext = Pick<ConnectContext, "options" | "env" | "secret" | "hideSecret">;

/** The server that a connection is for. `protocol`: "tcp" for those that no variable but ALL_PROXY speaks of. */
export interface ProxyDestination {
  readonly protocol: "http" | "https" | "tcp";
  readonly host: string;
  readonly port: number;
}

/**
 * A proxy for HTTP, which passes on requests in clear text whose target is a whole address (RFC 9112, section 3.2.2).
 * Proxies allow CONNECT to the ports of TLS alone as they are installed (squid, tinyproxy).
 */
export interface ForwardProxy extends Proxy {
  /** Opens a connection to the proxy itself, for requests in clear text. */
  openForward(timeout: number): Promise<RawConnection>;
  /**
   * Returns the value of Proxy-Authorization for a proxy that asked for it. Rejects with auth without a user, and if the
   * proxy has refused the value `sent` already.
   */
  authorize(sent: string | undefined): Promise<string>;
}

/** Whether the proxy passes on requests in clear text. */
export function isForwardProxy(proxy: Proxy | undefined): proxy is ForwardProxy {
  return proxy !== undefined && "openForward" in proxy;
}

/** Returns the destination of requests to a URL. */
export function destinationOf({ protocol, hostname, port }: URL): ProxyDestination & { readonly secure: boolean } {
  const secure = protocol === "https:";
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { protocol: secure ? "https" : "http", host, port: Number(port) || (secure ? 443 : 80), secure };
}
