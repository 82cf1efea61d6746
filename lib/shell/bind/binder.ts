import { badInput, type SyncError } from "../../core/errors.ts";
import { findFull, fold, type Slot, slotsOf, unknownName } from "./names.ts";
import { fromObject } from "./pipe_input.ts";
import { type Given, misplaced, take, type Taken } from "./arguments.ts";
import { convertFor, type Value } from "./values.ts";
import { type Bound, type Command, type Common, type Params, piped } from "../command/command.ts";

export type { Given } from "./arguments.ts";
export type { Value } from "./values.ts";

/**
 * Options of bind(). `as`: the typed name, possibly an alias with defaults. `piped`: objects will arrive. `report`:
 * missing parameters are listed, not thrown.
 */
export interface BindOptions {
  readonly as?: string;
  readonly piped?: boolean;
  readonly report?: boolean;
}

/**
 * A command with its parameters. `bound`: the values from arguments, defaults and fallbacks; those that only the pipe
 * can supply are undefined. `missing`: mandatory parameters without a value. `pending`: parameters whose value is not
 * known before a pipeline has run.
 */
export interface Binding<P extends Params = Params> {
  readonly common: Common;
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
  given: readonly Given[],
  options: BindOptions = {},
): Binding<P> {
  const slots = slotsOf(command.params);
  return bindTaken(command, { ...options, slots, taken: take(command.name, slots, given) });
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
  const slots = slotsOf(command.params);
  const taken = new Map<string, Value>();
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const slot = findFull(slots, name);
    if (slot === undefined) throw unknownName(slots, name, command.name);
    if (taken.has(slot.name)) {
      throw badInput(`${name} of ${command.name} is given twice. Give it once.`, "ParameterAlreadyBound");
    }
    taken.set(slot.name, { kind: "value", value });
  }
  return bindTaken(command, { ...options, slots, taken });
}

/** Returns the error for mandatory parameters without a value: each with its meaning and values. */
export function missingParameters(command: Pick<Command, "name" | "params">, names: readonly string[]): SyncError {
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

interface Settled extends BindOptions {
  readonly slots: readonly Slot[];
  readonly taken: Taken;
}

function bindTaken<P extends Params, Out>(command: Command<P, Out>, settled: Settled): Binding<P> {
  const { slots, taken } = settled;
  const values = settle(command, settled);
  const bound = Object.fromEntries(Object.keys(command.params).map((name) => [name, values.get(name)])) as Bound<P>;
  const missing = slots.filter((slot) => slot.param.mandatory === true && values.get(slot.name) === undefined);
  const hint = misplaced(missing, taken);
  if (hint !== undefined) throw hint;
  const due = missing.filter((slot) => settled.piped !== true || slot.param.fromPipe === undefined).map(nameOf);
  if (due.length > 0 && settled.report !== true) throw missingParameters(command, due);
  const open = slots.filter((slot) => slot.param.fromPipe !== undefined && !taken.has(slot.name));
  const later = slots.filter((slot) => taken.get(slot.name)?.kind === "later");
  const isKnown = later.every((slot) => slot.param.type.isObject === true || slot.common);
  return {
    common: commonOf(values),
    outVariable: values.get("OutVariable") as string | undefined,
    bound,
    missing: missing.map(nameOf),
    pending: later.map(nameOf),
    takesInput: open.length > 0,
    isKnown,
    check() {
      if (isKnown) command.check?.(bound);
    },
    async *each(input, { literal = false } = {}) {
      for await (const given of input === undefined ? [{}] : objects(command.name, open, input)) {
        const full = { ...bound, ...given, ...literal ? {} : { [piped]: new Set(Object.keys(given)) } } as Bound<P>;
        const lacking = missing.map(nameOf).filter((name) => full[name] === undefined);
        if (lacking.length > 0) throw missingParameters(command, lacking);
        command.check?.(full);
        yield full;
      }
    },
  };
}

async function* objects(command: string, open: readonly Slot[], input: AsyncIterable<unknown>) {
  for await (const object of input) yield fromObject(command, open, object);
}

/** Returns the values: the argument, otherwise the alias's default, otherwise the fallback. */
function settle(command: Pick<Command, "aliases">, { slots, taken, as }: Settled): ReadonlyMap<string, unknown> {
  const typed = fold(as ?? "");
  const defaults = command.aliases?.find((alias) => fold(alias.name) === typed)?.defaults ?? {};
  return new Map(slots.map((slot) => {
    const value = taken.get(slot.name);
    if (value !== undefined) return [slot.name, convertFor(slot, value)];
    const standing = slot.common ? undefined : defaults[slot.name];
    return [slot.name, standing ?? slot.param.fallback];
  }));
}

function commonOf(values: ReadonlyMap<string, unknown>): Common {
  return {
    whatIf: values.get("WhatIf") === true,
    confirm: values.get("Confirm") === true,
    verbose: values.get("Verbose") === true,
    quiet: values.get("Quiet") === true,
    stopOnError: values.get("ErrorAction") === "Stop",
  };
}

function nameOf(slot: Slot): string {
  return slot.name;
}
