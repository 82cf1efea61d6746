import { invalidAddress, quoteRedacted } from "./address.ts";
import { closestMatch } from "./closest_match.ts";
import { badInput, type SyncError } from "./errors.ts";
import { escapeForDisplay } from "./path.ts";
import type { Address, Protocol } from "./protocol.ts";

/** The fields of a protocol table row that the address parser needs. */
export type SchemeRow = Pick<Protocol, "schemes" | "local" | "buckets">;

/** A parsed address and the password it contained (the caller warns once). The Address itself never holds a secret. */
export interface ParsedAddress {
  readonly address: Address;
  readonly password?: () => string;
}

/**
 * Reads `scheme://[user[:password][;fingerprint=…]@]host[:port]/path`, and file:///path, file:C:/x,
 * file://server/share. In the path "?" and "#" are ordinary, %XX is decoded once; ".", "..", %2F and %00 are refused.
 * Throws badInput that names the offending part and never shows a password.
 */
export function parseAddress(text: string, rows: readonly SchemeRow[]): ParsedAddress {
  const [, word, rest] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(text) ?? [];
  if (word === undefined || rest === undefined) {
    throw badAddress(text, "it has no scheme", `write ${exampleAddress(rows)}`);
  }
  const scheme = word.toLowerCase();
  const row = rows.find((one) => one.schemes.includes(scheme));
  if (row === undefined) throw unknownSchemeError(scheme, rows);
  if (row.local === true) return { address: parseFile(scheme, rest, text) };
  if (!rest.startsWith("//")) {
    throw badAddress(text, 'two slashes are missing after ":"', `write ${scheme}://host/path`);
  }
  return parseRemote({ text, scheme, rest: rest.slice(2), buckets: row.buckets === true });
}

const BAD_HOST = /[\s/\\:@;?#%<>^|"'`{}[\](),$&*!=]/u;

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

interface RemoteText {
  readonly text: string;
  readonly scheme: string;
  readonly rest: string;
  readonly buckets: boolean;
}

function parseRemote({ text, scheme, rest, buckets }: RemoteText): ParsedAddress {
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const rawPath = slash < 0 ? "" : rest.slice(slash);
  rejectStrayCharacters(text, authority, rawPath);
  const at = authority.indexOf("@");
  const login = at < 0 ? undefined : parseLogin(text, authority.slice(0, at));
  const place = authority.slice(at + 1);
  const { host, port } = parseHostPort({ text, hostPort: place, buckets, isCertain: at >= 0 });
  const path = parsePath(text, rawPath);
  const address: Address = {
    scheme,
    ...(login?.user === undefined ? {} : { user: login.user }),
    host,
    ...(port === undefined ? {} : { port }),
    path: buckets ? path : path.replace(/^\/{2,}/, "/"),
    pins: login?.pins ?? [],
  };
  const password = login?.password;
  return password === undefined ? { address } : { address, password: () => password };
}

/** Rejects an address in which a raw "@", "/" or ":" of a password would change the host. The message shows none of it. */
function rejectStrayCharacters(text: string, authority: string, path: string): void {
  const at = authority.indexOf("@");
  const advice = "write %40 for @, %2F for / and %3A for :, or use -PasswordFile";
  if (at !== authority.lastIndexOf("@")) throw badAddress(text, "there is more than one @ before the path", advice);
  if (!path.includes("@")) return;
  if (at < 0 && isCertainPort(authority, path)) return;
  const beforeAt = at < 0 ? authority.replace(/^\[[^\]]*\]/, "") : authority.slice(0, at);
  if (!/[:;]/.test(beforeAt)) return;
  const what = at < 0
    ? "there is an @ after the first /"
    : "there is a password or fingerprint before the host, and an @ in the path";
  throw badAddress(text, what, advice);
}

/**
 * Whether "host:8080/me@web" is a host and a port, and no user and a password with a slash in it: the text before the
 * digits is more than a user's name, or the @ is in a deeper folder, as in the addresses of clouds.
 */
function isCertainPort(authority: string, path: string): boolean {
  const [, host = "", port] = /^(.*):(\d{1,5})$/.exec(authority) ?? [];
  if (port === undefined) return false;
  const isHost = host.includes(".") || host.startsWith("[") || host.toLowerCase() === "localhost";
  return isHost || !(path.split("/")[1] ?? "").includes("@");
}

