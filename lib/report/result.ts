import { exitCodes, type SyncError } from "../core/errors.ts";
import {
  type ConflictRecord,
  type FailureRecord,
  type MoveRecord,
  type RemovalRecord,
  type SideName,
  sideName,
  type TransferRecord,
} from "./items.ts";
import type { Note } from "../core/plan.ts";

/** Information about a run that is no failure, such as a skipped symlink. */
export interface NoteRecord {
  /** A word for the kind of the note. */
  readonly Code: string;
  /** The number of paths it stands for; null if it is about one. */
  readonly Count: number | null;
  /** The path below both roots; null if it is about none. */
  readonly Path: string | null;
  /** The side it is about; null if it is about both. */
  readonly Side: SideName | null;
  /** One sentence. */
  readonly Message: string;
}

/** The result of one run on one session, or its forecast under -WhatIf. */
export interface SyncResult {
  /** The type of the record. */
  readonly Type: "SyncResult";
  /** The label of the session. */
  readonly Session: string;
  /** The local root. */
  readonly LocalPath: string;
  /** The remote root. */
  readonly RemotePath: string;
  /** The side that changed. */
  readonly Mode: "Local" | "Remote" | "Both";
  /** The start of the run, ISO 8601 in UTC. */
  readonly Started: string;
  /** Seconds. */
  readonly Duration: number;
  /** Whether nothing failed. */
  readonly IsSuccess: boolean;
  /** Whether this is a forecast, under -WhatIf. */
  readonly IsWhatIf: boolean;
  /** The exit code of a process that did only this run. */
  readonly ExitCode: number;
  /** The length of all that was copied. */
  readonly Bytes: number;
  /** The length of Uploads. */
  readonly UploadCount: number;
  /** The length of Downloads. */
  readonly DownloadCount: number;
  /** The length of Removals. */
  readonly RemovalCount: number;
  /** The length of Conflicts. */
  readonly ConflictCount: number;
  /** The length of Failures. */
  readonly FailureCount: number;
  /** The length of Moves. */
  readonly MoveCount: number;
  /** The number of files whose time alone was set. */
  readonly TouchCount: number;
  /** The number of folders that were made. */
  readonly FoldersMade: number;
  /** The number of folders that were removed. */
  readonly FoldersRemoved: number;
  /** The number of postponed removals. */
  readonly HeldRemovals: number;
  /** The reasons why removals were postponed. */
  readonly HeldReasons: readonly string[];
  /** The number of copied files that had been removed on the other side. */
  readonly Restored: number;
  /** The files that were uploaded. */
  readonly Uploads: readonly TransferRecord[];
  /** The files that were downloaded. */
  readonly Downloads: readonly TransferRecord[];
  /** The files that were removed from either side. */
  readonly Removals: readonly RemovalRecord[];
  /** The files that were renamed instead of copied. */
  readonly Moves: readonly MoveRecord[];
  /** The paths that changed on both sides. */
  readonly Conflicts: readonly ConflictRecord[];
  /** All that failed. */
  readonly Failures: readonly FailureRecord[];
  /** Sentences about what is right but not complete, such as a time that was not kept. */
  readonly Warnings: readonly string[];
  /** Information that is no failure. */
  readonly Notes: readonly NoteRecord[];
}

/** Returns a note in the form that users see. */
export function toNoteRecord({ code, count, path, side, why }: Note): NoteRecord {
  return {
    Code: code,
    Count: count ?? null,
    Path: path ?? null,
    Side: side === undefined ? null : sideName(side),
    Message: why,
  };
}

/**
 * Returns the exit code of a process from its results (and errors read from a pipe) and the errors besides them:
 * Interrupted first, otherwise the code that they share, otherwise 1.
 */
export function exitCode(
  results: Iterable<{ readonly ExitCode: number }>,
  errors: Iterable<SyncError>,
): number {
  const codes = new Set<number>();
  for (const result of results) codes.add(result.ExitCode);
  for (const error of errors) codes.add(exitCodes[error.kind]);
  if (codes.has(130)) return 130;
  if (codes.size > 1) return 1;
  for (const code of codes) return code;
  return 0;
}
