import { commandNames, findCommand } from "../../cmd/get_help.ts";
import { commands } from "../../cmd/mod.ts";
import type { SyncError } from "../../lib/core/errors.ts";
import type { SyncEvent } from "../../lib/core/plan.ts";
import type { CommandContext, CommonValues } from "../../lib/shell/command/command.ts";
import { parse } from "../../lib/shell/parse/parser.ts";
import { evaluate, type ShellContext } from "../../lib/shell/run/evaluate.ts";
import { helpText } from "../../lib/shell/run/help.ts";
import { testHost } from "./test_host.ts";
import { tree, type TreeLiteral } from "./trees/tree.ts";

/** The surroundings of command lines in a test. */
export interface CommandLineOptions {
  /** The files of the folder `local`. */
  readonly local?: TreeLiteral;
  /** The files of the folder `remote`. */
  readonly remote?: TreeLiteral;
  /** Variables of the environment, beside the state folder and the home folder. */
  readonly env?: Readonly<Record<string, string>>;
  /** The user's answers, in order; without them no user can be asked. */
  readonly answers?: readonly string[];
}

/** Command lines that run in this process, with folders, a state folder and an environment of their own. */
export interface CommandLine extends AsyncDisposable {
  /** The folder that holds everything else; `{}` in a command line stands for it. */
  readonly folder: string;
  /** Runs a line and returns the objects that it gives. Rejects with the error that ended it. */
  run(line: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly warnings: string[];
  /** Questions that were put to the user, and the texts shown before them. */
  readonly questions: string[];
  readonly errors: SyncError[];
  readonly events: SyncEvent[];
}

/** Makes command lines for a test of commands: no terminal, no process, nothing of the tester's. */
export async function testCommandLine(options: CommandLineOptions = {}): Promise<CommandLine> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-line-" });
  for (const dir of ["local", "remote", "state"]) await Deno.mkdir(`${folder}/${dir}`, { mode: 0o700 });
  await tree(options.local ?? {}).disk(`${folder}/local`);
  await tree(options.remote ?? {}).disk(`${folder}/remote`);
  const env: Readonly<Record<string, string>> = { HOME: folder, TANDEM_STATE: `${folder}/state`, ...options.env };
  const answers = [...options.answers ?? []];
  const [warnings, questions, errors, events] = [[], [], [], []] as [string[], string[], SyncError[], SyncEvent[]];
  const ask = (question: string) => {
    questions.push(question);
    return Promise.resolve(answers.shift());
  };
  const context = (common: CommonValues, stack: AsyncDisposableStack): CommandContext => ({
    ...testHost({ common, env, warnings, stack }),
    interactive: options.answers !== undefined,
    emit: (event) => void events.push(event),
    show: (text) => void questions.push(text),
    addError: (error) => void errors.push(error),
    choose: async (question, choices) => {
      const answer = await ask(question);
      return choices.find((choice) => choice === answer);
    },
    prompt: (question) => ask(question),
  });
  const run = async (line: string) => {
    await using stack = new AsyncDisposableStack();
    const shell: ShellContext = {
      findCommand: (name) => findCommand(commands, name),
      commandNames: () => commandNames(commands),
      commandContext: context,
      help: (command) => helpText(command),
      environment: (name) => env[name],
      variables: new Map(),
      stack,
    };
    const statements = parse(line.replaceAll("{}", folder));
    return await Array.fromAsync(evaluate(statements, shell)) as Readonly<Record<string, unknown>>[];
  };
  return {
    ...{ folder, run, warnings, questions, errors, events },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
