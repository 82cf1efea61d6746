import type { SyncError } from "../../core/errors.ts";
import type { Redactor } from "../../core/redactor.ts";
import type { Run, SyncEvent } from "../../core/plan.ts";

/**
 * A type of parameters. It converts a word, or an object from a variable or the pipe, to a value; throws badInput
 * (CannotConvertArgument) with the expected format.
 */
export interface ParamType<T> {
  readonly name: string;
  convert(value: unknown): T;
  readonly values?: readonly string[];
  /** Whether it needs no value after it: -Remove. */
  readonly isSwitch?: boolean;
  /** Whether it takes `a,b` and several words joined by commas. */
  readonly isList?: boolean;
  /** Whether the value is never shown: not in help, errors or logs. */
  readonly isSecret?: boolean;
  /** Whether it is a live object such as a session: check() may test whether it is given, but not read it. */
  readonly isObject?: boolean;
}

/** One parameter. */
export interface Param<T> {
  readonly type: ParamType<T>;
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly position?: number;
  readonly mandatory?: boolean;
  /** Whether it takes no abbreviation: -Remove, -Force, -Allow… */
  readonly exact?: boolean;
  readonly fallback?: T;
  /** Taken from a piped object itself ("value"), or from its property of that name ("property"). */
  readonly fromPipe?: "value" | "property";
  /**
   * Whether only values and standard input may supply it (with fromPipe), not the output of a command; a missing one is
   * then reported before anything runs.
   */
  readonly early?: boolean;
  /** Whether help leaves it out: it is kept for scripts written for the WinSCP module. */
  readonly hidden?: boolean;
  /** The protocols that it belongs to; absent: it belongs to none or to all. */
  readonly protocols?: readonly ParamProtocol[];
  /** Whether it names a server in place of an address. */
  readonly replacesAddress?: boolean;
}

/** A protocol that a parameter belongs to: its names, as -Protocol takes them, and the parameter's help there. */
export interface ParamProtocol {
  readonly names: readonly string[];
  readonly help: string;
}

/** The parameter table of a command, by the parameters' names. */
export type Params = Readonly<Record<string, Param<unknown>>>;

type BoundValue<P> = P extends Param<infer T>
  ? P extends { readonly mandatory: true } | { readonly fallback: T } ? T : T | undefined
  : never;

/** The key under which a bound set names the parameters that a piped object supplied. */
export const piped: unique symbol = Symbol("piped");

/** The key under which a bound set and its copies share what was computed from them, by a text of the caller's choice. */
export const computed: unique symbol = Symbol("computed");

/** The bound parameters of a command: every parameter of its table, converted. */
export type Bound<P extends Params> =
  & { readonly [K in keyof P]: BoundValue<P[K]> }
  & { readonly [piped]?: ReadonlySet<string>; readonly [computed]?: Map<string, unknown> };

/** The parameters that every command takes: -WhatIf, -Confirm, -Verbose, -Quiet, -ErrorAction Stop. */
export interface CommonValues {
  readonly whatIf: boolean;
  readonly confirm: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly stopOnError: boolean;
}

/** The context of a command. */
export interface CommandContext {
  /** Aborted when the user or the program cancels the command. */
  readonly signal: AbortSignal;
  /** Aborted shortly after `signal`: operations that still run then are no longer awaited. */
  readonly abandon: AbortSignal;
  /** Closes everything that the pipeline opened. */
  readonly stack: AsyncDisposableStack;
  readonly common: CommonValues;
  /** Reports an event to progress and the report; `run` is the run that the event belongs to. */
  emit(event: SyncEvent, run?: Run): void;
  /** Reports an event of a comparison, which a program may follow; the report shows the plan instead. */
  observe(event: SyncEvent, run: Run): void;
  /** Prints lines for the user on stderr, unchanged, before a question. */
  show(text: string): void;
  /** Prints one sentence on stderr that does not change the exit code. */
  warn(message: string): void;
  /**
   * Records a result whose exit code counts for the process, whether the object is shown, piped on, or kept in a
   * variable.
   */
  addResult(result: { readonly ExitCode: number }): void;
  /**
   * Reports an error that does not end the command: it is shown and counted in the exit code, and the next object is
   * processed.
   */
  addError(error: SyncError): void;
  /** Whether a user can be asked. */
  readonly interactive: boolean;
  /** Hides the secrets in use in all output. */
  readonly redactor: Redactor;
  /** The terminal's width in characters; undefined if there is none. */
  readonly columns: number | undefined;
  /** The name of this host. */
  readonly machineName: string;
  /** Asks the user for one of the answers; undefined if no user can be asked. */
  choose<A extends string>(question: string, answers: readonly A[]): Promise<A | undefined>;
  /** Asks the user for a text, shown while it is typed if `echo`; undefined if no user can be asked. */
  prompt(prompt: string, echo?: boolean): Promise<string | undefined>;
  /** The time in ms since the epoch. */
  now(): number;
  /** Returns a variable of the environment. */
  env(name: string): string | undefined;
}

export interface CommandAlias {
  readonly name: string;
  /** Values that replace the fallback of a parameter; a mandatory parameter with one may be omitted. */
  readonly defaults?: Readonly<Record<string, unknown>>;
}

/** One Verb-Noun command: its parameter table defines parser, help and types at once. */
export interface Command<P extends Params = Params, Out = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly params: P;
  readonly aliases?: readonly CommandAlias[];
  /** Longer text for Get-Help, and examples that run. */
  readonly notes?: readonly string[];
  readonly examples?: readonly string[];
  /**
   * Whether a value is still missing that an object on standard input could supply. Only then is standard input read.
   */
  wantsInput?(bound: Bound<P>): boolean;
  /** Throws badInput for an invalid combination of parameters; runs before anything is opened. */
  check?(bound: Bound<P>): void;
  /**
   * Runs the command. `inputs` yields one bound set per pipeline object, exactly one if nothing is piped. Yielded objects
   * go to the next stage or to the report.
   */
  run(inputs: AsyncIterable<Bound<P>>, context: CommandContext): AsyncIterable<Out>;
}

/** A command with any parameters. */
export type AnyCommand = Command;

/** Returns the command with the inferred types of its table. */
export function defineCommand<const P extends Params, Out>(command: Command<P, Out>): Command<P, Out> {
  return command;
}
