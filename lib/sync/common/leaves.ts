import type { Entry, Snapshot } from "../../core/entry.ts";

/** Whether the entry is a file or link: these are counted, transferred and reported one by one. */
export function isLeaf(entry: Entry | undefined): boolean {
  return entry?.kind === "file" || entry?.kind === "link";
}

/** Returns the number of files and links on a side. */
export function countLeaves(snapshot: Snapshot): number {
  let count = 0;
  for (const entry of snapshot) if (isLeaf(entry)) count++;
  return count;
}
