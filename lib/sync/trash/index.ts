import { createHash } from "node:crypto";
import { isAbsolute, join, posix, resolve, sep } from "node:path";
import { type RelPath, toRelPath } from "../../core/path.ts";
import type { Side } from "../../core/entry.ts";
import type { TrashPath } from "./trash_path.ts";

/** A discarded version and its place in the trash. */
export interface TrashItem {
  readonly id: string;
  readonly pair: string;
  readonly side: Side;
  readonly path: RelPath;
  readonly kind: "file" | "link";
  /** In bytes. */
  readonly size: number;
  /** The version's own time, in ms since the epoch. */
  readonly modified?: number;
  readonly why: DiscardReason;
  readonly winner?: Side;
  /** The start of the run that discarded it, in ms since the epoch. */
  readonly when: number;
  /** The server's label. */
  readonly session: string;
  /** The root that contained the version, as the server names it (for the local side its folder). */
  readonly root: string;
  readonly disk?: string;
  /** Whether the kept file is on a disk of this machine or on the server. */
  readonly host: "disk" | "server";
  /** The absolute path of the kept file. */
  readonly at: string;
}

/** The reason why a version was discarded. */
export type DiscardReason = "conflict" | "overwritten" | "removed";

/** Returns an id for an item, short enough to type. */
export function toItemId(words: readonly string[]): string {
  return createHash("sha256").update(words.join("\0")).digest("hex").slice(0, 10);
}

/** The lines of an index: one for each kept item, and one for each item that was removed again. */
export function itemLine(item: TrashItem): string {
  return `${JSON.stringify(item)}\n`;
}
export function goneLine(id: string): string {
  return `${JSON.stringify({ gone: id })}\n`;
}

/** The name of a trash folder inside or next to a root. */
export const TRASH = ".tandem-trash";

/** The place of an index: `home` is its folder, `pair` the name of its pair. */
export interface IndexPlace {
  readonly home: string;
  readonly pair: string;
}

/**
 * The content of an index. `refused`: the number of lines that no run of ours writes, or that name a path outside of
 * every trash folder.
 */
export interface IndexFacts {
  readonly items: readonly TrashItem[];
  readonly refused: number;
}

/**
 * Parses an index, the oldest item first. Every field of a line is checked like a name from a peer, and an invalid line
 * is refused. A line that a crash cut off is ignored.
 */
export function parseIndex(text: string, place: IndexPlace): IndexFacts {
  const items = new Map<string, TrashItem>();
  let refused = 0;
  for (const line of text.split("\n")) {
    const found = line === "" ? undefined : parseJsonLine(line);
    if (found === undefined) continue;
    const gone = fieldOf(found, "gone");
    const item = gone === undefined ? toItem(found, place) : undefined;
    if (item !== undefined) items.set(item.id, item);
    else if (typeof gone === "string") items.delete(gone);
    else refused++;
  }
  return { items: [...items.values()], refused };
}

/** Returns the place of a kept file on this machine. */
export function toTrashPath({ at, path }: Pick<TrashItem, "at" | "path">): TrashPath {
  return { base: resolve(at, ...parentSteps(path), "..", ".."), at };
}

/** Returns the number of folders above a kept file that belong to it: those of its path, the run's and the pair's. */
export function depthOf({ path }: Pick<TrashItem, "path">): number {
  return path.split("/").length + 1;
}

/**
 * Returns the trash folders for versions of a root on this machine, besides that of the state folder: in the root, and
 * next to it.
 */
export function trashesOf(root: string): readonly [inside: string, beside: string] {
  return [join(root, TRASH), join(root, "..", TRASH)];
}

/**
 * Returns the items that are older than `days` days. Discarded versions of conflicts never expire; they stay until the
 * user clears them.
 */
export function expired(items: readonly TrashItem[], days: number, now: number): readonly TrashItem[] {
  return items.filter(({ why, when }) => why !== "conflict" && now - when > days * DAY_MS);
}

