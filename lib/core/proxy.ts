import { quoteRedacted } from "./address.ts";
import { badInput, type SyncError } from "./errors.ts";
import { escapeForDisplay } from "./path.ts";

/** The protocol that a proxy is asked in. */
export type ProxyScheme = "http" | "https" | "socks5" | "socks5h";

/** The address of a proxy, without a password. */
export interface ProxyAddress {
  readonly scheme: ProxyScheme;
  readonly user?: string;
  readonly host: string;
  readonly port: number;
}

/** A parsed proxy and the password that its text contained. */
export interface ParsedProxy {
  readonly address: ProxyAddress;
  readonly password?: () => string;
}

/**
 * Parses "http://[user:password@]host[:port]"; without a scheme it is http. `source`: the parameter or variable, for
 * the message. Throws badInput that never shows a user or a password.
 */
export function parseProxy(text: string, source: string): ParsedProxy {
  const [, word = "http", rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text.trim()) ?? [];
  const scheme = SCHEMES.get(word.toLowerCase());
  if (scheme === undefined) {
    throw badProxy(text, source, `"${escapeForDisplay(word).slice(0, 20)}" is no kind of proxy that is supported`);
  }
  const authority = rest.replace(/\/$/, "");
  const at = authority.lastIndexOf("@");
  const [, bracketed, name, digits] = HOST_PORT.exec(authority.slice(at + 1)) ?? [];
  const host = bracketed ?? name;
  const port = digits === undefined ? DEFAULT_PORTS[scheme] : Number(digits);
  if (host === undefined) throw badProxy(text, source, "it names no host, or more than host and port");
  if (port < 1 || port > 65_535) throw badProxy(text, source, "its port is not a number from 1 to 65535");
  const [, user, password] = /^([^:]*)(?::(.*))?$/s.exec(at < 0 ? "" : authority.slice(0, at)) ?? [];
  const shown = decode(password ?? "");
  return {
    address: { scheme, ...(user === undefined || user === "" ? {} : { user: decode(user) }), host, port },
    ...(password === undefined || password === "" ? {} : { password: () => shown }),
  };
}

/** Returns the proxy as parseProxy() reads it, with its user and without a password. */
export function formatProxy({ user, ...address }: ProxyAddress): string {
  return proxyLabel(address, user === undefined ? "" : `${encodeURIComponent(user)}@`);
}

/** Returns the proxy for a message: "http://proxy:3128", without a user. */
export function proxyLabel({ scheme, host, port }: ProxyAddress, login = ""): string {
  return `${scheme}://${login}${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** "socks" is what desktops write into ALL_PROXY. */
const SCHEMES: ReadonlyMap<string, ProxyScheme> = new Map([
  ["http", "http"],
  ["https", "https"],
  ["socks5", "socks5"],
  ["socks5h", "socks5h"],
  ["socks", "socks5h"],
]);

const DEFAULT_PORTS: Readonly<Record<ProxyScheme, number>> = { http: 80, https: 443, socks5: 1080, socks5h: 1080 };

const HOST_PORT = /^(?:\[([0-9a-f:.]+(?:%[\w.~-]+)?)\]|([\p{L}\p{N}._-]+))(?::(\d{1,6}))?$/iu;

/** Decodes %XX; a "%" that begins none stands for itself, as other programs that read the same variable have it. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function badProxy(text: string, source: string, why: string): SyncError {
  return badInput(
    `${source} ${quoteRedacted(text)} cannot be used: ${why}; write http://host:port, https://host:port, ` +
      `socks5://host:port, socks5h://host:port${source === "-Proxy" ? " or none" : ", or -Proxy none"}.`,
    "CannotConvertArgument",
  );
}
