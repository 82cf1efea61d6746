import { hostname } from "node:os";
import { badInput, exitCodes, SyncError, toSyncError } from "../lib/core/errors.ts";
import { readObjects } from "../lib/report/json.ts";
import { makeReporter, type Reporter } from "../lib/report/reporter.ts";
import { exitCode } from "../lib/report/result.ts";
import { Redactor } from "../lib/core/redactor.ts";
import { Session } from "../lib/session/session.ts";
import type { Host } from "../lib/shell/command/command.ts";
import { evaluate, type World } from "../lib/shell/run/evaluate.ts";
import { helpText } from "../lib/shell/run/help.ts";
import { parse, type Statement } from "../lib/shell/parse/parser.ts";
import { allNames, findCommand } from "./get_help.ts";
import { type Line, readLine } from "./shared/arguments.ts";
import { commands } from "./mod.ts";
import { toTicket } from "./shared/session_output.ts";
import { PassedOn, passing, type StageError } from "./shared/upstream_error.ts";
import { askLine, canAsk, columns, interrupted, isPipe, sinks, ticker } from "./shared/terminal.ts";

/** Runs one command line with this terminal, this environment and these pipes, and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const abandon = new AbortController();
  const forget = onInterrupt(() => {
    stop.abort(interrupted);
    Deno.unrefTimer(setTimeout(() => abandon.abort(interrupted), PATIENCE));
  });
  const line = readOrFail(argv);
  const redactor = new Redactor();
  // Standard output is read by other programs; its messages are redacted one by one, at their source.
  const cleanSinks = { ...sinks, err: (text: string) => sinks.err(redactor.redact(text)) };
  const reporter = makeReporter(line instanceof SyncError ? "Auto" : line.format, cleanSinks, ticker);
  const outcome: Outcome = { results: new Set(), errors: [], passed: undefined };
  const scene: Scene = { reporter, redactor, outcome, signal: stop.signal, abandon: abandon.signal };
  onStray((error) => failed(error, scene));
  try {
    if (line instanceof SyncError) throw line;
    await run(line, scene);
  } catch (thrown) {
    await failed(thrown, scene);
  }
  const code = outcome.passed?.ExitCode ?? exitCode(outcome.results, outcome.errors);
  const said = await reporter.end({ exitCode: code }).then(
    () => true,
    (error) => error instanceof Deno.errors.BrokenPipe,
  );
  forget();
  return said || code !== 0 ? code : exitCodes.unexpected;
}

interface Outcome {
  /** Results by identity: one that is shown counts once. */
  readonly results: Set<{ readonly ExitCode: number }>;
  readonly errors: SyncError[];
  passed: StageError | undefined;
}

interface Scene {
  readonly reporter: Reporter;
  readonly redactor: Redactor;
  readonly outcome: Outcome;
  readonly signal: AbortSignal;
  readonly abandon: AbortSignal;
}

/** The time in ms that running operations may take to end after Ctrl-C. */
const PATIENCE = 1_500;

function readOrFail(argv: readonly string[]): Line | SyncError {
  try {
    return readLine(argv);
  } catch (thrown) {
    return toSyncError(thrown, "read the command");
  }
}

async function run(line: Line, scene: Scene): Promise<void> {
  const statements = await statementsOf(line);
  const stack = new AsyncDisposableStack();
  let quiet = false;
  const world = makeWorld(scene, {
    stack,
    onHost: (host) => quiet ||= host.common.quiet,
    input: line.source !== "input",
  });
  try {
    for await (const value of evaluate(statements, world)) {
      if (hasExitCode(value)) scene.outcome.results.add(value);
      await scene.reporter.result(
        value instanceof Session ? await toTicket(value, (name) => Deno.env.get(name)) : value,
        { quiet },
      );
    }
  } finally {
    await stack.disposeAsync();
  }
}

async function statementsOf({ source }: Line): Promise<readonly Statement[]> {
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

function makeWorld(
  scene: Scene,
  options: { readonly stack: AsyncDisposableStack; readonly input: boolean; onHost(host: Host): void },
): World {
  const interactive = canAsk();
  return {
    find: (name) => findCommand(commands, name),
    names: () => allNames(commands),
    host(common, stack) {
      const host = makeHost(scene, common, stack);
      options.onHost(host);
      return host;
    },
    help: (command) => helpText(command, { width: columns() ?? 80 }),
    environment: (name) => Deno.env.get(name),
    variables: new Map(),
    stack: options.stack,
    ...(interactive
      ? {
        ask: ({ name, param }) =>
          askLine(`${name} (${param.help}) `, { pause: () => scene.reporter.pause(), echo: !param.type.isSecret }),
      }
      : {}),
    ...(options.input && isPipe() ? { input: () => passing(readObjects(Deno.stdin.readable)) } : {}),
  };
}

function makeHost(scene: Scene, common: Host["common"], stack: AsyncDisposableStack): Host {
  const { reporter, redactor, outcome, signal, abandon } = scene;
  return {
    signal,
    abandon,
    stack,
    common,
    redactor,
    emit: (event, run) => reporter.event(event, { run, quiet: common.quiet, verbose: common.verbose }),
    warn: (message) => void reporter.warn(message),
    show: (text) => void reporter.pause().then(() => sinks.err(`${redactor.redact(text)}\n`)),
    finished: (result) => void outcome.results.add(result),
    fail(error) {
      outcome.errors.push(error);
      reporter.error(redactor.error(error)).catch(readerLeft);
    },
    interactive: canAsk(),
    columns: columns(),
    machine: hostname(),
    async ask(question, answers) {
      for (;;) {
        const typed = (await askLine(`${question} [${answers.join("/")}] `, {
          pause: () => scene.reporter.pause(),
          echo: true,
        }))?.trim()
          .toLowerCase();
        if (typed === undefined) return undefined;
        const answer = answers.find((one) => one.toLowerCase().startsWith(typed));
        if (answer !== undefined) return answer;
      }
    },
    secret: (prompt, echo = false) => askLine(prompt, { pause: () => scene.reporter.pause(), echo }),
    now: Date.now,
    env: (name) => Deno.env.get(name),
  };
}

async function failed(thrown: unknown, { reporter, redactor, outcome }: Scene): Promise<void> {
  if (thrown instanceof PassedOn) {
    outcome.passed = thrown.record;
    return await reporter.result(thrown.record).catch(readerLeft);
  }
  if (thrown instanceof Deno.errors.BrokenPipe) return;
  const error = redactor.error(toSyncError(thrown, "run the command"));
  // A result that was shown has the more precise exit code: 1 if the server was lost after the first change.
  if (![...outcome.results].some((result) => result.ExitCode !== 0)) outcome.errors.push(error);
  await reporter.error(error).catch(readerLeft);
}

function hasExitCode(value: unknown): value is { readonly ExitCode: number } {
  return typeof value === "object" && value !== null && "ExitCode" in value && typeof value.ExitCode === "number";
}

/** Ignores a broken pipe: in `tandem … | head` the reader may stop early. */
function readerLeft(error: unknown): void {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}

/** Reports unhandled rejections from libraries instead of letting the runtime exit mid-run. */
function onStray(tell: (error: unknown) => void): void {
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