/** Returns the name of a run's folder, by its start: "2026-11-21 103205.123 local". */
export function toRunName(start: number, side: Side): string {
  const time = new Date(start).toISOString().slice(0, 23).replace("T", " ").replaceAll(":", "");
  return `${time} ${side}`;
}

const DAY_MS = 86_400_000;

const MAX_TIME = 8.64e15;
const MAX_TEXT = 65_536;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Parses a line. Returns undefined if it is not JSON because it was cut off. */
function parseJsonLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

function fieldOf(found: unknown, name: string): unknown {
  return typeof found === "object" && found !== null && Object.hasOwn(found, name)
    ? Reflect.get(found, name)
    : undefined;
}

/** Returns the item of a line; undefined if a field has a value that no run writes. */
function toItem(found: unknown, place: IndexPlace): TrashItem | undefined {
  const field = (name: string) => fieldOf(found, name);
  const [id, pair, size, session, root, at] = ["id", "pair", "size", "session", "root", "at"].map(field);
  const side = oneOf(field("side"), ["local", "remote"]);
  const kind = oneOf(field("kind"), ["file", "link"]);
  const why = oneOf(field("why"), ["conflict", "overwritten", "removed"]);
  const host = oneOf(field("host"), ["disk", "server"]);
  const path = toPath(field("path"));
  const winner = oneOf(field("winner"), ["local", "remote"]);
  const [modified, when, disk] = [field("modified"), field("when"), field("disk")];
  if (side === undefined || kind === undefined || why === undefined || host === undefined) return undefined;
  if (typeof id !== "string" || !/^[0-9a-f]{10}$/.test(id) || pair !== place.pair || path === undefined) {
    return undefined;
  }
  if (!isCount(size) || !isTime(when) || when < 0 || !isText(session) || !isText(root) || !isText(at)) return undefined;
  if ((modified !== undefined && !isTime(modified)) || (winner === undefined && field("winner") !== undefined)) {
    return undefined;
  }
  if (disk !== undefined && (!isText(disk) || !isAbsolute(disk) || resolve(disk) !== disk)) return undefined;
  const facts = { pair: place.pair, side, path, when, host, at, ...(disk === undefined ? { root } : { root: disk }) };
  const located = locate(facts, place.home);
  if (located === undefined) return undefined;
  return {
    ...{ id, pair: place.pair, side, path, kind, size, why, when, session, root, host, at: located },
    ...(modified === undefined ? {} : { modified }),
    ...(winner === undefined ? {} : { winner }),
    ...(disk === undefined ? {} : { disk }),
  };
}

/**
 * Returns the path of an item, verified against its other fields: below the pair's and the run's folder, in one of the
 * trash folders of its root, or in that of the index, which may have been moved since. Undefined for every other path.
 */
function locate(
  { pair, side, path, when, host, at, root }: Pick<
    TrashItem,
    "pair" | "side" | "path" | "when" | "host" | "at" | "root"
  >,
  home: string,
): string | undefined {
  const names = [pair, toRunName(when, side), ...path.split("/")];
  if (host === "server") {
    const tail = `/${names.join("/")}`;
    const isClean = at.startsWith("/") && posix.normalize(at) === at;
    return isClean && at.endsWith(tail) && toPath(at.slice(1)) !== undefined ? at : undefined;
  }
  const tail = join(...names);
  if (trashesOf(root).some((base) => join(base, tail) === at)) return at;
  return at.endsWith(`${sep}${tail}`) ? join(home, tail) : undefined;
}

function oneOf<T extends string>(value: unknown, words: readonly T[]): T | undefined {
  return words.find((word) => word === value);
}

function toPath(value: unknown): RelPath | undefined {
  try {
    return typeof value === "string" && value !== "" && value.length <= MAX_TEXT ? toRelPath(value) : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT && !CONTROL.test(value);
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= MAX_TIME;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function parentSteps(path: RelPath): readonly string[] {
  return path.split("/").map(() => "..");
}
