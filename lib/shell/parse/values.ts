import { ExpressionBuilder, parseDouble, parseEscape, parseSingle, parseVariable } from "./quotes.ts";
import {
  type Cursor,
  follows,
  nested,
  peek,
  positionOf,
  readMatch,
  skipBlanks,
  skipLines,
  syntaxError,
} from "./cursor.ts";
import type { Expression } from "./syntax.ts";

/** Parses one value, or several separated by commas (a line may end after a comma). The cursor is at the first. */
export function parseList(cursor: Cursor): Expression {
  const start = cursor.at;
  const first = parseItem(cursor);
  const items = [first];
  let end = cursor.at;
  for (skipBlanks(cursor); peek(cursor) === ","; skipBlanks(cursor)) {
    cursor.at++;
    skipLines(cursor);
    items.push(parseItem(cursor));
    end = cursor.at;
  }
  if (items.length === 1) return first;
  const raw = cursor.text.slice(start, end);
  return { kind: "list", items, ...(/^[^\s'"`$(){}@]+$/u.test(raw) ? { raw } : {}) };
}

function parseItem(cursor: Cursor): Expression {
  const next = peek(cursor);
  if (next === "'") return assertValueEnds(cursor, { kind: "text", text: parseSingle(cursor) });
  if (next === '"') return assertValueEnds(cursor, parseDouble(cursor));
  if (next === "(") return parseBracket(cursor, { opening: 1, always: false });
  if (follows(cursor, "@(")) return parseBracket(cursor, { opening: 2, always: true });
  if (follows(cursor, "@{")) return assertValueEnds(cursor, nested(cursor, () => parseTable(cursor)));
  if (next === "{") return assertValueEnds(cursor, { kind: "text", text: nested(cursor, () => parseBlock(cursor)) });
  if (/^@['"]/.test(next + peek(cursor, 1))) throw syntaxError(cursor, "a value (here-strings are not read)");
  return parseWord(cursor);
}

function parseBracket(
  cursor: Cursor,
  { opening, always }: { readonly opening: number; readonly always: boolean },
): Expression {
  cursor.at += opening;
  const start = cursor.at;
  const pipelines = nested(cursor, () => cursor.pipelines(cursor));
  if (pipelines.length === 0 && !always) throw syntaxError(cursor, "a command or a value", start);
  cursor.at++;
  return assertValueEnds(cursor, parseProperties(cursor, { kind: "pipeline", pipelines, always }));
}

/**
 * Parses a bare word: backslashes are ordinary, `x escapes, '…' and "…" may be part of it, $name is replaced by its
 * value.
 */
function parseWord(cursor: Cursor): Expression {
  const start = cursor.at;
  const parts = new ExpressionBuilder();
  const variable = peek(cursor) === "$" ? parseVariable(cursor) : undefined;
  if (variable !== undefined) {
    const value = parseProperties(cursor, variable);
    if (isWordEnd(cursor)) return value;
    parts.add(value);
  }
  while (!isWordEnd(cursor)) {
    const next = peek(cursor);
    if (next === "(") throw syntaxError(cursor, "a blank before (; quote a word that holds brackets");
    if (next === "'") parts.add(parseSingle(cursor));
    else if (next === '"') parts.add(parseDouble(cursor));
    else if (next === "`") parts.add(parseEscape(cursor));
    else if (next === "$") parts.add(parseVariable(cursor) ?? readMatch(cursor, /\$/y));
    else parts.add(readMatch(cursor, cursor.depth > 0 ? /[^\s|;,(){}'"`$]+|\{/uy : /[^\s|;,()'"`$]+/uy));
  }
  if (cursor.at === start) throw syntaxError(cursor, "a value");
  return parts.toExpression();
}

/** Whether the word ends here. A "}" ends it only inside brackets, a backtick before the end of a line always. */
function isWordEnd(cursor: Cursor): boolean {
  const next = peek(cursor);
  if (next === "`") return /[\r\n]/.test(peek(cursor, 1));
  return next === "" || /[\s|;,)]/u.test(next) || (next === "}" && cursor.depth > 0);
}

function parseProperties(cursor: Cursor, of: Expression): Expression {
  let value = of;
  for (;;) {
    const at = positionOf(cursor);
    const found = readMatch(cursor, /\.[\p{L}_]\w*|\[-?\d{1,9}\]/uy);
    if (found === "") return value;
    value = { kind: "property", of: value, name: found.replace(/^[.[]|\]$/g, ""), at };
  }
}

/** Parses @{ name = value; … }; the cursor is at the @. */
function parseTable(cursor: Cursor): Expression {
  cursor.at += 2;
  const entries: [string, Expression][] = [];
  for (skipLines(cursor, true); peek(cursor) !== "}"; skipLines(cursor, true)) {
    const start = cursor.at;
    const name = peek(cursor) === "'"
      ? parseSingle(cursor)
      : readMatch(cursor, /[\w-]+|"[^"`$]*"/uy).replaceAll('"', "");
    if (name === "") throw syntaxError(cursor, "a name or }", start);
    if (entries.some(([other]) => other.toLowerCase() === name.toLowerCase())) {
      throw syntaxError(cursor, `another name (${name.slice(0, 40)} is there already)`, start);
    }
    skipBlanks(cursor);
    if (readMatch(cursor, /=/y) === "") throw syntaxError(cursor, `= after ${name.slice(0, 40)}`);
    skipLines(cursor);
    entries.push([name, parseList(cursor)]);
    skipBlanks(cursor);
    if (!/^[;}\r\n]$/.test(peek(cursor))) throw syntaxError(cursor, "; or }");
  }
  cursor.at++;
  return { kind: "table", entries };
}

/** Parses { … } as the plain text between its braces. */
function parseBlock(cursor: Cursor): string {
  const start = cursor.at;
  let depth = 0;
  do {
    readMatch(cursor, /[^{}'"]+/y);
    const next = peek(cursor);
    if (next === "") throw syntaxError(cursor, `} for the { at ${positionOf(cursor, start)}`);
    if (next === "'") parseSingle(cursor);
    else if (next === '"') {
      if (readMatch(cursor, /"(?:[^"`]|`[^]|"")*"/y) === "") throw syntaxError(cursor, "a closed quote", cursor.at);
    } else {
      depth += next === "{" ? 1 : -1;
      cursor.at++;
    }
  } while (depth > 0);
  return cursor.text.slice(start + 1, cursor.at - 1);
}

/** Throws unless the value ends after a closing quote or bracket; otherwise two words would be joined unnoticed. */
function assertValueEnds(cursor: Cursor, value: Expression): Expression {
  if (!/^[\s|;,)}`]?$/u.test(peek(cursor))) throw syntaxError(cursor, "a blank after the closing quote or bracket");
  return value;
}
