import { badInput, SyncError, toSyncError } from "../../core/errors.ts";
import { type Binding, bindOptions } from "../bind/binder.ts";
import type { Command, CommandContext, CommonValues, Params } from "../command/command.ts";

/** One step of pipe(). */
export interface Step<In, Out> {
  /** Runs the step with the result of the step before it; what it opens goes onto the stack. */
  (input: In, stack: AsyncDisposableStack): Promise<Out> | Out;
  /** Throws badInput for wrong options. */
  readonly check?: () => void;
}

/**
 * A pending session: a step for pipe(), or awaited by itself (then the caller closes the result). Nothing is connected
 * before that.
 */
export type Opening<T> = Step<void, T> & PromiseLike<T>;

/**
 * The context of a command's step. `end` is called when the command is over; it rejects with the error of one of the
 * program's own functions if that ended the command.
 */
export interface StepContext extends CommandContext {
  end?(): Promise<void>;
}

/** Creates the context of a command's step. */
export type CreateContext = (common: CommonValues, stack: AsyncDisposableStack) => StepContext;

/** A program's options of a command, by the names of its parameters in camelCase; the binder checks them. */
export type StepOptions = Readonly<Record<string, unknown>>;

/** Returns a function that makes steps of one command: createStep or createListStep. */
export type StepFactory<P extends Params, Out, Result> = (
  command: Command<P, Out>,
  createContext: CreateContext,
) => (options?: StepOptions) => Step<unknown, Result>;

type AnyStep = Step<never, unknown>;

/**
 * Runs steps in order, each with the result of the previous one. Every step's options are checked before the first
 * runs. All that the steps opened is closed in reverse order before the promise settles, also after a failure.
 */
export function pipe<A>(first: Step<void, A>): Promise<A>;
/** Runs two steps. */
export function pipe<A, B>(first: Step<void, A>, second: Step<A, B>): Promise<B>;
/** Runs three steps. */
export function pipe<A, B, C>(first: Step<void, A>, second: Step<A, B>, third: Step<B, C>): Promise<C>;
/** Runs four steps. */
export function pipe<A, B, C, D>(a: Step<void, A>, b: Step<A, B>, c: Step<B, C>, d: Step<C, D>): Promise<D>;
/** Runs five steps. */
export function pipe<A, B, C, D, E>(
  a: Step<void, A>,
  b: Step<A, B>,
  c: Step<B, C>,
  d: Step<C, D>,
  e: Step<D, E>,
): Promise<E>;
/** Runs six steps. */
export function pipe<A, B, C, D, E, F>(
  a: Step<void, A>,
  b: Step<A, B>,
  c: Step<B, C>,
  d: Step<C, D>,
  e: Step<D, E>,
  f: Step<E, F>,
): Promise<F>;
export async function pipe(...steps: readonly AnyStep[]): Promise<unknown> {
  for (const step of steps) step.check?.();
  return await withStack(async (stack) => {
    let value: unknown;
    for (const step of steps) value = await (step as Step<unknown, unknown>)(value, stack);
    return value;
  });
}

/**
 * Runs `body` with a stack and closes it in any case. If closing fails too, the body's error is thrown, with the other
 * one as its cause.
 */
export async function withStack<T>(body: (stack: AsyncDisposableStack) => Promise<T>): Promise<T> {
  const stack = new AsyncDisposableStack();
  let result: T;
  try {
    result = await body(stack);
  } catch (error) {
    throw await closeAfter(stack, error);
  }
  await closeStack(stack);
  return result;
}

/** Closes the stack; a failure is thrown as a SyncError. */
export async function closeStack(stack: AsyncDisposableStack): Promise<void> {
  try {
    await stack.disposeAsync();
  } catch (error) {
    throw toSyncError(innermostError(error), "close what was opened");
  }
}

/** Closes the stack after `error` and returns the error to throw: `error`, with a failure to close as its cause. */
export async function closeAfter(stack: AsyncDisposableStack, error: unknown): Promise<unknown> {
  try {
    await stack.disposeAsync();
    return error;
  } catch (closing) {
    const first = toSyncError(error, "run the pipeline");
    return new SyncError(first.kind, first.message, { ...first.facts, cause: new SuppressedError(closing, error) });
  }
}

/**
 * Returns a command's step for programs that returns the command's single output object (wrong usage if there is none
 * or several).
 */
export function createStep<P extends Params, Out>(
  command: Command<P, Out>,
  createContext: CreateContext,
): (options?: StepOptions) => Step<unknown, Out> {
  const listStep = createListStep(command, createContext);
  return (options) => {
    const step = listStep(options);
    const run = async (input: unknown, stack: AsyncDisposableStack) => {
      const [only, ...more] = await step(input, stack);
      if (only !== undefined && more.length === 0) return only;
      const count = only === undefined ? "nothing" : `${more.length + 1} objects`;
      throw badInput(`${command.name} returned ${count}, and one object was expected; give it exactly one input.`);
    };
    return Object.assign(run, { check: () => step.check?.() });
  };
}

/**
 * Returns a command's step for programs that returns a list of all the command's output objects. A list as input counts
 * as its items.
 */
export function createListStep<P extends Params, Out>(
  command: Command<P, Out>,
  createContext: CreateContext,
): (options?: StepOptions) => Step<unknown, readonly Out[]> {
  return (options = {}) => {
    let known: Binding<P> | undefined;
    // The check and the run share what was bound, so that an address is parsed once.
    const binding = () => known ??= bindOptions(command, options, { piped: true });
    const run = async (input: unknown, stack: AsyncDisposableStack) => {
      const inputs = binding().each(input === undefined ? undefined : items(input));
      const context = createContext(binding().common, stack);
      try {
        return await Array.fromAsync(command.run(inputs, context));
      } catch (error) {
        throw error instanceof SyncError ? context.redactor.redactError(error) : error;
      } finally {
        await context.end?.();
      }
    };
    return Object.assign(run, { check: () => binding().check() });
  };
}

/**
 * Returns an Opening for a function that opens something and adds it to the given stack. Awaited several times, it
 * opens once.
 */
export function createOpening<T>(
  open: (stack: AsyncDisposableStack) => Promise<T>,
  check: () => void = () => {},
): Opening<T> {
  let opened: Promise<T> | undefined;
  const openAlone = async () => {
    check();
    const stack = new AsyncDisposableStack();
    try {
      return await open(stack);
    } catch (error) {
      throw await closeAfter(stack, error);
    }
  };
  const step = (_: void, stack: AsyncDisposableStack) => open(stack);
  const then: PromiseLike<T>["then"] = (done, failed) => (opened ??= openAlone()).then(done, failed);
  return Object.assign(step, { check, then });
}

async function* items(input: unknown): AsyncGenerator<unknown> {
  if (Array.isArray(input)) yield* input;
  else yield input;
}

/** Returns the first of several errors thrown while closing. */
function innermostError(error: unknown): unknown {
  return error instanceof SuppressedError ? innermostError(error.suppressed) : error;
}
