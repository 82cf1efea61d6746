import { isIP } from "node:net";
import { badInput, type SyncError } from "../core/errors.ts";
import type { ProxyHandshake, ProxyLogin } from "./proxy_handshake.ts";

/** Asks a proxy to connect to an address, or to a name that it looks up. RFC 1928; RFC 1929 for the user. */
export async function connectThroughSocks(
  handshake: ProxyHandshake,
  { host, port, login }: { readonly host: string; readonly port: number; readonly login: ProxyLogin | undefined },
): Promise<void> {
  const methods = login === undefined ? [NO_LOGIN] : [NO_LOGIN, PASSWORD_LOGIN];
  await handshake.write(Uint8Array.of(VERSION, methods.length, ...methods));
  const [version, method = NONE_ACCEPTABLE] = await handshake.take(2);
  if (version !== VERSION) {
    const isHttp = version === "H".charCodeAt(0);
    throw handshake.error("connection", `is no SOCKS5 proxy: check its port${isHttp ? ", or write http://" : ""}`);
  }
  if (!methods.includes(method)) throw handshake.loginError(login !== undefined);
  if (method === PASSWORD_LOGIN && login !== undefined) await logIn(handshake, login);
  await handshake.write(Uint8Array.of(VERSION, CONNECT, 0, ...encodeHost(host), port >> 8, port & 255));
  const [, reply = 1, , kind = 0] = await handshake.take(4);
  if (reply !== 0) throw refusal(handshake, { reply, host, port });
  // The address that the proxy connects from; it has no use.
  if (kind === IPV4 || kind === IPV6) await handshake.take((kind === IPV4 ? 4 : 16) + 2);
  else if (kind === NAME) await handshake.take(((await handshake.take(1))[0] ?? 0) + 2);
  else throw handshake.error("connection", "is no SOCKS5 proxy: check its port");
}

const VERSION = 5;
const CONNECT = 1;
const NO_LOGIN = 0;
const PASSWORD_LOGIN = 2;
const NONE_ACCEPTABLE = 255;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
/** The longest user, password and name in bytes. */
const MAX_FIELD = 255;

async function logIn(handshake: ProxyHandshake, { user, password }: ProxyLogin): Promise<void> {
  const fields = [user, password].map((field) => new TextEncoder().encode(field));
  if (fields.some(({ length }) => length > MAX_FIELD)) {
    throw badInput("A SOCKS5 proxy takes a user and a password of at most 255 bytes each.");
  }
  await handshake.write(Uint8Array.from([1, ...fields.flatMap((field) => [field.length, ...field])]));
  const [, status] = await handshake.take(2);
  if (status !== 0) throw handshake.loginError(true);
}

function encodeHost(host: string): readonly number[] {
  if (isIP(host) === 4) return [IPV4, ...host.split(".").map(Number)];
  if (isIP(host) === 6) return [IPV6, ...encodeIpv6(host)];
  const name = new TextEncoder().encode(host);
  if (name.length > MAX_FIELD) throw badInput("A SOCKS5 proxy takes a host name of at most 255 bytes.");
  return [NAME, name.length, ...name];
}

function encodeIpv6(host: string): readonly number[] {
  // The URL parser shortens every form of an address to one: hexadecimal groups alone, with one "::" at most.
  const [before = "", after] = new URL(`http://[${host}]/`).hostname.slice(1, -1).split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const [left, right] = [groups(before), groups(after ?? "")];
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return all.flatMap((group) => [group >> 8, group & 255]);
}

function refusal(
  handshake: ProxyHandshake,
  { reply, host, port }: { readonly reply: number; readonly host: string; readonly port: number },
): SyncError {
  const why = REPLIES[reply] ?? `SOCKS reply ${reply}`;
  const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return handshake.error("connection", `does not connect to ${target}: ${why}`, reply !== RULES);
}

const RULES = 2;

/** RFC 1928, section 6. */
const REPLIES: Readonly<Record<number, string>> = {
  1: "a general failure",
  [RULES]: "its rules do not allow it",
  3: "no route to the network",
  4: "no route to the host, or no such host",
  5: "nothing listens there",
  6: "no answer",
  7: "it cannot open connections",
  8: "it does not know this kind of address",
};
