import { Buffer } from "node:buffer";
import { styleText } from "node:util";
import { escapeForDisplay } from "../core/path.ts";
import { type MeasureWidth, roughWidth } from "./width.ts";

/**
 * The maximum bytes of one error message on stderr, so that it stays readable and no server can flood a log with it.
 * Colours are not counted.
 */
const messageBytes = 580;

const linesMost = 3;

/** Colours a text, or leaves it as it is. */
export type Paint = (color: "red" | "yellow" | "green" | "cyan" | "dim", text: string) => string;

/** Returns a paint that colours only if `isOn`; the caller has respected NO_COLOR. */
export function makePaint(isOn: boolean): Paint {
  return (color, text) => isOn ? styleText(color, text, { validateStream: false }) : text;
}

/** Returns a text from a server in a form that no terminal, log or build server interprets. */
export function escapeForTerminal(text: string): string {
  return escapeBuildCommands(escapeForDisplay(text));
}

/**
 * Escapes the commands that a build server would execute: `::error::` at the start of a line (GitHub), `##[…]`,
 * `##vso[…]` and `##teamcity[…]` anywhere (Azure Pipelines, TeamCity).
 */
export function escapeBuildCommands(lines: string): string {
  return lines
    .replace(/##(?=\[|vso\[|teamcity\[)/g, "#\\u0023")
    .replace(/((?:^|[\r\n])\s*):(?=:)/g, "$1\\u003a");
}

/** Shortens a text to at most `columns`, by a cut in the middle, where names differ least. */
export function shorten(text: string, columns: number, measure: MeasureWidth = roughWidth): string {
  if (measure(text) <= columns) return text;
  if (columns <= 1) return columns === 1 ? "\u2026" : "";
  const pieces = [...new Intl.Segmenter().segment(text)].map((piece) => piece.segment);
  const tailRoom = Math.floor((columns - 1) / 2);
  const tail = takeWhileFits(pieces.toReversed(), tailRoom, measure).toReversed().join("");
  const head = takeWhileFits(pieces, columns - 1 - measure(tail), measure).join("");
  return `${head}\u2026${tail}`;
}

/** Returns one line, at most `bytes` long with its line end; long names and words are cut in the middle first. */
export function toLine(message: string, bytes = messageBytes): string {
  const line = escapeForTerminal(message.trim().replace(/\s*\r?\n\s*/g, " "));
  if (Buffer.byteLength(line) < bytes) return line;
  for (const longest of [200, 120, 80, 60, 40, 24]) {
    const shorter = line.replace(/"[^"]*"|\S+/g, (word) => shortenWord(word, longest));
    if (Buffer.byteLength(shorter) < bytes) return shorter;
  }
  return shortenBytes(line, bytes - 1);
}

/** Returns an error as at most three lines, `bytes` long in total. */
export function toErrorLines(message: string, bytes = messageBytes): readonly string[] {
  const lines = message.split(/\r?\n/).filter((line) => line.trim() !== "");
  const most = lines.length <= linesMost
    ? lines
    : [...lines.slice(0, linesMost - 1), lines.slice(linesMost - 1).join(" ")];
  return most.map((line) => toLine(line, Math.floor(bytes / most.length)));
}

/** Returns "12.4 MB": decimal units, at most three digits before the next unit. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${Math.round(bytes)} bytes`;
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** Returns "4.2 s", "1 min 5 s", "2 h 3 min". */
export function formatDuration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

/** Returns "0:07", "12:05", "1:02:03". */
export function formatClock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (part: number) => String(part).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** Returns "12,345". */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Returns "1 file", "2 files". */
export function plural(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? "" : "s"}`;
}

function takeWhileFits(pieces: readonly string[], columns: number, measure: MeasureWidth): string[] {
  const taken: string[] = [];
  let left = columns;
  for (const piece of pieces) {
    left -= measure(piece);
    if (left < 0) break;
    taken.push(piece);
  }
  return taken;
}

function shortenWord(word: string, longest: number): string {
  if (word.length <= longest) return word;
  return word.startsWith('"') && word.endsWith('"')
    ? `"${shorten(word.slice(1, -1), longest)}"`
    : shorten(word, longest);
}

/** Shortens a text to `bytes`. The mark of the cut takes three bytes. */
function shortenBytes(text: string, bytes: number): string {
  return shorten(text, bytes - 2, (piece) => Buffer.byteLength(piece));
}
