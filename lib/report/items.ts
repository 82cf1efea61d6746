import type { Side } from "../core/entry.ts";
import type { ActionName, FileRecord } from "./records.ts";

/** The side a file comes from, as users see it. */
export type SideName = "Local" | "Remote";

/** The mtime set on a copied file; `Error`: why the target did not accept it. */
export interface TouchRecord {
  readonly FileName: string;
  readonly LastWriteTime: string | null;
  readonly Error: string | null;
}

/** A file or kept symlink that was copied (under -WhatIf: would be). FileName is the source's; Length in bytes. */
export interface TransferRecord {
  readonly Type: "Upload" | "Download";
  readonly Action: ActionName;
  readonly FileName: string;
  readonly Destination: string;
  readonly Length: number | null;
  readonly Side: SideName;
  readonly Touch: TouchRecord | null;
  readonly IsRestored: boolean;
  readonly Error: string | null;
}

/** A file or symlink that was removed, from either side; Kept: the path of its content now. */
export interface RemovalRecord {
  readonly Type: "Removal";
  readonly Action: ActionName;
  readonly FileName: string;
  readonly Length: number | null;
  readonly Side: SideName;
  readonly Kept: string | null;
  readonly Error: string | null;
}

/** A failed action and its reason; Action is null if nothing was planned for the path. */
export interface FailureRecord {
  readonly Type: "Failure";
  readonly Kind: string;
  readonly Message: string;
  readonly Path: string | null;
  readonly FileName: string | null;
  readonly Destination: string | null;
  readonly Length: number | null;
  readonly Side: SideName | null;
  readonly Action: ActionName | null;
  readonly Error: string;
}

/** A file that was renamed on one side, because it had been renamed on the other. */
export interface MoveRecord {
  readonly Type: "Move";
  readonly Action: ActionName;
  readonly FileName: string;
  readonly Destination: string;
  readonly Length: number | null;
  readonly Side: SideName;
  readonly Error: string | null;
}

/** A path that changed on both sides. An open one has no Winner; Kept: the path of the discarded version. */
export interface ConflictRecord {
  readonly Type: "Conflict";
  readonly Path: string;
  readonly Message: string;
  readonly Local: FileRecord | null;
  readonly Remote: FileRecord | null;
  readonly Winner: SideName | "Both" | null;
  readonly Loser: SideName | null;
  readonly Kept: string | null;
}

export type ItemRecord = TransferRecord | RemovalRecord | MoveRecord | FailureRecord | ConflictRecord;

/** Returns the name of a side that users see. */
export function sideName(side: Side): SideName {
  return side === "local" ? "Local" : "Remote";
}
