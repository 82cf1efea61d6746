import { createHash } from "node:crypto";
import type { DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Expecting, Traits } from "../../core/backend.ts";
import type { Stamp } from "./times.ts";

/** Whether files have revisions, and what these are worth: "stale" ones outlive a change, "loose" ones are another in each answer. */
export type Revisions = boolean | "stale" | "loose";

/** How a tree tells names apart, what its listings show, and its clock (ms since the epoch). */
export interface TreeRules {
  readonly traits: Traits;
  readonly modes: boolean;
  readonly fileIds: boolean;
  readonly revisions: Revisions;
  readonly stamp: Stamp;
  now(): number;
}

/** What a written file gets besides its bytes. */
export interface Writing extends Expecting {
  readonly modified?: number;
  readonly mode?: number;
  readonly tag?: string;
}

/** What stands in a memory tree under one name; `name` as it is spelled there. */
export type Node = FileNode | DirNode | OtherNode;
export interface FileNode {
  readonly kind: "file";
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly modified: number;
  readonly mode: number;
  readonly id: string;
  readonly revision: string;
}
export interface DirNode {
  readonly kind: "dir";
  readonly name: string;
  readonly children: Map<string, Node>;
  modified: number;
  readonly mode: number;
}
interface OtherNode {
  readonly kind: "other";
  readonly name: string;
  readonly entry: Exclude<Entry, FileEntry | DirEntry>;
}

/** A folder without anything in it. */
export function newDir(name: string, modified: number): DirNode {
  return { kind: "dir", name, children: new Map(), modified, mode: 0o755 };
}

/** The node that an entry describes; `count` makes its id and revision where the entry has none, `now` its time. */
export function planted(
  name: string,
  { entry, bytes, count, now }: {
    readonly entry: Entry;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly count: number;
    readonly now: number;
  },
): Node {
  if (entry.kind === "dir") return { ...newDir(name, entry.modified ?? now), mode: entry.mode ?? 0o755 };
  if (entry.kind !== "file") return { kind: "other", name, entry };
  return {
    kind: "file",
    name,
    bytes,
    modified: entry.modified ?? now,
    mode: entry.mode ?? 0o644,
    id: entry.fileId ?? `memory:${count}`,
    revision: entry.revision ?? `r${count}`,
  };
}

/** The entries in an order that depends on the seed and on them alone. */
export function shuffled(entries: readonly Entry[], seed: number): readonly Entry[] {
  const order = (entry: Entry) => createHash("md5").update(`${seed} ${entry.path}`).digest("hex");
  return entries.map((entry) => ({ entry, at: order(entry) })).sort((a, b) => a.at < b.at ? -1 : 1).map(({ entry }) =>
    entry
  );
}

/** The entry without its revision where that is another in each answer: no condition can name it. */
export function withoutLoose(entry: Entry | undefined, revisions: Revisions): Entry | undefined {
  if (entry?.kind !== "file" || revisions !== "loose") return entry;
  const { revision: _, ...rest } = entry;
  return rest;
}
