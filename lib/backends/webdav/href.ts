import { Buffer } from "node:buffer";

/** Where a listing was asked for: the host, and the decoded names from the server's root on. */
export interface HrefBase {
  readonly host: string;
  readonly names: readonly string[];
}

/** What an href stands for, seen from a folder: the folder itself, a name right below it (not yet through the gate), or neither. */
export type Placed = { readonly is: "self" } | { readonly is: "child"; readonly name: string } | {
  readonly is: "foreign";
};

/**
 * Places an href that a server sent. Absolute URLs and absolute paths are read, %XX decoded once and segment by segment, so that %2F
 * never separates; a name whose %XX are broken keeps them in a form that no gate lets through. Other hosts, parents and what lies
 * deeper are foreign; a relative href is a child of a name that the gate refuses.
 */
export function placeHref(href: string, base: HrefBase): Placed {
  const path = pathOf(href, base.host);
  if (path === undefined) return { is: "foreign" };
  if (!path.startsWith("/")) return { is: "child", name: `/${path}` };
  const names = path.split("/").filter((name) => name !== "").map(decode);
  const isBelow = base.names.every((name, i) => names[i] === name);
  if (!isBelow) return { is: "foreign" };
  if (names.length === base.names.length) return { is: "self" };
  const name = names[base.names.length];
  return names.length > base.names.length + 1 || name === undefined ? { is: "foreign" } : { is: "child", name };
}

/** The decoded names of an absolute path, as `place` names it. */
export function namesOf(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

/** The path as a request carries it: every name percent-encoded; a folder's ends with a slash. */
export function encodePath(names: readonly string[], as: "file" | "folder" = "file"): string {
  const path = names.map((name) => `/${encodeURIComponent(name)}`).join("");
  return as === "folder" || path === "" ? `${path}/` : path;
}

/** The path of an href; undefined for another host. The port is not compared: servers behind a proxy tell their own. */
function pathOf(href: string, host: string): string | undefined {
  const [, authority, path] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/is.exec(href) ?? [];
  if (authority === undefined || path === undefined) return href;
  const name = authority.replace(/^.*@/s, "").replace(/:\d*$/, "");
  return name.toLowerCase() === host.toLowerCase() ? path || "/" : undefined;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // The bytes are no UTF-8, or a % stands alone: what can be read of it, marked as no valid Unicode.
    const bytes = segment.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return `${Buffer.from(bytes, "latin1").toString()}\ufffd`;
  }
}
