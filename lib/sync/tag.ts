import { createHash } from "node:crypto";
import type { FileEntry, LinkEntry } from "../types.ts";

/**
 * Whose temporary names on one side are this pair's own: the first 8 hex digits of their tags. `partial`: what a broken transfer left,
 * free to be removed; `aside`: a user's file that had to make room for a folder, removed as removals are.
 */
export interface Owner {
  readonly partial: string;
  readonly aside: string;
}

/** The owner for these words: this machine and user, both roots, the side that is written to. Equal words, equal owner. */
export function toOwner(words: readonly string[]): Owner {
  return { partial: hex8([...words, "partial"]), aside: hex8([...words, "aside"]) };
}

/** The tag of a temporary name, 16 lower-case hex digits: the owner's part, then the version of the entry it stands for. */
export function toTag(part: string, entry: FileEntry | LinkEntry): string {
  if (entry.kind === "link") return part + hex8([entry.path, entry.target]);
  const { path, size, modified, revision, fileId } = entry;
  return part + hex8([path, String(size), String(modified ?? ""), revision ?? "", fileId ?? ""]);
}

function hex8(words: readonly string[]): string {
  return createHash("sha256").update(words.join("\0")).digest("hex").slice(0, 8);
}
