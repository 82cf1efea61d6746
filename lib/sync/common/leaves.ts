import type { Entry, Snapshot } from "../../core/entry.ts";

/** Files and links: what is counted, transferred and reported one by one. */
export function isLeaf(entry: Entry | undefined): boolean {
  return entry?.kind === "file" || entry?.kind === "link";
}

/** How many files and links a side holds. */
export function countLeaves(snapshot: Snapshot): number {
  let count = 0;
  for (const entry of snapshot) if (isLeaf(entry)) count++;
  return count;
}
