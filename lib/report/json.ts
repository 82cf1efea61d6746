import { badInput } from "../core/errors.ts";

/** The longest line, or whole array, that is read: UTF-16 units. The result of a run over half a million files fits. */
const longest = 256 * 1024 * 1024;
/** Lists longer than this are written in pieces. */
const pieceLength = 1000;

/**
 * Returns one line of pure ASCII JSON, which no code page garbles and no terminal interprets. Lone surrogates are kept
 * as escapes. "##[" and "##vso[", which build servers interpret anywhere in a line, are escaped too.
 */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value) ?? "null";
  return json
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replaceAll("##", "#\\u0023");
}

/** Yields the same in pieces: a result's lists may be longer than the maximum length of a string. */
export function* toJsonPieces(value: unknown): Iterable<string> {
  if (typeof value !== "object" || value === null || !Object.values(value).some(isLong)) return yield toJson(value);
  let comma = "";
  yield "{";
  for (const [name, held] of Object.entries(value)) {
    if (held === undefined || typeof held === "function") continue;
    yield `${comma}${toJson(name)}:`;
    if (isLong(held)) yield* listPieces(held);
    else yield toJson(held);
    comma = ",";
  }
  yield "}";
}

/**
 * Parses the objects of a stream that another command wrote: one per line, or one JSON array. UTF-8 with or without
 * byte order mark, UTF-16 with one; LF or CRLF; empty lines are skipped. Throws badInput with the line number.
 */
export async function* readObjects(
  stream: AsyncIterable<Uint8Array>,
  options: { readonly longest?: number } = {},
): AsyncIterable<object> {
  const limit = options.longest ?? longest;
  let line = 1;
  let pieces: string[] = [];
  let length = 0;
  let isArray: boolean | undefined;
  for await (const text of decodeText(stream)) {
    isArray ??= text.trim() === "" ? undefined : text.trimStart().startsWith("[");
    const [first = "", ...more] = isArray ? [text] : text.split("\n");
    pieces.push(first);
    length += first.length;
    if (length > limit) throw badInput(`Line ${line} of the input is longer than ${limit} characters.`);
    for (const next of more) {
      yield* objectOf(pieces.join(""), line++);
      pieces = [next];
      length = next.length;
    }
  }
  if (isArray) yield* elementsOf(pieces.join(""));
  else yield* objectOf(pieces.join(""), line);
}

function isLong(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > pieceLength;
}

function* listPieces(list: readonly unknown[]): Iterable<string> {
  for (let at = 0; at < list.length; at += pieceLength) {
    yield (at === 0 ? "[" : ",") + list.slice(at, at + pieceLength).map(toJson).join(",");
  }
  yield "]";
}

function* objectOf(text: string, line: number): Iterable<object> {
  if (text.trim() === "") return;
  const value = parseJson(text, `Line ${line} of the input`);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return yield value;
  throw badInput(`Line ${line} of the input contains no object: write one JSON object per line.`);
}

function* elementsOf(text: string): Iterable<object> {
  const values = parseJson(text, "The input");
  if (!Array.isArray(values)) throw badInput("The input contains no objects: write one JSON object per line.");
  for (const [index, value] of values.entries()) {
    if (typeof value !== "object" || value === null) {
      throw badInput(`Element ${index + 1} of the input is not an object.`);
    }
    yield value;
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw badInput(`${where} is not JSON: write one JSON object per line, as Tandem's commands do on a pipe.`);
  }
}

/** Yields text in pieces, decoded by the byte order mark; UTF-8 without one. */
async function* decodeText(stream: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  let decoder: TextDecoder | undefined;
  let head = new Uint8Array();
  try {
    for await (const bytes of stream) {
      if (decoder === undefined) {
        head = new Uint8Array([...head, ...bytes]);
        if (head.length < 2) continue;
        decoder = new TextDecoder(encodingOf(head), { fatal: true });
        yield decoder.decode(head, { stream: true });
      } else yield decoder.decode(bytes, { stream: true });
    }
    decoder ??= new TextDecoder("utf-8", { fatal: true });
    yield head.length < 2 ? decoder.decode(head) : decoder.decode();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw badInput("The input is neither UTF-8 nor UTF-16 with a byte order mark.");
  }
}

function encodingOf(head: Uint8Array): string {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be";
  return "utf-8";
}
