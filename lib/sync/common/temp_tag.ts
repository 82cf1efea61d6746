import { createHash, hash } from "node:crypto";
import type { FileEntry, LinkEntry } from "../../core/entry.ts";

/** The owner of temporary names on one side, by the first 8 hex digits of this pair's tags. */
export interface TempOwner {
  /** The digits for the remainder of an interrupted transfer, which may be removed at any time. */
  readonly partial: string;
  /** The digits for a user's file that made room for a folder, removed as removals are. */
  readonly aside: string;
  /** A secret, without which a name cannot be predicted and content cannot be proven. */
  readonly key: string;
}

/**
 * Returns the owner for these words: a secret of this machine's user, both roots, and the side that is written to.
 * Equal words yield an equal owner.
 */
export function toTempOwner(words: readonly string[]): TempOwner {
  const key = createHash("sha256").update(words.join("\0")).digest("hex");
  return { partial: hex8(key, ["partial"]), aside: hex8(key, ["aside"]), key };
}

/**
 * Returns the tag of a temporary name, 16 lower-case hex digits: the owner's part, then the version of the entry it
 * stands for.
 */
export function toTempTag(owner: TempOwner, part: "partial" | "aside", entry: FileEntry | LinkEntry): string {
  return owner[part] + hex8(owner.key, versionWords(entry));
}

function versionWords(entry: FileEntry | LinkEntry): readonly string[] {
  if (entry.kind === "link") return ["link", entry.path, entry.target];
  const { path, size, modified, revision, fileId } = entry;
  return ["file", path, String(size), String(modified ?? ""), revision ?? "", fileId ?? ""];
}

/**
 * Returns the first 8 hex digits of a hash of the secret key and the words. A hash cut to 32 bits cannot be extended by
 * more words, so it needs no HMAC, which takes six times as long for each file.
 */
function hex8(key: string, words: readonly string[]): string {
  return hash("sha256", [key, ...words].join("\0"), "hex").slice(0, 8);
}
