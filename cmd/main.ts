import { hostname } from "node:os";
import { badInput, exitCodes, SyncError, toSyncError } from "../lib/core/errors.ts";
import { readObjects } from "../lib/report/json.ts";
import { makeReporter, type Reporter } from "../lib/report/reporter.ts";
import { exitCode } from "../lib/report/result.ts";
import { Redactor } from "../lib/core/redactor.ts";
import { Session } from "../lib/session/session.ts";
import type { CommandContext } from "../lib/shell/command/command.ts";
import { evaluate, type ShellContext } from "../lib/shell/run/evaluate.ts";
import { helpText } from "../lib/shell/run/help.ts";
import { parse, type Statement } from "../lib/shell/parse/parser.ts";
import { addressFacts, commandNames, findCommand } from "./get_help.ts";
import { ABORT_GRACE_MS } from "./shared/program_context.ts";
import { parseProgramArguments, type ProgramArguments } from "./shared/arguments.ts";
import { commands } from "./mod.ts";
import { toSealedSession } from "./shared/session_output.ts";
import { passThrough, UpstreamError, type UpstreamErrorRecord } from "./shared/upstream_error.ts";
import { canPrompt, columns, interruptedError, isPipe, promptLine, sinks, ticker } from "./shared/terminal.ts";

/** Runs one command line with this terminal, this environment and these pipes, and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const abandon = new AbortController();
  const removeSignalListeners = onInterrupt(() => {
    stop.abort(interruptedError);
    Deno.unrefTimer(setTimeout(() => abandon.abort(interruptedError), ABORT_GRACE_MS));
  });
  const args = parseArguments(argv);
  const redactor = new Redactor();
  // Standard output is read by other programs; its messages are redacted one by one, at their source.
  const cleanSinks = { ...sinks, err: (text: string) => sinks.err(redactor.redact(text)) };
  const reporter = makeReporter(args instanceof SyncError ? "Auto" : args.format, cleanSinks, ticker);
  const outcome: ProgramOutcome = { results: new Set(), errors: [], upstream: undefined };
  const state: ProgramState = { reporter, redactor, outcome, signal: stop.signal, abandon: abandon.signal };
  onUnhandledRejection((error) => reportFailure(error, state));
  try {
    if (args instanceof SyncError) throw args;
    await run(args, state);
  } catch (thrown) {
    await reportFailure(thrown, state);
  }
  const code = outcome.upstream?.ExitCode ?? exitCode(outcome.results, outcome.errors);
  const isWritten = await reporter.end({ exitCode: code }).then(
    () => true,
    (error) => error instanceof Deno.errors.BrokenPipe,
  );
  removeSignalListeners();
  return isWritten || code !== 0 ? code : exitCodes.unexpected;
}

interface ProgramOutcome {
  /** Results by identity: one that is shown counts once. */
  readonly results: Set<{ readonly ExitCode: number }>;
  readonly errors: SyncError[];
  upstream: UpstreamErrorRecord | undefined;
}

interface ProgramState {
  readonly reporter: Reporter;
  readonly redactor: Redactor;
  readonly outcome: ProgramOutcome;
  readonly signal: AbortSignal;
  readonly abandon: AbortSignal;
}

function parseArguments(argv: readonly string[]): ProgramArguments | SyncError {
  try {
    return parseProgramArguments(argv);
  } catch (thrown) {
    return toSyncError(thrown, "read the command");
  }
}

async function run(args: ProgramArguments, state: ProgramState): Promise<void> {
  const statements = await readStatements(args);
  const stack = new AsyncDisposableStack();
  let isQuiet = false;
  const shell = createShellContext(state, {
    stack,
    onContext: (context) => isQuiet ||= context.common.quiet,
    input: args.source !== "input",
  });
  try {
    for await (const value of evaluate(statements, shell)) {
      if (hasExitCode(value)) state.outcome.results.add(value);
      await state.reporter.result(
        value instanceof Session ? await toSealedSession(value, (name) => Deno.env.get(name)) : value,
        { quiet: isQuiet },
      );
    }
  } finally {
    await stack.disposeAsync();
  }
}

