import type { SyncError } from "../../core/errors.ts";
import type { Redactor } from "../../core/redactor.ts";
import type { Run, SyncEvent } from "../../core/entry.ts";

/** Turns a word, or an object out of a variable or the pipe, into a value; throws badInput (CannotConvertArgument) saying what was expected. */
export interface ParamType<T> {
  readonly name: string;
  convert(value: unknown): T;
  readonly values?: readonly string[];
  /** A type that needs no word after it: -Remove. */
  readonly isSwitch?: boolean;
  /** Takes `a,b` and several words joined by commas. */
  readonly isList?: boolean;
  /** The value is never shown: not in help, errors or logs. */
  readonly isSecret?: boolean;
  /** A live object such as a session: check() may ask whether it is there, never what it holds. */
  readonly isObject?: boolean;
}

/**
 * One parameter. `exact`: never by prefix (-Remove, -Force, -Allow…). `fromPipe`: taken from a piped object itself ("value") or from
 * its property of that name ("property"). `hidden`: not in help (kept for scripts of the ancestor).
 */
export interface Param<T> {
  readonly type: ParamType<T>;
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly position?: number;
  readonly mandatory?: boolean;
  readonly exact?: boolean;
  readonly fallback?: T;
  readonly fromPipe?: "value" | "property";
  /** With fromPipe: only values and standard input may bring it, not what a command gives; so a missing one is found before anything runs. */
  readonly early?: boolean;
  readonly hidden?: boolean;
}

export type Params = Readonly<Record<string, Param<unknown>>>;

type Given<P> = P extends Param<infer T>
  ? P extends { readonly mandatory: true } | { readonly fallback: T } ? T : T | undefined
  : never;

/** The key under which a bound set names the parameters that an object out of the pipe gave. */
export const piped: unique symbol = Symbol("piped");

/** What a command gets: every parameter of its table, converted. */
export type Bound<P extends Params> =
  & { readonly [K in keyof P]: Given<P[K]> }
  & { readonly [piped]?: ReadonlySet<string> };

/** The same table for programs: localPath for LocalPath; what is mandatory or comes by pipe is checked when bound. */
export type Options<P extends Params> = { readonly [K in keyof P & string as Uncapitalize<K>]?: Given<P[K]> };

/** What the parameters say that every command takes: -WhatIf, -Confirm, -Verbose, -Quiet, -ErrorAction Stop. */
export interface Common {
  readonly whatIf: boolean;
  readonly confirm: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly stopOnError: boolean;
}

/**
 * The world a command sees. `stack` closes what the pipeline opened. `ask` gives undefined when nobody can be asked. `emit`
 * feeds progress and the report.
 */
export interface Host {
  readonly signal: AbortSignal;
  /** Aborted a little after `signal`: what is still under way then is no longer waited for. */
  readonly abandon: AbortSignal;
  readonly stack: AsyncDisposableStack;
  readonly common: Common;
  /** Feeds progress and the report; `run` says which run the event belongs to. */
  emit(event: SyncEvent, run?: Run): void;
  /** Lines for the person who is asked, on stderr as they are. */
  show(text: string): void;
  /** One sentence on stderr that does not change the exit code. */
  warn(message: string): void;
  /** A result whose exit code is the process's too, whatever becomes of the object: shown, piped on, or kept in a variable. */
  finished(result: { readonly ExitCode: number }): void;
  /** An error that does not end the command: shown, counted in the exit code, and the next object's turn comes. */
  fail(error: SyncError): void;
  /** Can somebody be asked? */
  readonly interactive: boolean;
  /** Knows the secrets in use, and hides them in what is shown. */
  readonly redactor: Redactor;
  /** Characters a line of the terminal holds; undefined where there is none. */
  readonly columns: number | undefined;
  /** This machine's name. */
  readonly machine: string;
  ask<A extends string>(question: string, answers: readonly A[]): Promise<A | undefined>;
  secret(prompt: string, echo?: boolean): Promise<string | undefined>;
  now(): number;
  env(name: string): string | undefined;
}

export interface CommandAlias {
  readonly name: string;
  /** Takes the place of a parameter's fallback, and of its being mandatory. */
  readonly defaults?: Readonly<Record<string, unknown>>;
}

/** One Verb-Noun command: its parameter table is parser, help and type at once. */
export interface Command<P extends Params = Params, Out = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly params: P;
  readonly aliases?: readonly CommandAlias[];
  /** Longer text for Get-Help, and examples that run. */
  readonly notes?: readonly string[];
  readonly examples?: readonly string[];
  /** Is something still missing that an object on standard input could bring? Only then is standard input read. */
  wantsInput?(bound: Bound<P>): boolean;
  /** Throws badInput for a combination no single parameter can judge; runs before anything is opened. */
  check?(bound: Bound<P>): void;
  /** `each` yields one bound set a pipeline object, exactly one when nothing is piped. Objects yielded go to the next stage or to the report. */
  run(each: AsyncIterable<Bound<P>>, host: Host): AsyncIterable<Out>;
}

/** A command of whatever parameters. */
export type AnyCommand = Command;

/** Gives the table its inferred types. */
export function defineCommand<const P extends Params, Out>(command: Command<P, Out>): Command<P, Out> {
  return command;
}
