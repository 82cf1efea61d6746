import { badInput, type SyncError } from "../../core/errors.ts";
import { bind, type Binding, missingParametersError, type ResolvedArgument } from "../bind/binder.ts";
import { foldName } from "../bind/names.ts";
import type { Command, CommandContext, CommonValues, Param } from "../command/command.ts";
import { closestMatch, quote } from "../command/suggest.ts";
import type { Argument, CommandStage, Expression, Pipeline } from "../parse/syntax.ts";
import { resolveArguments, type Scope } from "./resolve.ts";

/** A mandatory parameter that a user at a terminal may still supply. */
export interface ParamPrompt {
  readonly command: string;
  readonly name: string;
  readonly param: Param<unknown>;
}

/**
 * The context of a command line. `variables`: keys in lower case. `stack` closes the objects that variables keep open.
 * `prompt`: absent if no user can be asked; returns undefined if the user does not answer. `input`: objects on standard
 * input, read only for a first command that wants them.
 */
export interface ShellContext {
  findCommand(name: string): Command | undefined;
  commandNames(): readonly string[];
  commandContext(common: CommonValues, stack: AsyncDisposableStack): CommandContext;
  /** Returns the help of a command; `words` are the texts of its command line. */
  help(command: Command, words: readonly string[]): string;
  environment(name: string): string | undefined;
  readonly variables: Map<string, unknown>;
  readonly stack: AsyncDisposableStack;
  prompt?(question: ParamPrompt): Promise<string | undefined>;
  input?(): AsyncIterable<unknown>;
}

/** A context with the stages that were bound for the check and need not be bound again to run. */
export interface LineContext extends ShellContext {
  readonly checked: Map<CommandStage, BoundStage>;
}

/**
 * A command with its parameters, ready to run. `readsInput`: standard input feeds it. `checksEarly`: its check can run
 * before any command. `unsupplied`: mandatory parameters that neither arguments nor the pipe can supply.
 */
export interface BoundStage {
  readonly command: Command;
  readonly typedName: string;
  readonly args: readonly ResolvedArgument[];
  readonly binding: Binding;
  readonly readsInput: boolean;
  readonly checksEarly: boolean;
  readonly unsupplied: readonly string[];
}

/** The context in which a stage is bound. */
export interface StageContext {
  readonly shell: LineContext;
  readonly scope: Scope;
  readonly source: StageInput;
}

/** The input of a stage: nothing, values (which open nothing), or a command. */
type StageInput = "nothing" | "values" | "command";

/**
 * Binds the arguments of a stage to its command's parameters. Returns help if it is asked for, and undefined if the
 * arguments are not known before another command has run.
 */
export async function bindStage(
  stage: CommandStage,
  { shell, scope, source }: StageContext,
): Promise<BoundStage | { readonly help: string } | undefined> {
  const command = shell.findCommand(stage.name);
  if (command === undefined) throw unknownCommand(stage.name, shell);
  const args = await resolveArguments(stage.args, scope);
  if (args === undefined) return undefined;
  if (args.some((one) => one.kind === "named" && HELP_NAMES.has(foldName(one.name)))) {
    return { help: shell.help(command, args.map(textOf).filter((text) => text !== undefined)) };
  }
  const piped = source !== "nothing";
  const binding = bind(command, args, { typedName: stage.name, piped, listMissing: true });
  if (piped && !binding.takesInput) {
    throw badInput(
      `${command.name} takes nothing from the pipe here. Write ; instead of |, or leave out the command before it.`,
      "InputObjectNotBound",
    );
  }
  const wantsInput = binding.isKnown ? command.wantsInput?.(binding.bound) === true : command.wantsInput !== undefined;
  const readsInput = !piped && shell.input !== undefined && wantsInput;
  const unsupplied = binding.missing.filter((name) => {
    const param = command.params[name];
    if (param?.fromPipe === undefined || !(piped || readsInput)) return true;
    return source === "command" && param.early === true;
  });
  return {
    command,
    typedName: stage.name,
    args,
    binding,
    readsInput,
    checksEarly: !readsInput && source !== "values",
    unsupplied,
  };
}

/** Asks for the mandatory parameters that are missing. Throws badInput if no user can be asked. */
export async function promptForMissing(ready: BoundStage, shell: LineContext, piped: boolean): Promise<BoundStage> {
  const { command, unsupplied } = ready;
  if (unsupplied.length === 0) return ready;
  const args = [...ready.args];
  for (const name of unsupplied) {
    const param = command.params[name];
    const answer = param === undefined ? undefined : await shell.prompt?.({ command: command.name, name, param });
    if (answer === undefined) throw missingParametersError(command, unsupplied);
    args.push({ kind: "named", name, value: { kind: "word", text: answer } });
  }
  const binding = bind(command, args, { typedName: ready.typedName, piped: piped || ready.readsInput });
  if (ready.checksEarly) binding.check();
  return { ...ready, args, binding, unsupplied: [] };
}

/** Returns the kind of input that a stage of a pipeline gets. */
export function inputOfStage(pipeline: Pipeline, index: number): StageInput {
  if (index === 0) return "nothing";
  return pipeline[index - 1]?.kind === "value" ? "values" : "command";
}

/** Whether the argument has the same value whenever it is resolved. */
export function isConstant(arg: Argument): boolean {
  return arg.kind !== "splat" && (arg.value === undefined || isConstantExpression(arg.value));
}

function isConstantExpression(expression: Expression): boolean {
  const { kind } = expression;
  return kind === "word" || kind === "text" || kind === "literal" ||
    kind === "list" && expression.items.every(isConstantExpression);
}

function textOf({ value }: ResolvedArgument): string | undefined {
  if (value?.kind === "word") return value.text;
  return value?.kind === "value" && typeof value.value === "string" ? value.value : undefined;
}

function unknownCommand(name: string, shell: ShellContext): SyncError {
  const near = closestMatch(name, shell.commandNames());
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  return badInput(`${quote(name)} is no command.${hint} Get-Command lists all.`, "CommandNotFound");
}

const HELP_NAMES: ReadonlySet<string> = new Set(["?", "help"]);
