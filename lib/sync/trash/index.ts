import { createHash } from "node:crypto";
import { isAbsolute, join, posix, resolve, sep } from "node:path";
import { type RelPath, toRelPath } from "../../core/path.ts";
import type { Side } from "../../core/entry.ts";
import type { TrashPlace } from "./reach.ts";

/**
 * One version that lost, and where it lies now. `session`, `root`: whose it was: the server's label and the root as the server names it
 * (for the local side its folder); `address`: how to reach the server once more, without secrets; `host`: where the kept file lies, on a
 * disk of this machine or on that server; `at`: its path there, absolute; times in ms since the epoch, `size` in bytes.
 */
export interface TrashItem {
  readonly id: string;
  readonly pair: string;
  readonly side: Side;
  readonly path: RelPath;
  readonly kind: "file" | "link";
  readonly size: number;
  readonly modified?: number;
  readonly why: Loss;
  readonly winner?: Side;
  readonly when: number;
  readonly session: string;
  readonly root: string;
  readonly disk?: string;
  readonly host: "disk" | "server";
  readonly at: string;
}

/** Why a version had to go. */
export type Loss = "conflict" | "overwritten" | "removed";

/** A name for an item, short enough to be typed. */
export function toItemId(words: readonly string[]): string {
  return createHash("sha256").update(words.join("\0")).digest("hex").slice(0, 10);
}

/** The lines of an index: one for each item that was kept, one for each that is no more. */
export function itemLine(item: TrashItem): string {
  return `${JSON.stringify(item)}\n`;
}
export function goneLine(id: string): string {
  return `${JSON.stringify({ gone: id })}\n`;
}

/** The name of the trash folder that lies beside what it holds. */
export const TRASH = ".tandem-trash";

/** Where an index lies: `home` is its folder, `pair` the name of its pair. */
export interface IndexPlace {
  readonly home: string;
  readonly pair: string;
}

/** What an index says. `refused`: lines that name what no run of ours keeps, or a place outside of every trash folder. */
export interface IndexFacts {
  readonly items: readonly TrashItem[];
  readonly refused: number;
}

/**
 * Reads an index, the oldest item first. Every field of a line is checked like a name from a peer; what does not hold is refused. A line
 * that was cut off by a crash says nothing.
 */
export function parseIndex(text: string, place: IndexPlace): IndexFacts {
  const items = new Map<string, TrashItem>();
  let refused = 0;
  for (const line of text.split("\n")) {
    const found = line === "" ? undefined : parseLine(line);
    if (found === undefined) continue;
    const gone = fieldOf(found, "gone");
    const item = gone === undefined ? toItem(found, place) : undefined;
    if (item !== undefined) items.set(item.id, item);
    else if (typeof gone === "string") items.delete(gone);
    else refused++;
  }
  return { items: [...items.values()], refused };
}

/** Where a kept file lies on this machine. */
export function placeOf({ at, path }: Pick<TrashItem, "at" | "path">): TrashPlace {
  return { base: resolve(at, ...foldersOf(path), "..", ".."), at };
}

/** How many folders above a kept file are its own: those of its path, the run's, the pair's. */
export function depthOf({ path }: Pick<TrashItem, "path">): number {
  return path.split("/").length + 1;
}

/** The trash folders where versions of a root of this machine may lie, beside that of the state folder: in the root, or next to it. */
export function trashesOf(root: string): readonly [inside: string, beside: string] {
  return [join(root, TRASH), join(root, "..", TRASH)];
}

/** Items that have lain for longer than so many days; losers of conflicts stay until they are cleared by hand. */
export function overdue(items: readonly TrashItem[], days: number, now: number): readonly TrashItem[] {
  return items.filter(({ why, when }) => why !== "conflict" && now - when > days * DAY_MS);
}

/** The name of a run's folder, by its start: "2026-11-21 103205.123 local". */
export function toRunName(start: number, side: Side): string {
  const time = new Date(start).toISOString().slice(0, 23).replace("T", " ").replaceAll(":", "");
  return `${time} ${side}`;
}

const DAY_MS = 86_400_000;

const MAX_TIME = 8.64e15;
const MAX_TEXT = 65_536;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Undefined for what is no JSON: it was cut off. */
function parseLine(line: string): unknown {
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

/** The item that a line tells of; undefined where one of its fields is none that a run writes. */
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
 * Where an item lies, which its other fields tell: below the pair's and the run's folder, in one of the trash folders of its root or in
 * that of the index, which may have been moved since. Undefined for every other place.
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

function foldersOf(path: RelPath): readonly string[] {
  return path.split("/").map(() => "..");
}
