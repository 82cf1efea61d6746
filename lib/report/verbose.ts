import { actionName, fileNameOf } from "./records.ts";
import { formatActionName } from "./table.ts";
import { escapeForTerminal, formatBytes, formatCount, shorten, toLine } from "./text.ts";
import type { Action, Note, Run, SyncEvent } from "../core/plan.ts";

/** Returns the lines of -Verbose for an event: a line per action, skipped path and listing. */
export function verboseLines(event: SyncEvent, run: Run): readonly string[] {
  switch (event.type) {
    case "scanned":
      return [`Listed the ${event.side} side: ${formatCount(event.entries)} files and folders`];
    case "planned":
      return event.plan.notes.map(formatNote);
    case "noted":
      return [formatNote(event.note)];
    case "done":
      return [formatAction(event.action, run)];
    case "failed":
      return [`Failed: ${formatAction(event.action, run)}: ${toLine(event.error.message)}`];
    case "held":
      return [`Held back: ${formatAction(event.action, run)}: ${toLine(event.why)}`];
    case "started":
    case "progress":
      return [];
    default:
      return event satisfies never;
  }
}

/** Returns a note as one line. */
export function formatNote(note: Note): string {
  return toLine(note.path === undefined ? note.why : `"${note.path}": ${note.why}`);
}

function formatAction(action: Action, run: Run): string {
  const size = action.do === "copy" && action.source.kind === "file" ? ` (${formatBytes(action.source.size)})` : "";
  const from = action.do === "move" ? `${actionFileName(action, run, action.source.path)} to ` : "";
  return `${formatActionName(actionName(action))} ${from}${actionFileName(action, run, action.path)}${size}`;
}

function actionFileName(action: Action, run: Run, path: Action["path"]): string {
  return shorten(escapeForTerminal(fileNameOf(run, action.to, path)), 400);
}
