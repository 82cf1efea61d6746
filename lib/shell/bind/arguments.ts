import { badInput, type SyncError } from "../../core/errors.ts";
import { findSlot, type ParamSlot } from "./names.ts";
import { type ArgumentValue, isBooleanWord } from "./values.ts";
import { quote } from "../command/suggest.ts";

/** One argument whose expressions are already resolved. */
export type ResolvedArgument =
  | { readonly kind: "named"; readonly name: string; readonly value?: ArgumentValue }
  | { readonly kind: "value"; readonly value: ArgumentValue };

/** The value of each parameter that was given one, by parameter name. */
export type AssignedValues = ReadonlyMap<string, ArgumentValue>;

/**
 * Assigns each argument to a parameter: named ones by name, the others to the free positions in order. Throws badInput.
 */
export function assignArguments(
  command: string,
  slots: readonly ParamSlot[],
  args: readonly ResolvedArgument[],
): AssignedValues {
  const assigned = new Map<string, ArgumentValue>();
  const positional: PositionalValue[] = [];
  const rest = [...args];
  let preceding: ParamSlot | undefined;
  for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
    if (one.kind === "value") {
      positional.push({ value: one.value, preceding });
      if (preceding?.param.type.isSecret !== true) preceding = undefined;
      continue;
    }
    preceding = findSlot(slots, one.name, command);
    if (assigned.has(preceding.name)) throw givenTwiceError(command, preceding.name);
    assigned.set(preceding.name, one.value ?? takeNamedValue(preceding, rest));
  }
  assignPositional(command, slots, { assigned, positional });
  return assigned;
}

/**
 * A value without a name, and the parameter directly before it (a secret one: anywhere before, because the value may be
 * the rest of the secret).
 */
interface PositionalValue {
  readonly value: ArgumentValue;
  readonly preceding: ParamSlot | undefined;
}

/**
 * Returns the value of a named parameter. A switch needs none; any other parameter takes the next argument, and a list
 * also those joined by trailing commas.
 */
function takeNamedValue(slot: ParamSlot, rest: ResolvedArgument[]): ArgumentValue {
  if (slot.param.type.isSwitch === true) return { kind: "value", value: true };
  const next = rest[0];
  if (next?.kind !== "value") {
    const near = next === undefined ? "nothing follows" : "another parameter follows";
    throw badInput(
      `-${slot.name} needs a value, but ${near}. Write -${slot.name} <${slot.param.type.name}> ` +
        `(-${slot.name}:value if the value begins with "-").`,
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
function joinList(slot: ParamSlot, first: ArgumentValue, next: () => string | undefined): ArgumentValue {
  if (slot.param.type.isList !== true || first.kind !== "word") return first;
  let text = first.text;
  while (text.endsWith(",")) {
    const more = next();
    if (more === undefined) break;
    text += more;
  }
  return { kind: "word", text };
}

function assignPositional(
  command: string,
  slots: readonly ParamSlot[],
  { assigned, positional }: { readonly assigned: Map<string, ArgumentValue>; readonly positional: PositionalValue[] },
): void {
  const free = slots
    .filter((slot) => slot.param.position !== undefined && !assigned.has(slot.name))
    .sort((a, b) => (a.param.position ?? 0) - (b.param.position ?? 0));
  for (let one = positional.shift(); one !== undefined; one = positional.shift()) {
    rejectBooleanWord(one);
    const slot = free.shift();
    if (slot === undefined) throw misplacedValueError(slots, assigned) ?? surplusValueError(command, one);
    const joined = joinList(slot, one.value, () => {
      const more = positional[0]?.value;
      if (more?.kind !== "word") return undefined;
      positional.shift();
      return more.text;
    });
    assigned.set(slot.name, joined);
  }
}

/** Rejects `-Mirror $false`, a common mistake in PowerShell: it would set the switch and leave a positional word. */
function rejectBooleanWord({ value, preceding }: PositionalValue): void {
  const isSwitch = preceding?.param.type.isSwitch === true;
  const plain = isSwitch && value.kind === "word" && /^(?:true|false|0|1)$/i.test(value.text);
  if (!isBooleanWord(value) && !plain) return;
  const name = isSwitch ? preceding?.name : "Name";
  throw badInput(
    `A switch takes its value after a colon: write -${name}:$false or -${name}:$true.` +
      (plain ? ` For a folder of that name write ./${value.text}.` : ""),
    "PositionalParameterNotFound",
  );
}

function givenTwiceError(command: string, name: string): SyncError {
  return badInput(`-${name} of ${command} is given twice. Give it once; a list takes a,b.`, "ParameterAlreadyBound");
}

/**
 * Returns the error for a positional word that is a value of a parameter that was not named: `Sync-Path Remote ./site
 * …`.
 */
export function misplacedValueError(
  slots: readonly ParamSlot[],
  assigned: ReadonlyMap<string, ArgumentValue>,
): SyncError | undefined {
  for (const value of assigned.values()) {
    const word = value.kind === "word" ? value.text.toLowerCase() : undefined;
    const slot = slots.find(({ name, param }) =>
      !assigned.has(name) && param.type.values?.some((one) => one.toLowerCase() === word)
    );
    if (slot === undefined || value.kind !== "word") continue;
    return badInput(
      `${quote(value.text)} is a value of -${slot.name}: write -${slot.name} ${value.text}.`,
      "PositionalParameterNotFound",
    );
  }
  return undefined;
}

function surplusValueError(command: string, { value, preceding }: PositionalValue): SyncError {
  const text = value.kind === "word" ? value.text : value.kind === "value" ? value.raw ?? value.value : undefined;
  const isShown = typeof text === "string" && preceding?.param.type.isSecret !== true;
  const what = isShown ? quote(text) : "A value";
  return badInput(
    `${what} is one word too many: ${command} has no free position for it. ` +
      `Give it by name, or quote a value that holds blanks.`,
    "PositionalParameterNotFound",
  );
}
