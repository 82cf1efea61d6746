import { badInput, type SyncError } from "../../core/errors.ts";
import {
  type ArgumentValue,
  bind,
  type Binding,
  missingParametersError,
  type ResolvedArgument,
} from "../bind/binder.ts";
import { foldName } from "../bind/names.ts";
import type { Command, CommandContext, CommonValues, Param } from "../command/command.ts";
import { collapseOutputs, resolve, resolveArguments, type Scope } from "./resolve.ts";
import type { CommandStage, Pipeline, Statement } from "../parse/syntax.ts";
import { closeAfter, closeStack } from "./pipe.ts";
import { closestMatch, quote } from "../command/suggest.ts";

/** A mandatory parameter that a user at a terminal may still supply. */
export interface ParamPrompt {
  readonly command: string;
  readonly name: string;
  readonly param: Param<unknown>;
}

/**
 * The context of a command line. `variables`: keys in lower case. `stack` closes the objects that variables keep open.
 * `ask`: absent if no user can be asked; returns undefined if the user does not answer. `input`: objects on standard
 * input, read only for a first command that wants them.
 */
export interface ShellContext {
  findCommand(name: string): Command | undefined;
  commandNames(): readonly string[];
  commandContext(common: CommonValues, stack: AsyncDisposableStack): CommandContext;
  help(command: Command): string;
  environment(name: string): string | undefined;
  readonly variables: Map<string, unknown>;
  readonly stack: AsyncDisposableStack;
  prompt?(question: ParamPrompt): Promise<string | undefined>;
  input?(): AsyncIterable<unknown>;
}

/**
 * Runs statements in order and yields their output. Every command, parameter and variable of ALL statements is resolved
 * and checked before the first one runs. Everything a pipeline opened is closed when it ends, in reverse order, also
 * after a failure; only if it assigned a closable object to a variable, that stays open until the world's stack is
 * closed. Throws SyncError.
 */
export async function* evaluate(statements: readonly Statement[], shell: ShellContext): AsyncGenerator<unknown> {
  await checkStatements(statements, shell);
  for (const statement of statements) yield* runStatement(statement, shell);
}

/**
 * A command with its parameters, ready to run. `input`: standard input feeds it. `early`: its check can run before any
 * command. `lacking`: mandatory parameters that neither arguments nor the pipe can supply.
 */
interface BoundStage {
  readonly command: Command;
  readonly typedName: string;
  readonly args: readonly ResolvedArgument[];
  readonly binding: Binding;
  readonly readsInput: boolean;
  readonly checksEarly: boolean;
  readonly unsupplied: readonly string[];
}

interface StageContext {
  readonly world: ShellContext;
  readonly scope: Scope;
  readonly source: StageInput;
}

/** The input of a stage: nothing, values (which open nothing), or a command. */
type StageInput = "nothing" | "values" | "command";

async function* runStatement({ assign, pipeline }: Statement, shell: ShellContext): AsyncGenerator<unknown> {
  const stack = new AsyncDisposableStack();
  const outputs: unknown[] = [];
  try {
    const { flow, keeper, whole } = await startPipeline(pipeline, shell, stack);
    const isKept = assign !== undefined || keeper;
    for await (const output of flow) {
      if (isKept) outputs.push(output);
      if (assign === undefined) yield output;
    }
    if (assign !== undefined) setVariable(shell, assign, whole === undefined ? collapseOutputs(outputs) : whole.value);
    if (isKept && outputs.flat().some(isClosable)) shell.stack.use(stack.move());
  } catch (error) {
    throw await closeAfter(stack, error);
  } finally {
    await closeStack(stack);
  }
}

/**
 * Binds every stage, then chains them; until then only pipelines in brackets have run. `keeper`: the last command has
 * -OutVariable, which is like an assignment; `whole`: a single value, which a variable takes as it is.
 */
async function startPipeline(pipeline: Pipeline, shell: ShellContext, stack: AsyncDisposableStack) {
  const scope = liveScope(shell, stack);
  const starts: ((flow: AsyncIterable<unknown> | undefined) => AsyncIterable<unknown>)[] = [];
  const fromVariable: AsyncDisposable[] = [];
  let keepsOutput = false;
  let keepOpen = pipeline.length === 1;
  let singleValue: { readonly value: unknown } | undefined;
  for (const [index, stage] of pipeline.entries()) {
    if (stage.kind === "value") {
      const value = await resolve(stage.value, scope);
      if (pipeline.length === 1 && value.kind === "value") singleValue = value;
      if (value.kind === "value") fromVariable.push(...[value.value].flat().filter(isClosable));
      starts.push(() => items(value));
      continue;
    }
    const bound = await bindStage(stage, { world: shell, scope, source: inputOfStage(pipeline, index) });
    if (bound === undefined) continue;
    if ("help" in bound) {
      return { flow: items({ kind: "value", value: bound.help }), keeper: keepsOutput, whole: singleValue };
    }
    const { command, binding, readsInput: input } = await promptForMissing(bound, shell, index > 0);
    const { outVariable } = binding;
    keepOpen ||= binding.bound["KeepOpen"] === true;
    keepsOutput = outVariable !== undefined;
    starts.push((flow) => {
      const objects = flow ?? (input ? shell.input?.() : undefined);
      const inputs = binding.each(objects, { literal: inputOfStage(pipeline, index) === "values" });
      const output = command.run(inputs, shell.commandContext(binding.common, stack));
      return outVariable === undefined ? output : captureOutput(output, { shell, name: outVariable });
    });
  }
  // An object piped in from a variable is closed with the pipeline, as in the WinSCP module, unless a command has
  // -KeepOpen.
  if (!keepOpen) { for (const value of fromVariable) stack.use(value); }
  let flow: AsyncIterable<unknown> | undefined;
  for (const start of starts) flow = start(flow);
  return { flow: flow ?? items({ kind: "value", value: [] }), keeper: keepsOutput, whole: singleValue };
}

