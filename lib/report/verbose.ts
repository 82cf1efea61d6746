import type { Action, Note, Run, SyncEvent } from "../core/entry.ts";
import { nameAction, placeOf } from "./records.ts";
import { sayAction } from "./table.ts";
import { formatBytes, formatCount, sentence, shorten, shown } from "./text.ts";

/** Returns the lines of -Verbose for an event: a line per action, skipped path and listing. */
export function verboseLines(event: SyncEvent, run: Run): readonly string[] {
  switch (event.type) {
    case "scanned":
      return [`Listed the ${event.side} side: ${formatCount(event.entries)} files and folders`];
    case "planned":
      return event.plan.notes.map(sayNote);
    case "noted":
      return [sayNote(event.note)];
    case "done":
      return [sayDone(event.action, run)];
    case "failed":
      return [`Failed: ${sayDone(event.action, run)}: ${sentence(event.error.message)}`];
    case "held":
      return [`Held back: ${sayDone(event.action, run)}: ${sentence(event.why)}`];
    case "started":
    case "progress":
      return [];
    default:
      return event satisfies never;
  }
}

/** Returns a note as one line. */
export function sayNote(note: Note): string {
  return sentence(note.path === undefined ? note.why : `"${note.path}": ${note.why}`);
}

function sayDone(action: Action, run: Run): string {
  const size = action.do === "copy" && action.source.kind === "file" ? ` (${formatBytes(action.source.size)})` : "";
  const from = action.do === "move" ? `${placeAt(action, run, action.source.path)} to ` : "";
  return `${sayAction(nameAction(action))} ${from}${placeAt(action, run, action.path)}${size}`;
}

function placeAt(action: Action, run: Run, path: Action["path"]): string {
  return shorten(shown(placeOf(run, action.to, path)), 400);
}
