import { nameOf, parentOf, type RelPath } from "./path.ts";

/**
 * Returns Tandem's temporary name in the target's folder: `.name.tandem-<tag>`, at most `maxBytes` UTF-8 bytes long. A
 * scan never lists it.
 */
export function tempPath(path: RelPath, tag: string, maxBytes = 255): RelPath {
  const suffix = `${TEMP_INFIX}${tag}`;
  const name = shorten(nameOf(path), maxBytes - suffix.length - 1);
  const dir = parentOf(path);
  return (dir === "" ? `.${name}${suffix}` : `${dir}/.${name}${suffix}`) as RelPath;
}

/**
 * Returns a temporary name without a leading dot, for servers that refuse dot names: `name.tandem-<tag>-<check>`. The
 * check is computed from the rest of the name, so that no name that a user chose is taken for a temporary one.
 */
export function undottedTempPath(path: RelPath, tag: string, maxBytes = 255): RelPath {
  const suffix = `${TEMP_INFIX}${tag}`;
  const name = shorten(nameOf(path), maxBytes - suffix.length - CHECK_LENGTH - 1) + suffix;
  const dir = parentOf(path);
  const checked = `${name}-${checkOf(name)}`;
  return (dir === "" ? checked : `${dir}/${checked}`) as RelPath;
}

/** Returns the tag of one of Tandem's temporary names; undefined for any other name. */
export function tempTag(path: string): string | undefined {
  const dotted = TEMP_NAME.exec(path)?.[1];
  if (dotted !== undefined) return dotted;
  const [, name = "", tag, check] = UNDOTTED_TEMP_NAME.exec(path) ?? [];
  return tag !== undefined && check === checkOf(name) ? tag : undefined;
}

/** Returns the target path of a temporary name; a name that was too long returns a shortened one. */
export function tempTarget(path: RelPath): RelPath | undefined {
  if (tempTag(path) === undefined) return undefined;
  const dir = parentOf(path);
  const own = nameOf(path);
  const name = (TEMP_NAME.test(own) ? own.slice(1) : own).replace(/\.tandem-[0-9a-f]{16}(?:-[0-9a-f]{8})?$/, "");
  return (dir === "" ? name : `${dir}/${name}`) as RelPath;
}

/**
 * Returns the backup path of a version that is moved to the trash before it is replaced. No entry can have this path,
 * since scans never list the name.
 */
export function trashPath(path: RelPath): RelPath {
  return `${TRASH_PREFIX}${path}` as RelPath;
}

/** Whether the path is in the trash. */
export function isInTrash(path: RelPath): boolean {
  return path.startsWith(TRASH_PREFIX);
}

/**
 * Returns the tag of the name that a file's old version has while the new one is renamed, on servers that cannot rename
 * over a file. It is derived from the tag of the new version, so that the next run of the same pair recognises it.
 */
export function displacedTag(tag: string): string {
  return ((parseInt(tag.slice(0, 8), 16) ^ DISPLACED) >>> 0).toString(16).padStart(8, "0") + tag.slice(8);
}

/**
 * Whether the tag is that of an old version that was moved aside by a run whose tags begin with `partial` (8 hex
 * digits).
 */
export function isDisplacedTag(tag: string, partial: string): boolean {
  return tag.startsWith(displacedTag(partial));
}

const DISPLACED = 0x73776170;
const TRASH_PREFIX = ".tandem-trash/";
const TEMP_INFIX = ".tandem-";
const TEMP_NAME = /(?:^|\/)\.[^/]+\.tandem-([0-9a-f]{16})$/;
const UNDOTTED_TEMP_NAME = /(?:^|\/)([^/]+\.tandem-([0-9a-f]{16}))-([0-9a-f]{8})$/;
const CHECK_LENGTH = 8;

/** Returns 8 hex digits computed from a name: its 32-bit FNV-1a hash. */
function checkOf(name: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(CHECK_LENGTH, "0");
}

/** Cuts whole code points off the end until the name fits. */
function shorten(name: string, maxBytes: number): string {
  const encoder = new TextEncoder();
  if (encoder.encode(name).length <= maxBytes) return name;
  let bytes = 0;
  let kept = "";
  for (const point of name) {
    bytes += encoder.encode(point).length;
    if (bytes > maxBytes) break;
    kept += point;
  }
  return kept;
}
