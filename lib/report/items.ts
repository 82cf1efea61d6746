import type { Side } from "../core/entry.ts";
import type { ActionName, FileRecord } from "./records.ts";

/** The side a file comes from, as users see it. */
export type SideName = "Local" | "Remote";

/** The mtime set on a copied file. */
export interface TouchRecord {
  /** The full path of the target. */
  readonly FileName: string;
  /** The time that was to be set, ISO 8601 in UTC; null if the source has none. */
  readonly LastWriteTime: string | null;
  /** Why the target did not keep it; null if it did. */
  readonly Error: string | null;
}

/** A file or kept symlink that was copied (under -WhatIf: would be). */
export interface TransferRecord {
  /** The direction. */
  readonly Type: "Upload" | "Download";
  /** The kind of the change. */
  readonly Action: ActionName;
  /** The full path of the source. */
  readonly FileName: string;
  /** The full path of the target. */
  readonly Destination: string;
  /** The length in bytes; null for a link. */
  readonly Length: number | null;
  /** The side of the source. */
  readonly Side: SideName;
  /** The time of the target; null if none was set. */
  readonly Touch: TouchRecord | null;
  /** Whether the file had been removed on that side, and came back. */
  readonly IsRestored: boolean;
  /** Always null: a copy that failed is a Failure. */
  readonly Error: string | null;
}

/** A file or symlink that was removed, from either side. */
export interface RemovalRecord {
  /** The type of the record. */
  readonly Type: "Removal";
  /** The kind of the change. */
  readonly Action: ActionName;
  /** The full path of the removed file. */
  readonly FileName: string;
  /** The length in bytes; null for a link. */
  readonly Length: number | null;
  /** The side that it was removed from. */
  readonly Side: SideName;
  /** The path of its content in the trash; null if it was not kept. */
  readonly Kept: string | null;
  /** Always null: a removal that failed is a Failure. */
  readonly Error: string | null;
}

/** A failed action and its reason. */
export interface FailureRecord {
  /** The type of the record. */
  readonly Type: "Failure";
  /** The kind of the error, spelled as in SyncError but with a capital: NotFound, Denied … */
  readonly Kind: string;
  /** One sentence about what went wrong. */
  readonly Message: string;
  /** The path below both roots; null if the whole run failed. */
  readonly Path: string | null;
  /** The full path of the source, or of the path that was to change. */
  readonly FileName: string | null;
  /** The full path of the target of a copy. */
  readonly Destination: string | null;
  /** The length in bytes of a file. */
  readonly Length: number | null;
  /** The side of FileName. */
  readonly Side: SideName | null;
  /** The kind of the change; null if nothing was planned for the path. */
  readonly Action: ActionName | null;
  /** The same sentence as Message. */
  readonly Error: string;
}

/** A file that was renamed on one side, because it had been renamed on the other. */
export interface MoveRecord {
  /** The type of the record. */
  readonly Type: "Move";
  /** The kind of the change. */
  readonly Action: ActionName;
  /** The full path before. */
  readonly FileName: string;
  /** The full path after. */
  readonly Destination: string;
  /** The length in bytes. */
  readonly Length: number | null;
  /** The side on which it was renamed. */
  readonly Side: SideName;
  /** Always null: a move that failed is a Failure. */
  readonly Error: string | null;
}

/** A path that changed on both sides. */
export interface ConflictRecord {
  /** The type of the record. */
  readonly Type: "Conflict";
  /** The path below both roots, with "/" between its names. */
  readonly Path: string;
  /** One sentence about both changes and the outcome. */
  readonly Message: string;
  /** The local version; null if it was removed. */
  readonly Local: FileRecord | null;
  /** The remote version; null if it was removed. */
  readonly Remote: FileRecord | null;
  /** The side whose version was kept; null while the conflict is open. */
  readonly Winner: SideName | "Both" | null;
  /** The side whose version was replaced. */
  readonly Loser: SideName | null;
  /** The path of the discarded version; null if there is none. */
  readonly Kept: string | null;
}

/** A record of one path in a result's lists. */
export type ItemRecord = TransferRecord | RemovalRecord | MoveRecord | FailureRecord | ConflictRecord;

/** Returns the name of a side that users see. */
export function sideName(side: Side): SideName {
  return side === "local" ? "Local" : "Remote";
}