interface Login {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly pins: readonly string[];
}

function parseLogin(text: string, raw: string): Login {
  const [login = "", ...facts] = raw.split(";");
  const colon = login.indexOf(":");
  const user = decode(text, colon < 0 ? login : login.slice(0, colon), "user name");
  const password = colon < 0 ? undefined : decode(text, login.slice(colon + 1), "password");
  if (user === "" && (password !== undefined || facts.length === 0)) {
    throw badAddress(text, "the user name before @ is empty", "write user@host, or the host alone");
  }
  const pins = facts.map((fact) => parsePin(text, fact, password !== undefined));
  return { user: user === "" ? undefined : user, password, pins };
}

function parsePin(text: string, fact: string, secret: boolean): string {
  const [, name, value] = /^([a-z][a-z0-9-]*)=(.*)$/is.exec(fact) ?? [];
  if (name === undefined || value === undefined || (secret && !/^(?:fingerprint|x-.*)$/i.test(name))) {
    throw badAddress(text, 'the text after ";" is not fingerprint=…', "write %3B for a ; in a name or password");
  }
  if (name.toLowerCase() !== "fingerprint") {
    const option = name.replace(/^x-/i, "").replace(/(?:^|-)([a-z])/gi, (_, letter: string) => letter.toUpperCase());
    throw badAddress(
      text,
      `";${name}=" is not read from an address`,
      `give it as a parameter (-${option} or Get-Help)`,
    );
  }
  const pin = decode(text, value, "fingerprint");
  if (pin === "") throw badAddress(text, "the fingerprint is empty", "write ;fingerprint=SHA256:… or leave it out");
  return pin;
}

interface HostPortText {
  readonly text: string;
  readonly hostPort: string;
  readonly buckets: boolean;
  /** Whether `hostPort` is certainly host and port, not user and password without "@host". Only then messages show it. */
  readonly isCertain: boolean;
}

function parseHostPort(
  { text, hostPort: place, buckets, isCertain: known }: HostPortText,
): { readonly host: string; readonly port?: number } {
  const what = buckets ? "bucket" : "host";
  const [, inner, after] = /^\[([^\]]*)\](.*)$/s.exec(place) ?? [];
  if (inner !== undefined && after !== undefined) {
    if (after !== "" && !after.startsWith(":")) throw badAddress(text, 'only ":port" may follow "]"', "write [::1]:22");
    return withPort(parseIpv6(text, inner), after === "" ? undefined : parsePort(text, after.slice(1), known));
  }
  if (place.startsWith("[")) throw badAddress(text, '"]" is missing after the IPv6 address', "write [::1]:22");
  const colon = place.indexOf(":");
  if (colon !== place.lastIndexOf(":")) {
    const advice = isIpv6(place) ? `write [${place}]` : "write an IPv6 address in brackets, user:password before @";
    throw badAddress(text, `the ${what} contains more than one ":"`, advice);
  }
  const host = decode(text, colon < 0 ? place : place.slice(0, colon), `${what} name`);
  const port = colon < 0 ? undefined : parsePort(text, place.slice(colon + 1), known);
  if (host === "") {
    throw badAddress(text, `the ${what} is missing`, `name one: ${buckets ? "bucket/prefix" : "host/path"}`);
  }
  const why = explainBadHost(host, buckets && port === undefined);
  if (why !== undefined) {
    throw badAddress(text, `the ${what} "${escapeForDisplay(host).slice(0, 60)}" ${why}`, "check its spelling");
  }
  return withPort(host, port);
}

function withPort(host: string, port: number | undefined): { readonly host: string; readonly port?: number } {
  return port === undefined ? { host } : { host, port };
}

function explainBadHost(host: string, bucket: boolean): string | undefined {
  const bad = BAD_HOST.exec(host)?.[0] ?? CONTROL.exec(host)?.[0];
  if (bad !== undefined) return `contains ${JSON.stringify(bad)}`;
  if (host.startsWith("-")) return 'begins with "-"';
  if (host.startsWith(".") || host.includes("..")) return "has an empty label";
  if (host.length > 253) return "is longer than 253 characters";
  if (bucket && /\p{Lu}/u.test(host)) return "contains a capital letter; bucket names have none";
  const numbers = host.split(".");
  const isIpv4 = numbers.length === 4 && numbers.every((part) => /^\d+$/.test(part));
  return isIpv4 && numbers.some((part) => Number(part) > 255) ? "is not an IPv4 address" : undefined;
}

