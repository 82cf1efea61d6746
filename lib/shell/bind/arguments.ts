import { badInput, type SyncError } from "../../core/errors.ts";
import { findSlot, type Slot } from "./names.ts";
import { isTruthWord, type Value } from "./values.ts";
import { quoted } from "../command/suggest.ts";

/** One argument whose expressions are already resolved. */
export type Given =
  | { readonly kind: "named"; readonly name: string; readonly value?: Value }
  | { readonly kind: "value"; readonly value: Value };

/** The value of each parameter that was given one, by parameter name. */
export type Taken = ReadonlyMap<string, Value>;

/**
 * Assigns each argument to a parameter: named ones by name, the others to the free positions in order. Throws badInput.
 */
export function take(command: string, slots: readonly Slot[], given: readonly Given[]): Taken {
  const taken = new Map<string, Value>();
  const loose: Loose[] = [];
  const rest = [...given];
  let behind: Slot | undefined;
  for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
    if (one.kind === "value") {
      loose.push({ value: one.value, behind });
      if (behind?.param.type.isSecret !== true) behind = undefined;
      continue;
    }
    behind = findSlot(slots, one.name, command);
    if (taken.has(behind.name)) throw twice(command, behind.name);
    taken.set(behind.name, one.value ?? valueOf(behind, rest));
  }
  place(command, slots, { taken, loose });
  return taken;
}

/**
 * A value without a name, and the parameter directly before it (a secret one: anywhere before, because the value may be
 * the rest of the secret).
 */
interface Loose {
  readonly value: Value;
  readonly behind: Slot | undefined;
}

/**
 * Returns the value of a named parameter. A switch needs none; any other parameter takes the next argument, and a list
 * also those joined by trailing commas.
 */
function valueOf(slot: Slot, rest: Given[]): Value {
  if (slot.param.type.isSwitch === true) return { kind: "value", value: true };
  const next = rest[0];
  if (next?.kind !== "value") {
    const near = next === undefined ? "nothing follows" : "another parameter follows";
    throw badInput(
      `-${slot.name} needs a value, but ${near}. Write -${slot.name} <${slot.param.type.name}> ` +
        `(-${slot.name}:value where the value begins with "-").`,
      "MissingArgument",
    );
  }
  rest.shift();
  return joinList(slot, next.value, () => {
    const more = rest[0];
    if (more?.kind !== "value" || more.value.kind !== "word") return undefined;
    rest.shift();
    return more.value.text;
  });
}

/**
 * Joins a list in a program's arguments, `Time, Size`: a word that ends in a comma is joined with the next, if the
 * parameter takes a list.
 */
function joinList(slot: Slot, first: Value, next: () => string | undefined): Value {
  if (slot.param.type.isList !== true || first.kind !== "word") return first;
  let text = first.text;
  while (text.endsWith(",")) {
    const more = next();
    if (more === undefined) break;
    text += more;
  }
  return { kind: "word", text };
}

function place(
  command: string,
  slots: readonly Slot[],
  { taken, loose }: { readonly taken: Map<string, Value>; readonly loose: Loose[] },
): void {
  const free = slots
    .filter((slot) => slot.param.position !== undefined && !taken.has(slot.name))
    .sort((a, b) => (a.param.position ?? 0) - (b.param.position ?? 0));
  for (let one = loose.shift(); one !== undefined; one = loose.shift()) {
    rejectTruth(one);
    const slot = free.shift();
    if (slot === undefined) throw misplaced(slots, taken) ?? tooMany(command, one);
    const joined = joinList(slot, one.value, () => {
      const more = loose[0]?.value;
      if (more?.kind !== "word") return undefined;
      loose.shift();
      return more.text;
    });
    taken.set(slot.name, joined);
  }
}

/** Rejects `-Mirror $false`, a common mistake in PowerShell: it would set the switch and leave a positional word. */
function rejectTruth({ value, behind }: Loose): void {
  const isSwitch = behind?.param.type.isSwitch === true;
  const plain = isSwitch && value.kind === "word" && /^(?:true|false|0|1)$/i.test(value.text);
  if (!isTruthWord(value) && !plain) return;
  const name = isSwitch ? behind?.name : "Name";
  throw badInput(
    `A switch takes its value behind a colon: write -${name}:$false or -${name}:$true.` +
      (plain ? ` For a folder of that name write ./${value.text}.` : ""),
    "PositionalParameterNotFound",
  );
}

function twice(command: string, name: string): SyncError {
  return badInput(`-${name} of ${command} is given twice. Give it once; a list takes a,b.`, "ParameterAlreadyBound");
}

/**
 * Returns the error for a positional word that is a value of a parameter that was not named: `Sync-Path Remote ./site
 * …`.
 */
export function misplaced(slots: readonly Slot[], taken: ReadonlyMap<string, Value>): SyncError | undefined {
  for (const value of taken.values()) {
    const word = value.kind === "word" ? value.text.toLowerCase() : undefined;
    const slot = slots.find(({ name, param }) =>
      !taken.has(name) && param.type.values?.some((one) => one.toLowerCase() === word)
    );
    if (slot === undefined || value.kind !== "word") continue;
    return badInput(
      `${quoted(value.text)} stands where another value belongs: write -${slot.name} ${value.text}.`,
      "PositionalParameterNotFound",
    );
  }
  return undefined;
}

function tooMany(command: string, { value, behind }: Loose): SyncError {
  const text = value.kind === "word" ? value.text : value.kind === "value" ? value.raw ?? value.value : undefined;
  const isShown = typeof text === "string" && behind?.param.type.isSecret !== true;
  const what = isShown ? quoted(text) : "A value";
  return badInput(
    `${what} is one word too many: ${command} has no free position for it. ` +
      `Give it by name, or quote a value that holds blanks.`,
    "PositionalParameterNotFound",
  );
}
