import { Buffer } from "node:buffer";

/** The folder of a listing: the host, and the decoded names from the server's root on. */
export interface HrefBase {
  readonly host: string;
  readonly serverPath: readonly string[];
  /** Called with the host of an href that is accepted although it names another one. */
  onOtherHost?(host: string): void;
}

/**
 * The position of an href relative to a folder: the folder itself, a direct child (its name not yet checked), or
 * neither.
 */
export type HrefPosition = { readonly is: "self" } | { readonly is: "child"; readonly name: string } | {
  readonly is: "foreign";
};

/**
 * Finds the position of an href that a server sent. Accepts absolute URLs and absolute paths. %XX is decoded once and
 * segment by segment, so that %2F never separates; a name with invalid %XX keeps them in a form that the name check
 * refuses. Parents and deeper paths are foreign; a relative href becomes a child whose name the check refuses. The host
 * decides nothing, since servers behind a proxy name their own: only the path does.
 */
export function locateHref(href: string, base: HrefBase): HrefPosition {
  const { path, host } = splitHref(href, base.host);
  if (!path.startsWith("/")) return { is: "child", name: `/${path}` };
  const names = decodePath(path);
  const isBelow = base.serverPath.every((name, i) => names[i] === name);
  if (!isBelow || names.length > base.serverPath.length + 1) return { is: "foreign" };
  if (host !== undefined) base.onOtherHost?.(host);
  const name = names[base.serverPath.length];
  return name === undefined ? { is: "self" } : { is: "child", name };
}

/** Splits a decoded absolute path, as in a root, into its names. */
export function splitPath(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

/** Splits a percent-encoded path into its names, each decoded once. */
export function decodePath(path: string): readonly string[] {
  return splitPath(path).map(decode);
}

/** Encodes a path for a request: every name percent-encoded; a folder's path ends with a slash. */
export function encodePath(names: readonly string[], as: "file" | "folder" = "file"): string {
  const path = names.map((name) => `/${encodeURIComponent(name)}`).join("");
  return as === "folder" || path === "" ? `${path}/` : path;
}

/**
 * Returns the path of an href, and its host if that is another one. The port is not compared, because servers that use
 * a proxy report their own.
 */
function splitHref(href: string, ownHost: string): { readonly path: string; readonly host?: string } {
  const [, authority, path] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/is.exec(href) ?? [];
  if (authority === undefined || path === undefined) return { path: href };
  const host = authority.replace(/^.*@/s, "").replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1");
  const isOwn = host.toLowerCase() === ownHost.toLowerCase();
  return { path: path || "/", ...(isOwn ? {} : { host }) };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // The bytes are not UTF-8, or a % has no digits: keeps the readable part, marked as invalid Unicode.
    const bytes = segment.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return `${Buffer.from(bytes, "latin1").toString()}\ufffd`;
  }
}
