import { badInput, type SyncError } from "../../core/errors.ts";
import type { Pipeline } from "./syntax.ts";

/**
 * A text and the read position. `depth`: the number of open brackets. `pipelines` parses the content of ( ), up to the
 * closing bracket.
 */
export interface Cursor {
  readonly text: string;
  readonly pipelines: (cursor: Cursor) => readonly Pipeline[];
  /** The offset of each line. */
  readonly lines: readonly number[];
  at: number;
  depth: number;
}

/** Returns a cursor at the start of the text. */
export function openCursor(text: string, pipelines: Cursor["pipelines"]): Cursor {
  const lines = [0, ...Array.from(text.matchAll(/\r\n|\r|\n/g), (found) => found.index + found[0].length)];
  return { text, pipelines, lines, at: 0, depth: 0 };
}

/** Returns the character at the cursor, or `ahead` characters after it; "" after the end. */
export function peek(cursor: Cursor, ahead = 0): string {
  return cursor.text.charAt(cursor.at + ahead);
}

/** Whether `text` follows at the cursor. */
export function follows(cursor: Cursor, text: string): boolean {
  return cursor.text.startsWith(text, cursor.at);
}

/** Reads the match of the sticky pattern at the cursor; "" if it does not match. */
export function readMatch(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0] ?? "";
  cursor.at += found.length;
  return found;
}

/** Skips blanks, comments and line continuations (a backtick before the line's end). */
export function skipBlanks(cursor: Cursor): void {
  for (;;) {
    readMatch(cursor, /[^\S\r\n]+/uy);
    if (follows(cursor, "<#")) skipBlockComment(cursor);
    else if (peek(cursor) === "#") readMatch(cursor, /[^\r\n]*/y);
    else if (readMatch(cursor, /`(?:\r\n|\r|\n)/y) === "") return;
  }
}

/** Skips blanks, comments and ends of lines; with `separators` also ";". */
export function skipLines(cursor: Cursor, separators = false): void {
  do skipBlanks(cursor); while (readMatch(cursor, separators ? /[\r\n;]+/y : /[\r\n]+/y) !== "");
}

/** Returns "line 1, column 8" for the cursor or an earlier offset. */
export function positionOf(cursor: Cursor, at = cursor.at): string {
  const next = cursor.lines.findIndex((start) => start > at);
  const line = next < 0 ? cursor.lines.length : next;
  return `line ${line}, column ${at - (cursor.lines[line - 1] ?? 0) + 1}`;
}

/**
 * Returns the error for the token at the cursor: its position, the expected token and the kind of the actual one. Words
 * are not shown, because they may be secret.
 */
export function syntaxError(cursor: Cursor, wanted: string, at = cursor.at): SyncError {
  const next = cursor.text.charAt(at);
  const sign = /^[!-/:-@[-`{-~]$/.test(next) ? next : "more text";
  const found = next === "" ? "the end" : /[\r\n]/.test(next) ? "the end of the line" : sign;
  return badInput(`${positionOf(cursor, at)}: expected ${wanted}, found ${found}.`, "ParserError");
}

/** Runs `read` one bracket deeper; throws badInput if brackets are nested too deeply. */
export function nested<T>(cursor: Cursor, read: () => T): T {
  if (++cursor.depth > MAX_DEPTH) {
    throw badInput(`${positionOf(cursor)}: brackets are nested deeper than ${MAX_DEPTH}.`, "ParserError");
  }
  const value = read();
  cursor.depth--;
  return value;
}

const MAX_DEPTH = 50;

function skipBlockComment(cursor: Cursor): void {
  const end = cursor.text.indexOf("#>", cursor.at + 2);
  if (end < 0) throw syntaxError({ ...cursor, at: cursor.text.length }, "#> at the end of the comment");
  cursor.at = end + 2;
}
