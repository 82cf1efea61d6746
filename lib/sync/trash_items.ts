import { createHash } from "node:crypto";
import type { RelPath } from "../path.ts";
import type { Side } from "../types.ts";

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

/** What an index says is kept, the oldest first. A line that was cut off by a crash says nothing. */
export function parseIndex(text: string): readonly TrashItem[] {
  const items = new Map<string, TrashItem>();
  for (const line of text.split("\n")) {
    const found = parseLine(line);
    if (found === undefined) continue;
    if ("gone" in found) items.delete(found.gone);
    else items.set(found.id, found);
  }
  return [...items.values()];
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

function parseLine(line: string): TrashItem | { readonly gone: string } | undefined {
  if (line === "") return undefined;
  try {
    const found = JSON.parse(line);
    if (typeof found.gone === "string") return { gone: found.gone };
    return typeof found.id === "string" && typeof found.at === "string" ? found : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
