import { badInput, type SyncError } from "../../core/errors.ts";
import type { Param, Params } from "../command/command.ts";
import { closestMatch, formatList, quote } from "../command/suggest.ts";
import { oneOf, text, toggle } from "../command/param_types.ts";

/** A parameter under its own name; `common` ones belong to every command. */
export interface ParamSlot {
  readonly name: string;
  readonly param: Param<unknown>;
  readonly common: boolean;
}

/** The parameters of every command, in addition to its own table. */
export const commonParams = {
  WhatIf: { type: toggle, aliases: ["wi"], fallback: false, help: "Shows what would be done; changes nothing." },
  Confirm: { type: toggle, aliases: ["cf"], fallback: false, help: "Asks before anything is changed." },
  Verbose: { type: toggle, aliases: ["vb"], fallback: false, help: "Shows more on standard error." },
  Quiet: { type: toggle, fallback: false, help: "No progress and no summary on standard error." },
  ErrorAction: {
    type: oneOf("Continue", "Stop", "SilentlyContinue", "Inquire", "Ignore"),
    aliases: ["ea"],
    fallback: "Continue",
    help: "Stop ends the run at the first file that fails.",
  },
  OutVariable: { type: text, aliases: ["ov"], help: "A variable that gets the output of the command as well." },
} as const satisfies Params;

/** Returns a command's own parameters, then the common ones that it does not define itself. */
export function paramSlots(params: Params): readonly ParamSlot[] {
  const own = Object.entries(params).map(([name, param]) => ({ name, param, common: false }));
  const taken = new Set(own.flatMap(foldedNames));
  const common = Object.entries(commonParams)
    .map(([name, param]) => ({ name, param, common: true }))
    .filter((slot) => !taken.has(foldName(slot.name)));
  return [...own, ...common];
}

/**
 * Returns the parameter of a name: case-insensitive, hyphens are ignored (--local-path is -LocalPath), then aliases,
 * then an unambiguous abbreviation. Hidden parameters need their full name; so do `exact` ones, but they make an
 * abbreviation ambiguous, so that -Remo never means another parameter than the intended -Remove.
 */
export function findSlot(slots: readonly ParamSlot[], name: string, command: string): ParamSlot {
  const full = findByFullName(slots, name);
  if (full !== undefined) return full;
  const wanted = foldName(name);
  const candidates = slots.filter((slot) =>
    slot.param.hidden !== true && foldedNames(slot).some((one) => one.startsWith(wanted))
  );
  const [first] = candidates;
  if (wanted === "" || first === undefined) throw unknownParameterError(slots, name, command);
  if (candidates.length > 1) {
    const names = candidates.map((slot) => `-${slot.name}`);
    throw badInput(
      `-${shorten(name)} of ${command} could be ${formatList(names)}. Write more of it.`,
      "AmbiguousParameter",
    );
  }
  if (first.param.exact === true) {
    throw badInput(`-${first.name} must be written in full, not as -${shorten(name)}.`, "NamedParameterNotFound");
  }
  return first;
}

/** Returns the parameter of that name or alias; abbreviations do not count. */
export function findByFullName(slots: readonly ParamSlot[], name: string): ParamSlot | undefined {
  const wanted = foldName(name);
  return slots.find((slot) => foldName(slot.name) === wanted) ??
    slots.find((slot) => foldedNames(slot).includes(wanted));
}

/** Returns the error for an unknown parameter name, with the closest match. */
export function unknownParameterError(slots: readonly ParamSlot[], name: string, command: string): SyncError {
  const visible = slots.filter((slot) => slot.param.hidden !== true);
  const near = closestMatch(name, visible.flatMap((slot) => [slot.name, ...(slot.param.aliases ?? [])]));
  const hint = near === undefined ? "" : ` Did you mean -${near}?`;
  return badInput(
    `${command} has no parameter -${shorten(name)}.${hint} Get-Help ${command} lists them.`,
    "NamedParameterNotFound",
  );
}

/** Returns the name in lower case without hyphens, which is the same for all its spellings. */
export function foldName(name: string): string {
  return name.toLowerCase().replaceAll("-", "");
}

function foldedNames(slot: Pick<ParamSlot, "name" | "param">): readonly string[] {
  return [slot.name, ...(slot.param.aliases ?? [])].map(foldName);
}

function shorten(name: string): string {
  return quote(name, 40).slice(1, -1);
}
