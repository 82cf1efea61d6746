import { gate, type RelPath } from "../../core/path.ts";
import type { Checksum, Entry, FileEntry } from "../../core/entry.ts";
import { parseDate } from "../../http/date.ts";
import { type HrefBase, placeHref } from "./href.ts";
import type { DavProps, DavResponse } from "./multistatus.ts";

/** A response as a child of `dir`; undefined for the folder itself and for everything foreign. */
export function toChild(dir: RelPath, response: DavResponse, base: HrefBase & Times): Entry | "self" | undefined {
  const placed = placeHref(response.href, base);
  if (placed.is === "foreign") return undefined;
  if (placed.is === "self") return "self";
  const gated = gate(dir, placed.name);
  if (gated.ok) return toEntry(gated.path, response, base);
  return { kind: "opaque", path: gated.shown, cause: "name", why: gated.why };
}

/** What the times of a server are worth; see Finder. */
interface Times {
  readonly ownTimes?: boolean;
}

/** A response as the entry of a path that is known to be meant. */
export function toEntry(path: RelPath, { status, props }: DavResponse, times: Times = {}): Entry {
  if (status !== undefined && Math.floor(status / 100) !== 2) return unreadable(path, `the server says ${status}`);
  if (!props.known) return unreadable(path, "the server tells nothing about it");
  if (props.isFolder) return { kind: "dir", path };
  const size = props.length !== undefined && /^\d{1,16}$/.test(props.length) ? Number(props.length) : NaN;
  if (!Number.isSafeInteger(size)) return unreadable(path, "the server tells no possible size");
  const revision = strongTag(props.etag);
  const checksum = bestChecksum(props.checksums);
  return {
    kind: "file",
    path,
    size,
    ...timeOf(props, times),
    ...(revision === undefined ? {} : { revision }),
    ...(checksum === undefined ? {} : { checksum }),
  };
}

/** The value of our own property: the time of the edit, and the version of the file that it belongs to. */
export function formatEdited(modified: number, props: DavProps): string {
  return `${modified} ${bindingOf(props)}`;
}

/** An ETag that stands for equal bytes; weak ones do not (RFC 9110, section 8.8.3). */
export function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]{1,512}"$/.test(etag) ? etag : undefined;
}

/** Every checksum in ownCloud's "SHA1:… MD5:…", in Tandem's form. */
export function parseChecksums(text: string | undefined): readonly Checksum[] {
  return (text ?? "").split(/\s+/).flatMap((word): Checksum[] => {
    const [, algorithm, hex] = /^(SHA256|SHA1|MD5):([0-9a-f]{32,64})$/i.exec(word) ?? [];
    return algorithm === undefined || hex === undefined ? [] : [`${algorithm.toLowerCase()}:${hex.toLowerCase()}`];
  });
}

const SECOND = 1000;

/** Our own time where it was written for this very version of the file, else the server's, which tells seconds. */
function timeOf(props: DavProps, { ownTimes }: Times): Pick<FileEntry, "modified" | "timeStep" | "isArrival"> {
  const [, time, binding] = /^(-?\d{1,17}(?:\.\d{1,12})?) (.+)$/.exec(props.edited ?? "") ?? [];
  if (time !== undefined && binding === bindingOf(props)) return { modified: Number(time) };
  const modified = parseDate(props.modified);
  return modified === undefined
    ? {}
    : { modified, timeStep: SECOND, ...(ownTimes === true ? { isArrival: true } : {}) };
}

/** Length, time and ETag by which a version is told from others. Whether the ETag is weak yet says nothing about that. */
function bindingOf({ length, modified, etag }: DavProps): string {
  return `${length ?? "?"} ${parseDate(modified) ?? "?"} ${etag?.replace(/^W\//, "") ?? "-"}`;
}

function bestChecksum(text: string | undefined): Checksum | undefined {
  const all = parseChecksums(text);
  return all.find((sum) => sum.startsWith("sha256:")) ?? all.find((sum) => sum.startsWith("sha1:")) ?? all[0];
}

function unreadable(path: RelPath, why: string): Entry {
  return { kind: "opaque", path, cause: "unreadable", why };
}
