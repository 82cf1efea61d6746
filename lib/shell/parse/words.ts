import { badInput, type SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { Argument, Statement } from "./syntax.ts";

/**
 * Parses a program's arguments as one command. Words are data: quotes, variables and pipes in them are not interpreted.
 * -Name, -Name:value, --kebab-name and --kebab=value name parameters; "--" ends them; "-", -1 and -.5 are values.
 * Throws badInput.
 */
export function parseWords(argv: readonly string[]): readonly Statement[] {
  const [name, ...words] = argv;
  if (name === undefined || name.trim() === "") {
    throw badInput("No command is given. Write one, such as Get-Help or Sync-Path.", "CommandNotFound");
  }
  const end = words.indexOf("--");
  const named = end < 0 ? words : words.slice(0, end);
  const rest = end < 0 ? [] : words.slice(end + 1);
  const args = [...named.map(toArgument), ...rest.map((text): Argument => ({ kind: "value", value: toWord(text) }))];
  return [{ pipeline: [{ kind: "command", name, args }] }];
}

/**
 * Splits a word into a parameter's name and the value after a colon or equals sign; returns undefined if the word is a
 * value. All dashes that PowerShell accepts count, because texts are pasted from web pages.
 */
export function splitName(word: string): { readonly name: string; readonly value?: string } | undefined {
  const [, name, sign, value] = /^(?:--?|[\u2013\u2014\u2015])([a-z?][^\s:=]*)([:=]?)(.*)$/isu.exec(word) ?? [];
  if (name === undefined || value === undefined) return undefined;
  return sign === "" ? { name } : { name, value };
}

/** Returns the error for -Name: without a value, which results from $false or an unset variable in a shell. */
export function missingValueError(name: string): SyncError {
  const shown = escapeForDisplay(name.slice(0, 40));
  return badInput(
    `-${shown} is followed by a colon or =, but by no value. Write the value directly after it, in quotes if it begins with $: '-${shown}:$false'.`,
    "MissingArgument",
  );
}

function toArgument(text: string): Argument {
  const named = splitName(text);
  if (named === undefined) return { kind: "value", value: toWord(text) };
  if (named.value === undefined) return { kind: "named", name: named.name };
  if (named.value === "") throw missingValueError(named.name);
  return { kind: "named", name: named.name, value: toWord(named.value) };
}

function toWord(text: string): { readonly kind: "word"; readonly text: string } {
  return { kind: "word", text };
}
