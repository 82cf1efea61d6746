import { categories, type ErrorKind, exitCodes, type SyncError } from "../core/errors.ts";
import type { RelPath } from "../core/path.ts";
import { type Entry, otherSide, type Side } from "../core/entry.ts";
import type { Action, Conflict, Refusal, Run } from "../core/plan.ts";

/** The name of an action: the six of WinSCP's SynchronizationAction, and those that only Tandem has. */
export type ActionName =
  | "UploadNew"
  | "DownloadNew"
  | "UploadUpdate"
  | "DownloadUpdate"
  | "DeleteRemote"
  | "DeleteLocal"
  | "MoveRemote"
  | "MoveLocal"
  | "TouchRemote"
  | "TouchLocal";

/** One side of a difference or conflict. */
export interface FileRecord {
  /** The full path, in the syntax of its side. */
  readonly FileName: string;
  /** The mtime, ISO 8601 in UTC; null if the side reports none. */
  readonly LastWriteTime: string | null;
  /** The length in bytes; null if it is no file. */
  readonly Length: number | null;
}

/** An output object of Compare-Path: one path. */
export interface DifferenceRecord {
  /** The type of the record. */
  readonly Type: "Difference";
  /** The change that a run would make; Conflict if it would make none. */
  readonly Action: ActionName | "Conflict";
  /** The path below both roots, with "/" between its names. */
  readonly Path: string;
  /** Whether it is about a folder. */
  readonly IsDirectory: boolean;
  /** The reason of the change, one word, or that of the conflict. */
  readonly Reason: string;
  /** The local side; null if nothing is there. */
  readonly Local: FileRecord | null;
  /** The remote side; null if nothing is there. */
  readonly Remote: FileRecord | null;
}

/** The first line of Compare-Path: the folders that its differences belong to. */
export interface PlanRecord {
  /** The type of the record. */
  readonly Type: "Plan";
  /** The local root. */
  readonly LocalPath: string;
  /** The remote root. */
  readonly RemotePath: string;
  /** The side that would change. */
  readonly Mode: "Local" | "Remote" | "Both";
  /** The label of the session. */
  readonly Session: string;
}

/** The last line of a stage that failed. */
export interface ErrorRecord {
  readonly Type: "Error";
  readonly ExitCode: number;
  readonly ErrorId: string;
  readonly Category: string;
  readonly Kind: string;
  readonly Message: string;
  readonly Path: string | null;
}

/** Returns the difference of an action, or of an unresolved conflict. */
export function toDifference(item: Action | Conflict, run: Run): DifferenceRecord {
  if (!("do" in item)) {
    return toDifferenceRecord("Conflict", item.path, {
      run,
      why: item.why,
      local: item.local,
      remote: item.remote,
      isDirectory: (item.local ?? item.remote)?.kind === "dir",
    });
  }
  const there = item.to;
  const here = otherSide(there);
  const about = { run, why: item.why, isDirectory: isDirectory(item) };
  switch (item.do) {
    case "makeDir": {
      const made = { kind: "dir", path: item.path } as const;
      return toDifferenceRecord(actionName(item), item.path, { ...about, [here]: made, [there]: item.replaces });
    }
    case "copy":
      return toDifferenceRecord(actionName(item), item.path, { ...about, [here]: item.source, [there]: item.replaces });
    case "move":
      return toDifferenceRecord(actionName(item), item.path, { ...about, [there]: item.source });
    case "touch":
    case "remove":
      return toDifferenceRecord(actionName(item), item.path, { ...about, [there]: item.target });
    default:
      return item satisfies never;
  }
}

/**
 * Returns the line with the folders of the differences that follow; `facts` are further properties (criteria, counts).
 */
export function toPlanLine<F extends Readonly<Record<string, unknown>>>(run: Run, facts: F): PlanRecord & F {
  const { session, localPath, remotePath, mode } = run;
  return { Type: "Plan", LocalPath: localPath, RemotePath: remotePath, Mode: mode, Session: session, ...facts };
}

/**
 * Returns an error in the form that the next process reads. `exitCode`: that of the whole run if it differs from the
 * kind's own.
 */
export function toErrorRecord(error: SyncError, exitCode = exitCodes[error.kind]): ErrorRecord {
  return {
    Type: "Error",
    ExitCode: exitCode,
    ErrorId: error.facts.id ?? kindName(error.kind),
    Category: categories[error.kind],
    Kind: kindName(error.kind),
    Message: error.message,
    Path: error.facts.path ?? null,
  };
}

/** Returns the name of an action in differences and results. */
export function actionName(action: Action): ActionName {
  const side = action.to === "remote" ? "Remote" : "Local";
  switch (action.do) {
    case "makeDir":
    case "copy": {
      const verb = action.to === "remote" ? "Upload" : "Download";
      return action.replaces === undefined ? `${verb}New` : `${verb}Update`;
    }
    case "move":
      return `Move${side}`;
    case "touch":
      return `Touch${side}`;
    case "remove":
      return `Delete${side}`;
    default:
      return action satisfies never;
  }
}

/** Returns a kind spelled like "PermissionDenied", which users see in Kind. */
export function kindName(kind: ErrorKind): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}

/** Returns the full name of a path on one side, in that side's syntax. */
export function fileNameOf(run: Run, side: Side, path: RelPath): string {
  const top = side === "local" ? run.localPath : run.remotePath;
  if (path === "") return top;
  const isWindows = side === "local" && /^[A-Za-z]:|^\\\\/.test(top);
  const tail = isWindows ? path.replaceAll("/", "\\") : path;
  if (/[\\/]$/.test(top) && (isWindows || top.endsWith("/"))) return top + tail;
  return top + (isWindows ? "\\" : "/") + tail;
}

/** Returns the record of an entry on one side; null if there is none. */
export function toFileRecord(entry: Entry | undefined, side: Side, run: Run): FileRecord | null {
  if (entry === undefined) return null;
  return {
    FileName: fileNameOf(run, side, entry.path),
    LastWriteTime: "modified" in entry ? toIso(entry.modified) : null,
    Length: lengthOf(entry),
  };
}

/** Returns ms since the epoch as ISO 8601 in UTC; null for undefined and for times outside the calendar's range. */
export function toIso(ms: number | undefined): string | null {
  if (ms === undefined) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** Returns the bytes of a file; null for any other entry. */
export function lengthOf(entry: Entry | undefined): number | null {
  return entry?.kind === "file" ? entry.size : null;
}

/** Whether the action is about a folder. */
export function isDirectory(action: Action): boolean {
  return action.do === "makeDir" || (action.do === "remove" && action.target.kind === "dir");
}

/** Returns the path that a refusal concerns, in the syntax of its side; the bare path if it has no side. */
export function refusalFileName(refusal: Refusal, run: Run): string {
  return refusal.side === undefined ? refusal.path : fileNameOf(run, refusal.side, refusal.path);
}

interface DifferenceDetails {
  readonly run: Run;
  readonly why: string;
  readonly isDirectory: boolean;
  readonly local?: Entry | undefined;
  readonly remote?: Entry | undefined;
}

function toDifferenceRecord(
  action: DifferenceRecord["Action"],
  path: RelPath,
  about: DifferenceDetails,
): DifferenceRecord {
  return {
    Type: "Difference",
    Action: action,
    Path: path,
    IsDirectory: about.isDirectory,
    Reason: about.why,
    Local: toFileRecord(about.local, "local", about.run),
    Remote: toFileRecord(about.remote, "remote", about.run),
  };
}
