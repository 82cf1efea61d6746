import { cancelled, SyncError } from "../../lib/core/errors.ts";
import type { Run, SyncEvent } from "../../lib/core/plan.ts";
import { Redactor } from "../../lib/core/redactor.ts";
import { eventTranslator, type RunEvent } from "../../lib/report/run_events.ts";
import type { Command, CommonValues, Params } from "../../lib/shell/command/command.ts";
import type { Step, StepContext, StepFactory, StepOptions } from "../../lib/shell/run/pipe.ts";
import type { ProgramOptions, PromptRequest } from "./program_options.ts";

/** The time in ms that running operations may take to end after a run was cancelled. */
export const ABORT_GRACE_MS = 1_500;

/** The program's own functions, and the signal that cancels a command. */
type ProgramFunctions = {
  readonly [K in "signal" | "onEvent" | "onWarning" | "prompt"]: ProgramOptions[K] | undefined;
};

/** The services of the machine that a program's context uses. */
export interface ProgramSurroundings {
  readonly machineName: string;
  readonly now: () => number;
  readonly env: (name: string) => string | undefined;
  /** The receiver of warnings if the program names none. */
  readonly warn: (message: string) => void;
}

/** Returns a command's step; the program's own functions go into its context, all other options to the binder. */
export function programStep<P extends Params, Out, Result>(
  create: StepFactory<P, Out, Result>,
  command: Command<P, Out>,
  surroundings: ProgramSurroundings,
  { signal, onEvent, onWarning, prompt, ...params }: ProgramOptions & StepOptions,
): Step<unknown, Result> {
  const functions = { signal, onEvent, onWarning, prompt };
  return create(command, (common, stack) => createProgramContext(common, stack, { functions, surroundings }))(params);
}

/** Returns the context of one command that a program runs; its end() must be called when the command is over. */
function createProgramContext(
  common: CommonValues,
  stack: AsyncDisposableStack,
  options: { readonly functions: ProgramFunctions; readonly surroundings: ProgramSurroundings },
): StepContext {
  const { functions: { onEvent, onWarning, prompt, signal: source }, surroundings } = options;
  const callbacks = new Callbacks(source);
  const { signal, abandon } = callbacks;
  const shown: string[] = [];
  const translators = new WeakMap<Run, (event: SyncEvent) => readonly RunEvent[]>();
  const observe = (event: SyncEvent, run: Run) => {
    if (onEvent === undefined) return;
    const translate = translators.get(run) ?? eventTranslator(run);
    translators.set(run, translate);
    for (const one of translate(event)) callbacks.call(() => onEvent(one));
  };
  const ask = async (request: Omit<PromptRequest, "message">, question: string) => {
    if (prompt === undefined) return undefined;
    const message = [...shown.splice(0), question].join("\n");
    return await callbacks.ask(() => prompt({ ...request, message }));
  };
  return {
    signal,
    abandon,
    stack,
    common,
    emit: observe,
    observe,
    warn: (message) => callbacks.call(() => (onWarning ?? surroundings.warn)(message)),
    show: (text) => void shown.push(text),
    addResult: () => {},
    addError(error: SyncError) {
      throw error;
    },
    redactor: new Redactor(),
    interactive: prompt !== undefined,
    columns: undefined,
    machineName: surroundings.machineName,
    async choose(question, answers) {
      const answer = await ask({ kind: "choice", answers }, question);
      return answers.find((one) => one === answer);
    },
    prompt: (question, echo = false) => ask({ kind: echo ? "text" : "secret", answers: [] }, question),
    now: surroundings.now,
    env: surroundings.env,
    end: () => callbacks.end(),
  };
}

/**
 * The program's own functions during one command, and the signals that end it. The first error that one of them throws
 * cancels the command, and end() throws it again.
 */
class Callbacks {
  readonly #stop = new AbortController();
  readonly #abandon = new AbortController();
  readonly #pending = new Set<Promise<void>>();
  readonly #source: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: AbortSignal | undefined) {
    this.#source = source;
    if (source?.aborted) this.#cancel();
    else source?.addEventListener("abort", this.#cancel);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get abandon(): AbortSignal {
    return this.#abandon.signal;
  }

  call(callback: () => void | Promise<void>): void {
    if (this.#failure !== undefined) return;
    try {
      const result = callback();
      if (!(result instanceof Promise)) return;
      const settled = result.catch((error) => this.#fail(error)).finally(() => void this.#pending.delete(settled));
      this.#pending.add(settled);
    } catch (error) {
      this.#fail(error);
    }
  }

  async ask(callback: () => string | undefined | Promise<string | undefined>): Promise<string | undefined> {
    try {
      return await callback();
    } catch (error) {
      this.#fail(error);
      throw cancelled(this.signal, "ask");
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#pending);
    this.#source?.removeEventListener("abort", this.#cancel);
    clearTimeout(this.#timer);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#cancel();
  }

  readonly #cancel = (): void => {
    const cause = this.#failure?.error ?? this.#source?.reason;
    const reason = new SyncError("cancelled", "Cancelled by the program.", { operation: "run", cause });
    this.#stop.abort(reason);
    this.#timer ??= setTimeout(() => this.#abandon.abort(reason), ABORT_GRACE_MS);
  };
}
