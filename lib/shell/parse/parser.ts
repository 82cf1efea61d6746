import { type Cursor, openCursor, peek, positionOf, readMatch, skipBlanks, skipLines, syntaxError } from "./cursor.ts";
import type { Argument, Pipeline, Stage, Statement } from "./syntax.ts";
import { parseList } from "./values.ts";
import { missingValueError } from "./words.ts";

export type * from "./syntax.ts";
export { parseWords } from "./words.ts";

/**
 * Parses a text in PowerShell's syntax: pipelines, ";" and lines, # comments, '…' and "…", $name, $env:NAME,
 * assignment, a,b and @(…), @{ k = v }, ( pipeline ), -Name, -Name:value, --kebab=value, @splat. Throws only badInput
 * (ParserError), with line and column. The parser does not interpret anything: the binder resolves names and converts
 * values.
 */
export function parse(text: string): readonly Statement[] {
  const cursor = openCursor(text.replace(/^\ufeff/, ""), parsePipelines);
  const statements: Statement[] = [];
  for (skipLines(cursor, true); peek(cursor) !== ""; skipLines(cursor, true)) {
    statements.push(parseStatement(cursor));
    skipBlanks(cursor);
    if (!/^[;\r\n]?$/.test(peek(cursor))) throw syntaxError(cursor, "| or ; or the end of the line");
  }
  return statements;
}

function parseStatement(cursor: Cursor): Statement {
  const start = cursor.at;
  const name = /^\$(\w+)[^\S\r\n]*=$/u.exec(readMatch(cursor, /\$\w+[^\S\r\n]*=(?!=)/uy))?.[1]?.toLowerCase();
  if (name === undefined) return { pipeline: parsePipeline(cursor) };
  if (CONSTANTS.has(name)) throw syntaxError(cursor, `another variable's name ($${name} cannot be changed)`, start);
  skipLines(cursor);
  return { assign: name, pipeline: parsePipeline(cursor) };
}

function parsePipeline(cursor: Cursor): Pipeline {
  const stages: Stage[] = [parseStage(cursor, true)];
  while (advanceToBar(cursor)) {
    readMatch(cursor, /[|]/y);
    skipLines(cursor);
    stages.push(parseStage(cursor, false));
  }
  return stages;
}

/** Whether a "|" follows; it may also begin the next line. */
function advanceToBar(cursor: Cursor): boolean {
  skipBlanks(cursor);
  if (peek(cursor) === "|") return true;
  const ahead = { ...cursor };
  skipLines(ahead);
  if (peek(ahead) !== "|" || ahead.at === cursor.at) return false;
  cursor.at = ahead.at;
  return true;
}

function parseStage(cursor: Cursor, first: boolean): Stage {
  skipBlanks(cursor);
  if (/[$'"(@\d]/.test(peek(cursor))) {
    if (!first) throw syntaxError(cursor, "a command after |");
    return { kind: "value", value: parseList(cursor) };
  }
  const start = cursor.at;
  const name = readMatch(cursor, /[^\s|;(){}'"$,@#`<>&]+/uy);
  if (name === "" || name.startsWith("-")) throw syntaxError(cursor, first ? "a command" : "a command after |", start);
  if (!/^[\s|;)]?$/u.test(peek(cursor))) throw syntaxError(cursor, `a blank after the command ${name.slice(0, 40)}`);
  return { kind: "command", name, args: parseArguments(cursor) };
}

function parseArguments(cursor: Cursor): readonly Argument[] {
  const args: Argument[] = [];
  let ended = false;
  for (skipBlanks(cursor); !/^[|;)\r\n]?$/.test(peek(cursor)); skipBlanks(cursor)) {
    if (!ended && readMatch(cursor, /--(?=[\s|;)]|$)/uy) !== "") ended = true;
    else args.push((ended ? undefined : parseNamed(cursor) ?? parseSplat(cursor)) ?? parsePlain(cursor));
  }
  return args;
}

function parseNamed(cursor: Cursor): Argument | undefined {
  const found = readMatch(cursor, /(?:--?|[\u2013\u2014\u2015])[a-z?][^\s:=|;(){}'"$,@#`]*[:=]?/iuy);
  if (found === "") return undefined;
  const [, name = "", sign] = /^(?:--?|[\u2013\u2014\u2015])(.*?)([:=]?)$/u.exec(found) ?? [];
  if (sign === "") {
    if (!/^[\s|;)]?$/u.test(peek(cursor))) throw syntaxError(cursor, `a blank after -${name.slice(0, 40)}`);
    return { kind: "named", name };
  }
  if (/^[\s|;)]?$/u.test(peek(cursor))) throw missingValueError(name);
  return { kind: "named", name, value: parseList(cursor) };
}

function parseSplat(cursor: Cursor): Argument | undefined {
  const at = positionOf(cursor);
  const name = readMatch(cursor, /@[\p{L}_]\w*(?=[\s|;)]|$)/uy).slice(1);
  return name === "" ? undefined : { kind: "splat", name: name.toLowerCase(), at };
}

function parsePlain(cursor: Cursor): Argument {
  const ahead = { ...cursor };
  if (readMatch(ahead, /\d?[<>&]/y) !== "") {
    throw syntaxError(
      cursor,
      "an argument (redirection and & belong to the shell outside; a mask such as '>1M' needs quotes)",
    );
  }
  return { kind: "value", value: parseList(cursor) };
}

/**
 * Parses the content of ( ), $( ) and @( ): one pipeline, or several separated by ; or lines. The cursor is after the
 * opening bracket.
 */
function parsePipelines(cursor: Cursor): readonly Pipeline[] {
  const pipelines: Pipeline[] = [];
  for (skipLines(cursor, true); peek(cursor) !== ")"; skipLines(cursor, true)) {
    if (peek(cursor) === "") throw syntaxError(cursor, ")");
    pipelines.push(parsePipeline(cursor));
    skipBlanks(cursor);
    if (!/^[;)\r\n]$/.test(peek(cursor))) throw syntaxError(cursor, ")");
  }
  return pipelines;
}

const CONSTANTS: ReadonlySet<string> = new Set(["true", "false", "null"]);
