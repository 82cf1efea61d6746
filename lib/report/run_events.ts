import type { Action, Run, SyncEvent } from "../core/plan.ts";
import { type ItemRecord, type SideName, sideName } from "./items.ts";
import { makeItemizer } from "./itemize.ts";
import { type ActionName, actionName, fileNameOf, lengthOf } from "./records.ts";
import { type NoteRecord, toNoteRecord } from "./result.ts";

/** One side has been listed. */
export interface ScannedEvent {
  /** The event's name. */
  readonly type: "scanned";
  /** The side that was listed. */
  readonly side: SideName;
  /** The number of files, folders and links that it holds. */
  readonly entries: number;
}

/** The plan is made; nothing has been changed yet. */
export interface PlannedEvent {
  /** The event's name. */
  readonly type: "planned";
  /** The number of changes that the plan holds, folders and times included. */
  readonly actions: number;
  /** The number of paths that changed on both sides. */
  readonly conflicts: number;
  /** The length of all files that will be copied. */
  readonly bytes: number;
}

/** A change begins. */
export interface StartedEvent {
  /** The event's name. */
  readonly type: "started";
  /** The kind of the change. */
  readonly action: ActionName;
  /** The path that is changed, complete, in the syntax of its side. */
  readonly path: string;
  /** The length of the file that is copied; null for every other change. */
  readonly length: number | null;
}

/** More of a file was copied. */
export interface ProgressEvent {
  /** The event's name. */
  readonly type: "progress";
  /** The kind of the change. */
  readonly action: ActionName;
  /** The path that is written, complete, in the syntax of its side. */
  readonly path: string;
  /** The bytes that were copied since this file's last event; negative if a retry copies some again. */
  readonly bytes: number;
  /** The length of the whole file; null if it is no file. */
  readonly length: number | null;
}

/** A change was carried out. A failed one comes as an ItemEvent with a Failure. */
export interface DoneEvent {
  /** The event's name. */
  readonly type: "done";
  /** The kind of the change. */
  readonly action: ActionName;
  /** The path that was changed, complete, in the syntax of its side. */
  readonly path: string;
  /** Facts that were not kept though the content is right, such as the file's time. */
  readonly warnings: readonly string[];
}

/** A result for one path: the record that SyncResult's lists will hold. With `whatIf` it is a forecast. */
export interface ItemEvent {
  /** The event's name. */
  readonly type: "item";
  /** The record; `item.Type` tells uploads, downloads, removals, moves, conflicts and failures apart. */
  readonly item: ItemRecord;
}

/** A removal was postponed. */
export interface HeldEvent {
  /** The event's name. */
  readonly type: "held";
  /** The kind of the change that was not made. */
  readonly action: ActionName;
  /** The path that stays, complete, in the syntax of its side. */
  readonly path: string;
  /** The reason, one sentence. */
  readonly reason: string;
}

/** Information that is no failure, such as a skipped link. */
export interface NoteEvent {
  /** The event's name. */
  readonly type: "note";
  /** The record that SyncResult's Notes will hold. */
  readonly note: NoteRecord;
}

/** An event of a run, in the order in which things happen. Later versions may add types, never change these. */
export type RunEvent =
  | ScannedEvent
  | PlannedEvent
  | StartedEvent
  | ProgressEvent
  | DoneEvent
  | ItemEvent
  | HeldEvent
  | NoteEvent;

/** Returns a function that translates each event of a run, in order, for programs. */
export function eventTranslator(run: Run): (event: SyncEvent) => readonly RunEvent[] {
  const itemize = makeItemizer(run);
  const subject = (action: Action) => ({
    action: actionName(action),
    path: fileNameOf(run, action.to, action.path),
  });
  return (event) => {
    const items = itemize(event).map((item): RunEvent => ({ type: "item", item }));
    switch (event.type) {
      case "scanned":
        return [{ type: "scanned", side: sideName(event.side), entries: event.entries }];
      case "planned": {
        const { actions, conflicts, notes } = event.plan;
        const bytes = actions.reduce((sum, action) => sum + (copiedLength(action) ?? 0), 0);
        const planned: RunEvent = { type: "planned", actions: actions.length, conflicts: conflicts.length, bytes };
        return [planned, ...notes.map((note): RunEvent => ({ type: "note", note: toNoteRecord(note) })), ...items];
      }
      case "started":
        return [{ type: "started", ...subject(event.action), length: copiedLength(event.action) }];
      case "progress":
        return [
          { type: "progress", ...subject(event.action), bytes: event.bytes, length: copiedLength(event.action) },
        ];
      case "held":
        return [{ type: "held", ...subject(event.action), reason: event.why }];
      case "noted":
        return event.note.error === undefined ? [{ type: "note", note: toNoteRecord(event.note) }] : items;
      case "done":
        return [{ type: "done", ...subject(event.action), warnings: event.warnings ?? [] }, ...items];
      case "failed":
        return items;
      default:
        return event satisfies never;
    }
  };
}

function copiedLength(action: Action): number | null {
  return action.do === "copy" ? lengthOf(action.source) : null;
}
