import { BlockList, isIP } from "node:net";
import { parseProxy, proxyLabel } from "../core/proxy.ts";
import { isLoopback, withoutZone } from "./host.ts";
import type { ForwardProxy, ProxyContext, ProxyDestination } from "./proxy_types.ts";
import { explainLogin, proxyError, type ProxyLogin } from "./proxy_handshake.ts";
import { basicAuthorization } from "./proxy_http.ts";
import { connectToProxy, openTunnel } from "./proxy_tunnel.ts";
import type { Proxy } from "./tcp.ts";

/** Returns the proxy that a parameter or a variable names; undefined if the destination is reached without it. */
export function makeProxy(
  context: ProxyContext,
  destination: ProxyDestination,
  { source, text }: { readonly source: string; readonly text: string },
): Proxy | ForwardProxy | undefined {
  const { address, password } = parseProxy(text, source);
  if (source !== "-Proxy" && (isLoopback(destination.host) || isExempt(context, destination))) return undefined;
  const { user } = address;
  const login = async (): Promise<ProxyLogin | undefined> => {
    if (user === undefined) return undefined;
    const secret = password?.() ?? await context.secret("ProxyPassword") ?? "";
    if (secret !== "") context.hideSecret(secret);
    return { user, password: secret };
  };
  const settings = {
    address,
    source,
    label: proxyLabel(address),
    login,
    hideSecret: (secret: string) => context.hideSecret(secret),
  };
  const proxy: Proxy = {
    label: settings.label,
    source,
    open: (peer, timeout) => openTunnel(settings, peer, timeout),
  };
  if (address.scheme !== "http" && address.scheme !== "https") return proxy;
  return {
    ...proxy,
    openForward: (timeout) => connectToProxy(settings, timeout),
    authorize: async (sent) => {
      const value = sent === undefined ? basicAuthorization(await login(), settings) : undefined;
      if (value !== undefined) return value;
      throw proxyError(settings, "auth", explainLogin(sent !== undefined));
    },
  };
}

/** Whether NO_PROXY names the destination: "*", names with all below them, addresses, networks, each with a port or without. */
function isExempt({ env }: ProxyContext, { host, port }: ProxyDestination): boolean {
  const list = env("no_proxy") || env("NO_PROXY") || "";
  const name = withoutZone(host).toLowerCase().replace(/\.$/, "");
  return list.split(/[\s,]+/).some((entry) => entry !== "" && matches(entry.toLowerCase(), name, port));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  const [, network, bits] = /^\[?([0-9a-f:.]+)\]?\/(\d{1,3})$/.exec(entry) ?? [];
  if (network !== undefined) return isInNetwork(host, network, Number(bits));
  const [, bracketed, name, digits] = isIP(entry) === 6
    ? ["", entry]
    : /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  if (digits !== undefined && Number(digits) !== port) return false;
  if (isIP(host) !== 0) return isInNetwork(host, bracketed ?? name ?? "", isIP(host) === 6 ? 128 : 32);
  const suffix = (name ?? "").replace(/^\*?\./, "").replace(/\.$/, "");
  return suffix !== "" && (host === suffix || host.endsWith(`.${suffix}`));
}

function isInNetwork(host: string, network: string, bits: number): boolean {
  const family = isIP(network);
  if (family === 0 || family !== isIP(host) || bits > (family === 6 ? 128 : 32)) return false;
  const kind = family === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, bits, kind);
  return list.check(host, kind);
}
