import { badInput, type SyncError } from "../../core/errors.ts";
import type { Param, Params } from "../command/command.ts";
import { listed, nearest, quoted } from "../command/suggest.ts";
import { oneOf, text, toggle } from "../command/param_types.ts";

/** A parameter under its own name; `common` ones belong to every command. */
export interface Slot {
  readonly name: string;
  readonly param: Param<unknown>;
  readonly common: boolean;
}

/** The parameters of every command, in addition to its own table. */
export const commonParams = {
  WhatIf: { type: toggle, aliases: ["wi"], fallback: false, help: "Shows what would be done; changes nothing." },
  Confirm: { type: toggle, aliases: ["cf"], fallback: false, help: "Asks before anything is changed." },
  Verbose: { type: toggle, aliases: ["vb"], fallback: false, help: "Tells more on standard error." },
  Quiet: { type: toggle, fallback: false, help: "No progress and no summary on standard error." },
  ErrorAction: {
    type: oneOf("Continue", "Stop", "SilentlyContinue", "Inquire", "Ignore"),
    aliases: ["ea"],
    fallback: "Continue",
    help: "Stop ends the run at the first file that fails.",
  },
  OutVariable: { type: text, aliases: ["ov"], help: "The variable that keeps what the command gives, too." },
} as const satisfies Params;

/** Returns a command's own parameters, then the common ones that it does not define itself. */
export function slotsOf(params: Params): readonly Slot[] {
  const own = Object.entries(params).map(([name, param]) => ({ name, param, common: false }));
  const taken = new Set(own.flatMap(spellings));
  const common = Object.entries(commonParams)
    .map(([name, param]) => ({ name, param, common: true }))
    .filter((slot) => !taken.has(fold(slot.name)));
  return [...own, ...common];
}

/**
 * Returns the parameter of a name: case-insensitive, hyphens are ignored (--local-path is -LocalPath), then aliases,
 * then an unambiguous abbreviation. Hidden parameters need their full name; so do `exact` ones, but they make an
 * abbreviation ambiguous, so that -Remo never means another parameter than the intended -Remove.
 */
export function findSlot(slots: readonly Slot[], name: string, command: string): Slot {
  const full = findFull(slots, name);
  if (full !== undefined) return full;
  const wanted = fold(name);
  const begun = slots.filter((slot) =>
    slot.param.hidden !== true && spellings(slot).some((one) => one.startsWith(wanted))
  );
  const [first] = begun;
  if (wanted === "" || first === undefined) throw unknownName(slots, name, command);
  if (begun.length > 1) {
    const names = begun.map((slot) => `-${slot.name}`);
    throw badInput(
      `-${shorten(name)} of ${command} could be ${listed(names)}. Write more of it.`,
      "AmbiguousParameter",
    );
  }
  if (first.param.exact === true) {
    throw badInput(`-${first.name} must be written in full, not as -${shorten(name)}.`, "NamedParameterNotFound");
  }
  return first;
}

/** Returns the parameter of that name or alias; abbreviations do not count. */
export function findFull(slots: readonly Slot[], name: string): Slot | undefined {
  const wanted = fold(name);
  return slots.find((slot) => fold(slot.name) === wanted) ?? slots.find((slot) => spellings(slot).includes(wanted));
}

/** Returns the error for an unknown parameter name, with the closest match. */
export function unknownName(slots: readonly Slot[], name: string, command: string): SyncError {
  const visible = slots.filter((slot) => slot.param.hidden !== true);
  const near = nearest(name, visible.flatMap((slot) => [slot.name, ...(slot.param.aliases ?? [])]));
  const hint = near === undefined ? "" : ` Did you mean -${near}?`;
  return badInput(
    `${command} has no parameter -${shorten(name)}.${hint} Get-Help ${command} lists them.`,
    "NamedParameterNotFound",
  );
}

/** Returns the name in lower case without hyphens, which is the same for all its spellings. */
export function fold(name: string): string {
  return name.toLowerCase().replaceAll("-", "");
}

function spellings(slot: Pick<Slot, "name" | "param">): readonly string[] {
  return [slot.name, ...(slot.param.aliases ?? [])].map(fold);
}

function shorten(name: string): string {
  return quoted(name, 40).slice(1, -1);
}
