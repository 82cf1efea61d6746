import { checkName, type RelPath } from "../../core/path.ts";
import type { Checksum, Entry, FileEntry } from "../../core/entry.ts";
import { parseDate } from "../../http/date.ts";
import { type HrefBase, locateHref } from "./href.ts";
import type { DavProps, DavResponse } from "./multistatus.ts";

/** Converts a response to a child of `dir`. Returns "self" for the folder itself and undefined for a foreign href. */
export function toChild(dir: RelPath, response: DavResponse, base: HrefBase & TimeSource): Entry | "self" | undefined {
  const placed = locateHref(response.href, base);
  if (placed.is === "foreign") return undefined;
  if (placed.is === "self") return "self";
  const gated = checkName(dir, placed.name);
  if (gated.ok) return toEntry(gated.path, response, base);
  return { kind: "opaque", path: gated.displayPath, cause: "name", why: gated.why };
}

/** The meaning of a server's times; see Finder. */
interface TimeSource {
  readonly hasEditTimes?: boolean;
}

/** Converts a response to the entry of a known path. */
export function toEntry(path: RelPath, { status, props }: DavResponse, times: TimeSource = {}): Entry {
  if (status !== undefined && Math.floor(status / 100) !== 2) {
    return unreadableEntry(path, `the server answers with status ${status}`);
  }
  if (!props.known) return unreadableEntry(path, "the server reports no properties of it");
  if (props.isFolder) return { kind: "dir", path };
  const size = props.length !== undefined && /^\d{1,16}$/.test(props.length) ? Number(props.length) : NaN;
  if (!Number.isSafeInteger(size)) return unreadableEntry(path, "the server reports no valid size");
  const revision = strongEtag(props.etag);
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

/** Returns the value of Tandem's own property: the edit time, and the version of the file it belongs to. */
export function formatEditTime(modified: number, props: DavProps): string {
  return `${modified} ${versionOf(props)}`;
}

/**
 * Returns the ETag if it is strong, so that equal ETags mean equal bytes; weak ones do not (RFC 9110, section 8.8.3).
 */
export function strongEtag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]{1,512}"$/.test(etag) ? etag : undefined;
}

/** Parses every checksum in ownCloud's "SHA1:… MD5:…" into Tandem's form. */
export function parseChecksums(text: string | undefined): readonly Checksum[] {
  return (text ?? "").split(/\s+/).flatMap((word): Checksum[] => {
    const [, algorithm, hex] = /^(SHA256|SHA1|MD5):([0-9a-f]{32,64})$/i.exec(word) ?? [];
    return algorithm === undefined || hex === undefined ? [] : [`${algorithm.toLowerCase()}:${hex.toLowerCase()}`];
  });
}

const SECOND = 1000;

/**
 * Returns the time of Tandem's own property if it was written for this version of the file, otherwise the server's time
 * in whole seconds.
 */
function timeOf(
  props: DavProps,
  { hasEditTimes }: TimeSource,
): Pick<FileEntry, "modified" | "timeStep" | "isUploadTime"> {
  const [, time, binding] = /^(-?\d{1,17}(?:\.\d{1,12})?) (.+)$/.exec(props.edited ?? "") ?? [];
  if (time !== undefined && binding === versionOf(props)) return { modified: Number(time) };
  const modified = parseDate(props.modified);
  return modified === undefined
    ? {}
    : { modified, timeStep: SECOND, ...(hasEditTimes === true ? { isUploadTime: true } : {}) };
}

/**
 * Returns the length, time and ETag that identify a version. A weak and a strong form of one ETag count as equal,
 * because a weak one may become strong.
 */
function versionOf({ length, modified, etag }: DavProps): string {
  return `${length ?? "?"} ${parseDate(modified) ?? "?"} ${etag?.replace(/^W\//, "") ?? "-"}`;
}

function bestChecksum(text: string | undefined): Checksum | undefined {
  const all = parseChecksums(text);
  return all.find((sum) => sum.startsWith("sha256:")) ?? all.find((sum) => sum.startsWith("sha1:")) ?? all[0];
}

function unreadableEntry(path: RelPath, why: string): Entry {
  return { kind: "opaque", path, cause: "unreadable", why };
}
