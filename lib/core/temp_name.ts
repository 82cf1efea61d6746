import { nameOf, parentOf, type RelPath } from "./path.ts";

/** A name of our own beside the target: `.name.tandem-<tag>`, at most `maxBytes` UTF-8 bytes long. Never shown by a scan. */
export function tempPath(path: RelPath, tag: string, maxBytes = 255): RelPath {
  const suffix = `${MARK}${tag}`;
  const name = shorten(nameOf(path), maxBytes - suffix.length - 1);
  const dir = parentOf(path);
  return (dir === "" ? `.${name}${suffix}` : `${dir}/.${name}${suffix}`) as RelPath;
}

/** The tag of a temporary name of ours, undefined for every other name. */
export function tempTag(path: string): string | undefined {
  return TEMP.exec(path)?.[1];
}

/** The path that a temporary name stands for; a name that was too long gives one cut short. */
export function tempTarget(path: RelPath): RelPath | undefined {
  if (tempTag(path) === undefined) return undefined;
  const dir = parentOf(path);
  const name = nameOf(path).slice(1).replace(/\.tandem-[0-9a-f]{16}$/, "");
  return (dir === "" ? name : `${dir}/${name}`) as RelPath;
}

/** What a plan says of a version that goes to the trash before its place is taken: no entry can have this path, since nobody sees the name. */
export function trashPath(path: RelPath): RelPath {
  return `${TRASH}${path}` as RelPath;
}

/** Does the path stand for the trash? */
export function isInTrash(path: RelPath): boolean {
  return path.startsWith(TRASH);
}

/**
 * The tag of the name under which a file's old version waits while the new one takes its name, on servers that cannot rename over a file;
 * made of the tag of the new version, so that the next run of the same pair knows it.
 */
export function swapTag(tag: string): string {
  return ((parseInt(tag.slice(0, 8), 16) ^ SWAP) >>> 0).toString(16).padStart(8, "0") + tag.slice(8);
}

/** Whether a tag is that of an old version which a run with tags of this beginning (8 hex digits) moved aside. */
export function isSwapTag(tag: string, partial: string): boolean {
  return tag.startsWith(swapTag(partial));
}

const SWAP = 0x73776170;
const TRASH = ".tandem-trash/";
const MARK = ".tandem-";
const TEMP = /(?:^|\/)\.[^/]+\.tandem-([0-9a-f]{16})$/;

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
