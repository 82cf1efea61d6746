import { badInput } from "./errors.ts";
import { escapeForDisplay } from "./path.ts";
import type { Address, Protocol } from "./protocol.ts";

/** Whether the argument is an address ("scheme://…", "file:…"). Disk paths such as C:\x, C:/x and \\server\share are not. */
export function isAddress(word: string): boolean {
  return /^(?:[a-z][a-z0-9+.-]+:\/\/|file:)/i.test(word);
}

/** Returns the address as a user types it, with pins, without secrets. parseAddress() returns the same Address for it. */
export function formatAddress(address: Address): string {
  const { scheme, user, host, port, pins } = address;
  if (scheme === "file") return `file://${host}${encodePath(withSlash(address.path))}`;
  const facts = pins.map((pin) => `;fingerprint=${encodePart(pin)}`).join("");
  const login = user === undefined && facts === "" ? "" : `${encodePart(user ?? "")}${facts}@`;
  const place = host.includes(":") ? `[${host.replace("%", "%25")}]` : host;
  return `${scheme}://${login}${place}${port === undefined ? "" : `:${port}`}${encodePath(address.path)}`;
}

/** The fields of a protocol table row that tell a server's schemes. */
type ServerRow = Pick<Protocol, "schemes" | "local">;

/** Throws badInput for scp-style arguments in place of an address: user@host:/path, name:path, sftp:host. */
export function rejectLookalike(word: string, rows: readonly ServerRow[]): void {
  if (isAddress(word) || /^[a-z]:(?:[/\\]|[^@]*$)/i.test(word)) return;
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/?(?!\/)(.*)$/is.exec(word) ?? [];
  if (scheme !== undefined && rest !== undefined && isServerScheme(scheme, rows)) {
    throw badInput(
      `${quoteRedacted(word)} is not an address: did you mean ${scheme.toLowerCase()}://${hideLogin(rest)}?`,
      invalidAddress,
    );
  }
  const [, login = "", host, path] = SCP_STYLE.exec(word) ?? [];
  if (host === undefined || path === undefined) return;
  const user = login.replace(/:.*@$/s, "@");
  // The text before a later "@" may be a password that contains a slash.
  const place = path.includes("@") ? "user@host/path" : `${user}${host}${withSlash(encodePath(path))}`;
  const meant = escapeForDisplay(`sftp://${place}`).slice(0, 200);
  const message = `${
    quoteRedacted(word)
  } is not a path: did you mean ${meant}? Write ./ before a name that contains a colon.`;
  throw badInput(message, invalidAddress);
}

/** Whether a protocol of a server has the scheme. */
function isServerScheme(scheme: string, rows: readonly ServerRow[]): boolean {
  return rows.some((row) => row.local !== true && row.schemes.includes(scheme.toLowerCase()));
}

/** Replaces everything before the last "@" (user, password, pins) of a text that may be an address; for messages. */
export function redactAddress(text: string): string {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*:\/\/)(.*)$/is.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) return text.replace(/^([^/\\@:]+):.*@/s, "$1:…@");
  return scheme + hideLogin(rest);
}

// user@host:path, host:path, [::1]:path; a host name has no blank, so "at 12:30" stays a path.
const SCP_STYLE = /^((?:[^\s/\\@:]+(?::[^\s/\\]*)?@)?)(\[[0-9a-f:]+\]|[\p{L}\p{N}._-]+):(.*)$/isu;
/** The error id of an unusable address. */
export const invalidAddress = "InvalidAddress";

function encodePart(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function encodePath(path: string): string {
  return path.replaceAll("%", "%25").replaceAll("@", "%40");
}

function withSlash(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/** Hides user, password and pins. Without an "@" it also hides the text after the first ":", unless that is a port. */
function hideLogin(rest: string): string {
  const at = rest.lastIndexOf("@");
  if (at >= 0) return `…@${rest.slice(at + 1)}`;
  return rest.replace(/^([^/:[\]]*):(?!\d{1,4}(?:\/|$))[^/]*/, "$1:…");
}

/** Returns the text in quotes for a message: short, escaped and without its login. */
export function quoteRedacted(text: string): string {
  const safe = escapeForDisplay(redactAddress(text));
  return `"${safe.length > 80 ? safe.slice(0, 79) + "…" : safe}"`;
}