async function readStatements({ source }: ProgramArguments): Promise<readonly Statement[]> {
  if (source === "input") return parse(await new Response(Deno.stdin.readable).text());
  if ("statements" in source) return source.statements;
  try {
    return parse(await Deno.readTextFile(source.path));
  } catch (error) {
    if (error instanceof SyncError) throw error;
    throw badInput(
      `Cannot read the script "${source.path}": ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function createShellContext(
  state: ProgramState,
  options: { readonly stack: AsyncDisposableStack; readonly input: boolean; onContext(context: CommandContext): void },
): ShellContext {
  const interactive = canPrompt();
  return {
    findCommand: (name) => findCommand(commands, name),
    commandNames: () => commandNames(commands),
    commandContext(common, stack) {
      const context = createCommandContext(state, common, stack);
      options.onContext(context);
      return context;
    },
    help: (command, words) => helpText(command, { width: columns() ?? 80, ...addressFacts(words) }),
    environment: (name) => Deno.env.get(name),
    variables: new Map(),
    stack: options.stack,
    ...(interactive
      ? {
        prompt: ({ name, param }) =>
          promptLine(`${name} (${param.help}) `, { pause: () => state.reporter.pause(), echo: !param.type.isSecret }),
      }
      : {}),
    ...(options.input && isPipe() ? { input: () => passThrough(readObjects(Deno.stdin.readable)) } : {}),
  };
}

function createCommandContext(
  state: ProgramState,
  common: CommandContext["common"],
  stack: AsyncDisposableStack,
): CommandContext {
  const { reporter, redactor, outcome, signal, abandon } = state;
  return {
    signal,
    abandon,
    stack,
    common,
    redactor,
    emit: (event, run) => reporter.event(event, { run, quiet: common.quiet, verbose: common.verbose }),
    observe: () => {},
    warn: (message) => void reporter.warn(message),
    show: (text) => void reporter.pause().then(() => sinks.err(`${redactor.redact(text)}\n`)),
    addResult: (result) => void outcome.results.add(result),
    addError(error) {
      outcome.errors.push(error);
      reporter.error(redactor.redactError(error)).catch(ignoreBrokenPipe);
    },
    interactive: canPrompt(),
    columns: columns(),
    machineName: hostname(),
    async choose(question, answers) {
      for (;;) {
        const typed = (await promptLine(`${question} [${answers.join("/")}] `, {
          pause: () => state.reporter.pause(),
          echo: true,
        }))?.trim()
          .toLowerCase();
        if (typed === undefined) return undefined;
        const answer = answers.find((one) => one.toLowerCase().startsWith(typed));
        if (answer !== undefined) return answer;
      }
    },
    prompt: (prompt, echo = false) => promptLine(prompt, { pause: () => state.reporter.pause(), echo }),
    now: Date.now,
    env: (name) => Deno.env.get(name),
  };
}

async function reportFailure(thrown: unknown, { reporter, redactor, outcome }: ProgramState): Promise<void> {
  if (thrown instanceof UpstreamError) {
    outcome.upstream = thrown.record;
    return await reporter.result(thrown.record).catch(ignoreBrokenPipe);
  }
  if (thrown instanceof Deno.errors.BrokenPipe) return;
  const error = redactor.redactError(toSyncError(thrown, "run the command"));
  // A result that was shown has the more precise exit code: 1 if the server was lost after the first change.
  if (![...outcome.results].some((result) => result.ExitCode !== 0)) outcome.errors.push(error);
  await reporter.error(error).catch(ignoreBrokenPipe);
}

function hasExitCode(value: unknown): value is { readonly ExitCode: number } {
  return typeof value === "object" && value !== null && "ExitCode" in value && typeof value.ExitCode === "number";
}

/** Ignores a broken pipe: in `tandem … | head` the reader may stop early. */
function ignoreBrokenPipe(error: unknown): void {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}

/** Reports unhandled rejections from libraries instead of letting the runtime exit mid-run. */
function onUnhandledRejection(tell: (error: unknown) => void): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    tell(event.reason);
  });
}

/** Handles Ctrl-C: the first one stops the run in order, the second exits at once. */
function onInterrupt(stop: () => void): () => void {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  let seen = 0;
  const listen = () => {
    if (++seen > 1) Deno.exit(exitCodes.cancelled);
    stop();
  };
  for (const signal of signals) Deno.addSignalListener(signal, listen);
  return () => signals.forEach((signal) => Deno.removeSignalListener(signal, listen));
}
