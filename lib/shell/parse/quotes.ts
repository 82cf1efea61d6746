import { type Cursor, follows, nested, peek, positionOf, readMatch, syntaxError } from "./cursor.ts";
import type { Expression } from "./syntax.ts";

/** Parses '…', in which '' is one quote and no other character is special. The cursor is at the opening quote. */
export function parseSingle(cursor: Cursor): string {
  const start = cursor.at;
  const found = readMatch(cursor, /'(?:[^']|'')*'/y);
  if (found === "") {
    throw syntaxError({ ...cursor, at: cursor.text.length }, `' for the one opened at ${positionOf(cursor, start)}`);
  }
  return found.slice(1, -1).replaceAll("''", "'");
}

/**
 * Parses "…", in which "" is one quote, a backtick escapes, and $name, ${name}, $env:NAME and $( pipeline ) are
 * replaced by their values.
 */
export function parseDouble(cursor: Cursor): Expression {
  const start = cursor.at++;
  const parts = new ExpressionBuilder();
  for (;;) {
    parts.add(readMatch(cursor, /[^"`$]+/y));
    if (readMatch(cursor, /""/y) !== "") parts.add('"');
    else if (peek(cursor) === '"') break;
    else if (peek(cursor) === "`") parts.add(parseEscape(cursor));
    else if (peek(cursor) === "$") parts.add(parseVariable(cursor) ?? readMatch(cursor, /\$/y));
    else throw syntaxError(cursor, `" for the one opened at ${positionOf(cursor, start)}`);
  }
  cursor.at++;
  return parts.toExpression();
}

/** Parses a backtick and the escaped character: `n `t `r `0 `a `b `e `f `v `u{20AC}; any other character is itself. */
export function parseEscape(cursor: Cursor): string {
  const code = /^`u\{([0-9a-f]{1,6})\}$/i.exec(readMatch(cursor, /`u\{[0-9a-f]{1,6}\}/iy))?.[1];
  if (code !== undefined) {
    const point = parseInt(code, 16);
    if (point <= 0x10ffff) return String.fromCodePoint(point);
    throw syntaxError(cursor, "a character up to 10FFFF in `u{…}");
  }
  cursor.at++;
  const [letter] = readMatch(cursor, /[^]/uy);
  if (letter === undefined) throw syntaxError(cursor, "a character after the backtick");
  return ESCAPES.get(letter) ?? letter;
}

/**
 * Parses $name, ${name}, $env:NAME, ${env:NAME}, $true or $( pipeline ); returns undefined for a $ that begins none of
 * them.
 */
export function parseVariable(cursor: Cursor): Expression | undefined {
  const at = positionOf(cursor);
  if (follows(cursor, "$(")) {
    cursor.at += 2;
    const pipelines = nested(cursor, () => cursor.pipelines(cursor));
    if (readMatch(cursor, /\)/y) === "") throw syntaxError(cursor, ")");
    return { kind: "pipeline", pipelines, always: false };
  }
  const found = readMatch(cursor, /\$(?:env:\w+|\w+|\{(?:env:)?[^{}\r\n]+\})/iuy);
  if (found === "") return undefined;
  const name = found.replace(/^\$\{?/, "").replace(/\}$/, "");
  if (/^env:/i.test(name)) return { kind: "env", name: name.slice(4), at };
  const literal = LITERALS.get(name.toLowerCase());
  return literal === undefined
    ? { kind: "variable", name: name.toLowerCase(), at }
    : { kind: "literal", value: literal };
}

/** A builder of one expression from pieces of text; adjacent texts are merged. */
export class ExpressionBuilder {
  readonly #parts: Expression[] = [];

  add(part: string | Expression): void {
    const expression: Expression = typeof part === "string" ? { kind: "text", text: part } : part;
    const last = this.#parts.at(-1);
    if (expression.kind === "text" && expression.text === "") return;
    if (expression.kind !== "text" || last?.kind !== "text") this.#parts.push(expression);
    else this.#parts[this.#parts.length - 1] = { kind: "text", text: last.text + expression.text };
  }

  /** Returns a single text as it is, anything else as parts to be joined. */
  toExpression(): Expression {
    const [first, ...more] = this.#parts;
    if (first === undefined) return { kind: "text", text: "" };
    return more.length === 0 && first.kind === "text" ? first : { kind: "joined", parts: [...this.#parts] };
  }
}

const LITERALS: ReadonlyMap<string, boolean | null> = new Map([["true", true], ["false", false], ["null", null]]);
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ["r", "\r"],
  ["0", "\0"],
  ["a", "\x07"],
  ["b", "\b"],
  ["e", "\x1b"],
  ["f", "\f"],
  ["v", "\v"],
]);
