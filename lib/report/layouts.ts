import type { ItemRecord } from "./items.ts";
import { toJson, toJsonPieces } from "./json.ts";
import type { DifferenceRecord, ErrorRecord } from "./records.ts";
import type { SyncResult } from "./result.ts";
import { differenceHead, viewDifference, viewObject, viewResult, viewSession, viewWhatIf } from "./table.ts";
import type { Paint } from "./text.ts";

/** A text, whole or in pieces. */
export type OutputText = string | Iterable<string>;

/**
 * A format of standard output: each method returns the text to write next. A layout is stateful: it records what it has
 * written.
 */
export interface Layout {
  /**
   * Returns the text of an item that was done, failed, or is in conflict. Only in layouts that show items one by one.
   */
  item?(item: ItemRecord): string;
  /** Returns the text of a final object of the pipeline, or of a text. */
  value(value: unknown): OutputText;
  /** Returns the end of the output, with the error that ended the command line. */
  end(error: ErrorRecord | undefined): string;
}

/** Returns the layout with one object per line: Auto on a pipe. */
export function objectLayout(): Layout {
  return { value: piecesOf, end: (error) => error === undefined ? "" : lineOf(error) };
}

/** Returns the layout with one line per item when it is done, and a result without its lists at the end. */
export function lineLayout(): Layout {
  return {
    item: lineOf,
    value: (value) => lineOf(isSyncResult(value) ? withoutLists(value) : value),
    end: (error) => error === undefined ? "" : lineOf(error),
  };
}

/**
 * Returns the layout with one JSON array, written incrementally. A text is no object: it is printed as it is, unless
 * the array has begun.
 */
export function arrayLayout(): Layout {
  let wrote: "nothing" | "text" | "elements" = "nothing";
  const start = () => {
    const before = wrote === "elements" ? ",\n" : "[\n";
    wrote = "elements";
    return before;
  };
  return {
    value(value) {
      if (typeof value !== "string" || wrote === "elements") return elementOf(start(), value);
      wrote = "text";
      return `${value}\n`;
    },
    end(error) {
      const last = error === undefined ? "" : start() + toJson(error);
      if (wrote === "elements") return `${last}\n]\n`;
      return wrote === "nothing" ? "[]\n" : "";
    },
  };
}

/** Returns the layout of plain text for users. */
export function textLayout(options: { readonly paint: Paint; readonly isTerminal: boolean }): Layout {
  const { paint, isTerminal } = options;
  let before = "";
  return {
    value(value) {
      if (typeof value !== "object" || value === null) return `${value}\n`;
      const type = "Type" in value ? String(value.Type) : "";
      const isBlock = !["Difference", "Plan", "Command", "Error"].includes(type);
      const gap = before !== "" && (isBlock || before !== type) ? "\n" : "";
      const head = type === "Difference" && before !== "Difference" ? differenceHead() : "";
      const body = viewOf(value, { paint, isTerminal });
      if (body !== "") before = type || "object";
      return body === "" ? "" : gap + head + body;
    },
    end: () => "",
  };
}

/** Whether the value is the result of a run. */
export function isSyncResult(value: unknown): value is SyncResult {
  return typeof value === "object" && value !== null && "Type" in value && value.Type === "SyncResult";
}

function* elementOf(start: string, value: unknown): Iterable<string> {
  yield start;
  yield* toJsonPieces(value);
}

function* piecesOf(value: unknown): Iterable<string> {
  if (typeof value === "string") yield value;
  else yield* toJsonPieces(value);
  yield "\n";
}

function lineOf(value: unknown): string {
  return typeof value === "string" ? `${value}\n` : `${toJson(value)}\n`;
}

function withoutLists(result: SyncResult): Readonly<Record<string, unknown>> {
  const isCount = ([name, value]: [string, unknown]) => !Array.isArray(value) || name === "HeldReasons";
  return Object.fromEntries(Object.entries(result).filter(isCount));
}

function viewOf(value: object, options: { readonly paint: Paint; readonly isTerminal: boolean }): string {
  if (isSyncResult(value)) {
    const asked = value.IsWhatIf && options.isTerminal ? viewWhatIf(value) : "";
    return asked + viewResult(value, options.paint);
  }
  switch ("Type" in value ? value.Type : undefined) {
    case "Difference":
      return viewDifference(value as DifferenceRecord, options.paint);
    case "Plan":
    case "Error":
      return "";
    case "Session":
      return viewSession(value);
    case "Command":
      return viewCommand(value as { readonly Name: string; readonly Summary: string });
    default:
      return viewObject(value);
  }
}

function viewCommand(command: { readonly Name: string; readonly Summary: string }): string {
  return `${command.Name.padEnd(24)} ${command.Summary}\n`;
}
