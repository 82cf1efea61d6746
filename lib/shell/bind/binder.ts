import { badInput, type SyncError } from "../../core/errors.ts";
import { findByFullName, foldName, type ParamSlot, paramSlots, unknownParameterError } from "./names.ts";
import { bindPipedObject } from "./pipe_input.ts";
import { assignArguments, type AssignedValues, misplacedValueError, type ResolvedArgument } from "./arguments.ts";
import { type ArgumentValue, convertValue } from "./values.ts";
import { type Bound, type Command, type CommonValues, computed, type Params, piped } from "../command/command.ts";

export type { ResolvedArgument } from "./arguments.ts";
export type { ArgumentValue } from "./values.ts";

/** Options of bind(). */
export interface BindOptions {
  /** The command's name as it was typed, possibly an alias with defaults. */
  readonly typedName?: string;
  /** Whether objects will arrive. */
  readonly piped?: boolean;
  /** Whether missing parameters are listed, not thrown. */
  readonly listMissing?: boolean;
}

/**
 * A command with its parameters. `bound`: the values from arguments, defaults and fallbacks; those that only the pipe
 * can supply are undefined. `missing`: mandatory parameters without a value. `pending`: parameters whose value is not
 * known before a pipeline has run.
 */
export interface Binding<P extends Params = Params> {
  readonly common: CommonValues;
  readonly outVariable: string | undefined;
  readonly bound: Bound<P>;
  readonly missing: readonly string[];
  readonly pending: readonly string[];
  /** Whether a parameter is left that a piped object could supply. */
  readonly takesInput: boolean;
  /** Whether `bound` can be read. It cannot while a value other than a live object is pending. */
  readonly isKnown: boolean;
  /** Runs the command's own check on `bound`, if that can be read. */
  check(): void;
  /**
   * Yields one checked bound set per object; exactly one without input. `literal`: the objects are on the command line
   * itself, so they do not count as piped. Throws badInput for an object that does not fit.
   */
  each(input?: AsyncIterable<unknown>, options?: { readonly literal?: boolean }): AsyncIterable<Bound<P>>;
}

/**
 * Binds arguments to a command's parameter table by PowerShell's rules: named ones first, the rest by position, then
 * the alias's defaults, then fallbacks. Throws badInput with PowerShell's error id if a parameter is bound twice, an
 * argument is left over, or a mandatory parameter is missing. The order of named arguments never matters.
 */
export function bind<P extends Params, Out>(
  command: Command<P, Out>,
  args: readonly ResolvedArgument[],
  options: BindOptions = {},
): Binding<P> {
  const slots = paramSlots(command.params);
  return createBinding(command, { ...options, slots, assigned: assignArguments(command.name, slots, args) });
}

/**
 * Binds a program's options: { localPath: … } for -LocalPath, never an abbreviation; undefined counts as not given.
 * Yields the same sets and errors.
 */
export function bindOptions<P extends Params, Out>(
  command: Command<P, Out>,
  given: Readonly<Record<string, unknown>>,
  options: BindOptions = {},
): Binding<P> {
  const slots = paramSlots(command.params);
  const assigned = new Map<string, ArgumentValue>();
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const slot = findByFullName(slots, name);
    if (slot === undefined) throw unknownParameterError(slots, name, command.name);
    if (assigned.has(slot.name)) {
      throw badInput(`${name} of ${command.name} is given twice. Give it once.`, "ParameterAlreadyBound");
    }
    assigned.set(slot.name, { kind: "value", value });
  }
  return createBinding(command, { ...options, slots, assigned });
}

/** Returns the error for mandatory parameters without a value: each with its meaning and values. */
export function missingParametersError(command: Pick<Command, "name" | "params">, names: readonly string[]): SyncError {
  const lines = names.slice(0, 3).map((name) => {
    const param = command.params[name];
    return `-${name} <${param?.type.name.slice(0, 120)}>: ${param?.help}`.slice(
      0,
      300 / Math.min(names.length, 3) + 80,
    );
  });
  const more = names.length > 3 ? ` and ${names.slice(3).map((name) => `-${name}`).join(", ").slice(0, 100)}` : "";
  return badInput(`${command.name} needs ${lines.join(" and ")}${more}`, "MissingMandatoryParameter");
}

interface BindingInput extends BindOptions {
  readonly slots: readonly ParamSlot[];
  readonly assigned: AssignedValues;
}

function createBinding<P extends Params, Out>(command: Command<P, Out>, input: BindingInput): Binding<P> {
  const { slots, assigned } = input;
  const values = resolveValues(command, input);
  const bound = {
    ...Object.fromEntries(Object.keys(command.params).map((name) => [name, values.get(name)])),
    [computed]: new Map(),
  } as Bound<P>;
  const missing = slots.filter((slot) => slot.param.mandatory === true && values.get(slot.name) === undefined);
  const hint = misplacedValueError(missing, assigned);
  if (hint !== undefined) throw hint;
  const unsupplied = missing.filter((slot) => input.piped !== true || slot.param.fromPipe === undefined).map(nameOf);
  if (unsupplied.length > 0 && input.listMissing !== true) throw missingParametersError(command, unsupplied);
  const open = slots.filter((slot) => slot.param.fromPipe !== undefined && !assigned.has(slot.name));
  const pending = slots.filter((slot) => assigned.get(slot.name)?.kind === "later");
  const isKnown = pending.every((slot) => slot.param.type.isObject === true || slot.common);
  return {
    common: toCommonValues(values),
    outVariable: values.get("OutVariable") as string | undefined,
    bound,
    missing: missing.map(nameOf),
    pending: pending.map(nameOf),
    takesInput: open.length > 0,
    isKnown,
    check() {
      if (isKnown) command.check?.(bound);
    },
    async *each(input, { literal = false } = {}) {
      for await (const given of input === undefined ? [{}] : bindObjects(command.name, open, input)) {
        const full = { ...bound, ...given, ...literal ? {} : { [piped]: new Set(Object.keys(given)) } } as Bound<P>;
        const lacking = missing.map(nameOf).filter((name) => full[name] === undefined);
        if (lacking.length > 0) throw missingParametersError(command, lacking);
        command.check?.(full);
        yield full;
      }
    },
  };
}

async function* bindObjects(command: string, open: readonly ParamSlot[], input: AsyncIterable<unknown>) {
  for await (const object of input) yield bindPipedObject(command, open, object);
}

/** Returns the values: the argument, otherwise the alias's default, otherwise the fallback. */
function resolveValues(
  command: Pick<Command, "aliases">,
  { slots, assigned, typedName: as }: BindingInput,
): ReadonlyMap<string, unknown> {
  const typed = foldName(as ?? "");
  const defaults = command.aliases?.find((alias) => foldName(alias.name) === typed)?.defaults ?? {};
  return new Map(slots.map((slot) => {
    const value = assigned.get(slot.name);
    if (value !== undefined) return [slot.name, convertValue(slot, value)];
    const aliasDefault = slot.common ? undefined : defaults[slot.name];
    return [slot.name, aliasDefault ?? slot.param.fallback];
  }));
}

function toCommonValues(values: ReadonlyMap<string, unknown>): CommonValues {
  return {
    whatIf: values.get("WhatIf") === true,
    confirm: values.get("Confirm") === true,
    verbose: values.get("Verbose") === true,
    quiet: values.get("Quiet") === true,
    stopOnError: values.get("ErrorAction") === "Stop",
  };
}

function nameOf(slot: ParamSlot): string {
  return slot.name;
}