function parseIpv6(text: string, raw: string): string {
  const host = decode(text, raw, "IPv6 address");
  if (isIpv6(host)) return host;
  throw badAddress(text, "the text in [ ] is not an IPv6 address", "write [2001:db8::1], a zone as %25eth0");
}

function isIpv6(host: string): boolean {
  const [, bare = "", zone] = /^([0-9a-f:.]+)(%[\w.~-]+)?$/i.exec(host) ?? [];
  return bare.includes(":") && (zone?.length ?? 0) < 64 && URL.canParse(`http://[${bare}]/`);
}

function parsePort(text: string, raw: string, known: boolean): number {
  const port = /^\d{1,5}$/.test(raw) ? Number(raw) : NaN;
  if (port >= 1 && port <= 65535) return port;
  if (raw === "") throw badAddress(text, 'the port after ":" is missing', "write host:22, or leave the colon out");
  const named = known ? `the port ${JSON.stringify(escapeForDisplay(raw).slice(0, 20))}` : 'the port after ":"';
  throw badAddress(text, `${named} is not a number from 1 to 65535`, "write host:22 (user:password goes before @host)");
}

function parsePath(text: string, raw: string): string {
  if (/%2f/i.test(raw)) {
    throw badAddress(text, "the path contains %2F", "a name cannot hold a slash; write / between folders");
  }
  const path = decode(text, raw, "path");
  if (path.split("/").some((name) => name === "." || name === "..")) {
    throw badAddress(text, 'the path contains "." or ".." as a name', "write the folder itself");
  }
  return path;
}

function parseFile(scheme: string, rest: string, text: string): Address {
  const [, authority, after] = /^\/\/([^/\\]*)(.*)$/s.exec(rest) ?? [];
  const host = authority === undefined ? "" : decode(text, authority, "host name");
  const raw = authority === undefined ? rest : after ?? "";
  const advice = "write file:///folder, file:C:/folder or file://server/share";
  if (/^[a-z]:?$/i.test(host)) {
    throw badAddress(text, "there is a drive where a server is expected", `write file:///${host[0]}:/`);
  }
  if (host !== "" && explainBadHost(host, false) !== undefined) {
    throw badAddress(text, "the server is not a host name", advice);
  }
  const path = parsePath(text, raw).replace(/^\/+([a-z]:(?:[/\\]|$))/i, "$1");
  if (!/^(?:\/|[a-z]:[/\\])/i.test(path)) throw badAddress(text, "the path is missing or not absolute", advice);
  return { scheme, host: host.toLowerCase() === "localhost" ? "" : host, path, pins: [] };
}

/** Decodes %XX once. The raw text is never shown: it may be a password. */
function decode(text: string, raw: string, part: string): string {
  if (/%(?![0-9a-f]{2})/i.test(raw)) {
    throw badAddress(text, `the ${part} contains a % that does not begin a %XX`, "write %25 for %");
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw badAddress(text, `the ${part} contains %XX that are not UTF-8`, "write names in UTF-8");
  }
  if (CONTROL.test(decoded)) throw badAddress(text, `the ${part} contains a control character`, "leave it out");
  if (decoded.includes("\ufffd") || !decoded.isWellFormed()) {
    throw badAddress(text, `the ${part} is not valid Unicode`, "type it again");
  }
  return decoded;
}

function unknownSchemeError(scheme: string, rows: readonly SchemeRow[]): SyncError {
  const known = rows.flatMap((row) => row.schemes);
  const near = closestMatch(scheme, known);
  const hint = near === undefined ? "." : `: did you mean ${near}?`;
  return badInput(
    `The scheme ${JSON.stringify(scheme.slice(0, 40))} is not known${hint} Known: ${known.join(", ")}.`,
    invalidAddress,
  );
}

function exampleAddress(rows: readonly SchemeRow[]): string {
  return rows.some((row) => row.local !== true)
    ? `${rows.find((row) => row.local !== true)?.schemes[0]}://user@host/path`
    : "file:///path";
}

function badAddress(text: string, what: string, advice: string): SyncError {
  return badInput(`Bad address ${quoteRedacted(text)}: ${what}; ${advice}.`, invalidAddress);
}