async function bindStage(
  stage: CommandStage,
  { world: shell, scope, source }: StageContext,
): Promise<BoundStage | { readonly help: string } | undefined> {
  const command = shell.findCommand(stage.name);
  if (command === undefined) throw unknownCommand(stage.name, shell);
  const args = await resolveArguments(stage.args, scope);
  if (args === undefined) return undefined;
  if (args.some((one) => one.kind === "named" && HELP_NAMES.has(foldName(one.name)))) {
    return { help: shell.help(command) };
  }
  const piped = source !== "nothing";
  const binding = bind(command, args, { typedName: stage.name, piped, listMissing: true });
  if (piped && !binding.takesInput) {
    throw badInput(
      `${command.name} takes nothing from the pipe here. Put ; in place of |, or leave out what the pipe brings.`,
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

async function promptForMissing(ready: BoundStage, shell: ShellContext, piped: boolean): Promise<BoundStage> {
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

/**
 * Checks every statement as far as possible without running anything. Variables assigned earlier count as set, with a
 * value that is not known yet. A command's check uses the values of the line, unless values or standard input, which
 * open nothing, supply the rest: then each object is checked.
 */
async function checkStatements(statements: readonly Statement[], shell: ShellContext): Promise<void> {
  const set = new Map<string, ArgumentValue>();
  const scope: Scope = {
    ...liveScope(shell, shell.stack),
    variable: (name) => set.get(name) ?? variableOf(shell, name),
    names: [...shell.variables.keys(), ...statements.flatMap((one) => one.assign ?? [])],
    async run(pipelines) {
      for (const pipeline of pipelines) await checkPipeline(pipeline, { world: shell, scope }, set);
      return undefined;
    },
  };
  for (const { assign, pipeline } of statements) {
    const value = await checkPipeline(pipeline, { world: shell, scope }, set);
    if (assign !== undefined) set.set(assign, value);
  }
}

async function checkPipeline(
  pipeline: Pipeline,
  { world: shell, scope }: Pick<StageContext, "world" | "scope">,
  set: Map<string, ArgumentValue>,
): Promise<ArgumentValue> {
  for (const [index, stage] of pipeline.entries()) {
    if (stage.kind === "value") {
      const value = await resolve(stage.value, scope);
      if (pipeline.length === 1) return value;
      continue;
    }
    const bound = await bindStage(stage, { world: shell, scope, source: inputOfStage(pipeline, index) });
    if (bound === undefined) continue;
    if ("help" in bound) break;
    if (bound.unsupplied.length > 0 && shell.prompt === undefined) {
      throw missingParametersError(bound.command, bound.unsupplied);
    }
    if (bound.unsupplied.length === 0 && bound.checksEarly) bound.binding.check();
    if (bound.binding.outVariable !== undefined) set.set(bound.binding.outVariable.toLowerCase(), PENDING);
  }
  return PENDING;
}

function inputOfStage(pipeline: Pipeline, index: number): StageInput {
  if (index === 0) return "nothing";
  return pipeline[index - 1]?.kind === "value" ? "values" : "command";
}

function liveScope(shell: ShellContext, stack: AsyncDisposableStack): Scope {
  return {
    variable: (name) => variableOf(shell, name),
    names: shell.variables.keys(),
    environment: (name) => shell.environment(name),
    async run(pipelines) {
      const outputs: unknown[] = [];
      for (const pipeline of pipelines) {
        const { flow } = await startPipeline(pipeline, shell, stack);
        for await (const output of flow) outputs.push(output);
      }
      return outputs;
    },
  };
}

function variableOf(shell: ShellContext, name: string): ArgumentValue | undefined {
  return shell.variables.has(name) ? { kind: "value", value: shell.variables.get(name) } : undefined;
}

function setVariable(shell: ShellContext, name: string, value: unknown): void {
  shell.variables.set(name.replace(/^\$/, "").toLowerCase(), value);
}

/** Passes objects on and assigns them to a variable after the last one. */
async function* captureOutput(
  flow: AsyncIterable<unknown>,
  { shell, name }: { readonly shell: ShellContext; readonly name: string },
): AsyncGenerator<unknown> {
  const outputs: unknown[] = [];
  for await (const output of flow) {
    outputs.push(output);
    yield output;
  }
  setVariable(shell, name, collapseOutputs(outputs));
}

async function* items(value: ArgumentValue): AsyncGenerator<unknown> {
  const whole = value.kind === "value" ? value.value : value.kind === "word" ? value.text : undefined;
  if (Array.isArray(whole)) yield* whole;
  else yield whole;
}

function isClosable(value: unknown): value is AsyncDisposable {
  return typeof value === "object" && value !== null && Symbol.asyncDispose in value;
}

function unknownCommand(name: string, shell: ShellContext): SyncError {
  const near = closestMatch(name, shell.commandNames());
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  return badInput(`${quote(name)} is no command.${hint} Get-Command lists all.`, "CommandNotFound");
}

const HELP_NAMES: ReadonlySet<string> = new Set(["?", "help"]);
const PENDING = { kind: "later" } as const satisfies ArgumentValue;
