import { badInput, type SyncError } from "../../core/errors.ts";
import { bind, type Binding, type Given, missingParameters, type Value } from "../bind/binder.ts";
import { fold } from "../bind/names.ts";
import type { Command, Common, Host, Param } from "../command/command.ts";
import { gathered, resolve, resolveArguments, type Scope } from "./resolve.ts";
import type { CommandStage, Pipeline, Statement } from "../parse/syntax.ts";
import { closeAfter, closeStack } from "./pipe.ts";
import { nearest, quoted } from "../command/suggest.ts";

/** A mandatory parameter that a user at a terminal may still supply. */
export interface Question {
  readonly command: string;
  readonly name: string;
  readonly param: Param<unknown>;
}

/**
 * The context of a command line. `variables`: keys in lower case. `stack` closes the objects that variables keep open.
 * `ask`: absent if no user can be asked; returns undefined if the user does not answer. `input`: objects on standard
 * input, read only for a first command that wants them.
 */
export interface World {
  find(name: string): Command | undefined;
  names(): readonly string[];
  host(common: Common, stack: AsyncDisposableStack): Host;
  help(command: Command): string;
  environment(name: string): string | undefined;
  readonly variables: Map<string, unknown>;
  readonly stack: AsyncDisposableStack;
  ask?(question: Question): Promise<string | undefined>;
  input?(): AsyncIterable<unknown>;
}

/**
 * Runs statements in order and yields their output. Every command, parameter and variable of ALL statements is resolved
 * and checked before the first one runs. Everything a pipeline opened is closed when it ends, in reverse order, also
 * after a failure; only if it assigned a closable object to a variable, that stays open until the world's stack is
 * closed. Throws SyncError.
 */
export async function* evaluate(statements: readonly Statement[], world: World): AsyncGenerator<unknown> {
  await checkStatements(statements, world);
  for (const statement of statements) yield* runStatement(statement, world);
}

/**
 * A command with its parameters, ready to run. `input`: standard input feeds it. `early`: its check can run before any
 * command. `lacking`: mandatory parameters that neither arguments nor the pipe can supply.
 */
interface Ready {
  readonly command: Command;
  readonly as: string;
  readonly given: readonly Given[];
  readonly binding: Binding;
  readonly input: boolean;
  readonly early: boolean;
  readonly lacking: readonly string[];
}

interface Setting {
  readonly world: World;
  readonly scope: Scope;
  readonly feeder: Feeder;
}

/** The input of a stage: nothing, values (which open nothing), or a command. */
type Feeder = "nothing" | "values" | "command";

async function* runStatement({ assign, pipeline }: Statement, world: World): AsyncGenerator<unknown> {
  const stack = new AsyncDisposableStack();
  const outputs: unknown[] = [];
  try {
    const { flow, keeper, whole } = await startPipeline(pipeline, world, stack);
    const isKept = assign !== undefined || keeper;
    for await (const output of flow) {
      if (isKept) outputs.push(output);
      if (assign === undefined) yield output;
    }
    if (assign !== undefined) setVariable(world, assign, whole === undefined ? gathered(outputs) : whole.value);
    if (isKept && outputs.flat().some(isClosable)) world.stack.use(stack.move());
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
async function startPipeline(pipeline: Pipeline, world: World, stack: AsyncDisposableStack) {
  const scope = liveScope(world, stack);
  const starts: ((flow: AsyncIterable<unknown> | undefined) => AsyncIterable<unknown>)[] = [];
  const fromVariable: AsyncDisposable[] = [];
  let keeper = false;
  let keepOpen = pipeline.length === 1;
  let whole: { readonly value: unknown } | undefined;
  for (const [index, stage] of pipeline.entries()) {
    if (stage.kind === "value") {
      const value = await resolve(stage.value, scope);
      if (pipeline.length === 1 && value.kind === "value") whole = value;
      if (value.kind === "value") fromVariable.push(...[value.value].flat().filter(isClosable));
      starts.push(() => items(value));
      continue;
    }
    const bound = await bindStage(stage, { world, scope, feeder: feederOf(pipeline, index) });
    if (bound === undefined) continue;
    if ("help" in bound) return { flow: items({ kind: "value", value: bound.help }), keeper, whole };
    const { command, binding, input } = await askMissing(bound, world, index > 0);
    const { outVariable } = binding;
    keepOpen ||= binding.bound["KeepOpen"] === true;
    keeper = outVariable !== undefined;
    starts.push((flow) => {
      const objects = flow ?? (input ? world.input?.() : undefined);
      const each = binding.each(objects, { literal: feederOf(pipeline, index) === "values" });
      const output = command.run(each, world.host(binding.common, stack));
      return outVariable === undefined ? output : remember(output, { world, name: outVariable });
    });
  }
  // An object piped in from a variable is closed with the pipeline, as in the WinSCP module, unless a command has
  // -KeepOpen.
  if (!keepOpen) { for (const value of fromVariable) stack.use(value); }
  let flow: AsyncIterable<unknown> | undefined;
  for (const start of starts) flow = start(flow);
  return { flow: flow ?? items({ kind: "value", value: [] }), keeper, whole };
}

async function bindStage(
  stage: CommandStage,
  { world, scope, feeder }: Setting,
): Promise<Ready | { readonly help: string } | undefined> {
  const command = world.find(stage.name);
  if (command === undefined) throw unknownCommand(stage.name, world);
  const given = await resolveArguments(stage.args, scope);
  if (given === undefined) return undefined;
  if (given.some((one) => one.kind === "named" && HELP.has(fold(one.name)))) return { help: world.help(command) };
  const piped = feeder !== "nothing";
  const binding = bind(command, given, { as: stage.name, piped, report: true });
  if (piped && !binding.takesInput) {
    throw badInput(
      `${command.name} takes nothing from the pipe here. Put ; in place of |, or leave out what the pipe brings.`,
      "InputObjectNotBound",
    );
  }
  const wantsInput = binding.isKnown ? command.wantsInput?.(binding.bound) === true : command.wantsInput !== undefined;
  const input = !piped && world.input !== undefined && wantsInput;
  const lacking = binding.missing.filter((name) => {
    const param = command.params[name];
    if (param?.fromPipe === undefined || !(piped || input)) return true;
    return feeder === "command" && param.early === true;
  });
  return { command, as: stage.name, given, binding, input, early: !input && feeder !== "values", lacking };
}

async function askMissing(ready: Ready, world: World, piped: boolean): Promise<Ready> {
  const { command, lacking } = ready;
  if (lacking.length === 0) return ready;
  const given = [...ready.given];
  for (const name of lacking) {
    const param = command.params[name];
    const answer = param === undefined ? undefined : await world.ask?.({ command: command.name, name, param });
    if (answer === undefined) throw missingParameters(command, lacking);
    given.push({ kind: "named", name, value: { kind: "word", text: answer } });
  }
  const binding = bind(command, given, { as: ready.as, piped: piped || ready.input });
  if (ready.early) binding.check();
  return { ...ready, given, binding, lacking: [] };
}

/**
 * Checks every statement as far as possible without running anything. Variables assigned earlier count as set, with a
 * value that is not known yet. A command's check uses the values of the line, unless values or standard input, which
 * open nothing, supply the rest: then each object is checked.
 */
async function checkStatements(statements: readonly Statement[], world: World): Promise<void> {
  const set = new Map<string, Value>();
  const scope: Scope = {
    ...liveScope(world, world.stack),
    variable: (name) => set.get(name) ?? variableOf(world, name),
    names: [...world.variables.keys(), ...statements.flatMap((one) => one.assign ?? [])],
    async run(pipelines) {
      for (const pipeline of pipelines) await checkPipeline(pipeline, { world, scope }, set);
      return undefined;
    },
  };
  for (const { assign, pipeline } of statements) {
    const value = await checkPipeline(pipeline, { world, scope }, set);
    if (assign !== undefined) set.set(assign, value);
  }
}

async function checkPipeline(
  pipeline: Pipeline,
  { world, scope }: Pick<Setting, "world" | "scope">,
  set: Map<string, Value>,
): Promise<Value> {
  for (const [index, stage] of pipeline.entries()) {
    if (stage.kind === "value") {
      const value = await resolve(stage.value, scope);
      if (pipeline.length === 1) return value;
      continue;
    }
    const bound = await bindStage(stage, { world, scope, feeder: feederOf(pipeline, index) });
    if (bound === undefined) continue;
    if ("help" in bound) break;
    if (bound.lacking.length > 0 && world.ask === undefined) throw missingParameters(bound.command, bound.lacking);
    if (bound.lacking.length === 0 && bound.early) bound.binding.check();
    if (bound.binding.outVariable !== undefined) set.set(bound.binding.outVariable.toLowerCase(), LATER);
  }
  return LATER;
}

function feederOf(pipeline: Pipeline, index: number): Feeder {
  if (index === 0) return "nothing";
  return pipeline[index - 1]?.kind === "value" ? "values" : "command";
}

function liveScope(world: World, stack: AsyncDisposableStack): Scope {
  return {
    variable: (name) => variableOf(world, name),
    names: world.variables.keys(),
    environment: (name) => world.environment(name),
    async run(pipelines) {
      const outputs: unknown[] = [];
      for (const pipeline of pipelines) {
        const { flow } = await startPipeline(pipeline, world, stack);
        for await (const output of flow) outputs.push(output);
      }
      return outputs;
    },
  };
}

function variableOf(world: World, name: string): Value | undefined {
  return world.variables.has(name) ? { kind: "value", value: world.variables.get(name) } : undefined;
}

function setVariable(world: World, name: string, value: unknown): void {
  world.variables.set(name.replace(/^\$/, "").toLowerCase(), value);
}

/** Passes objects on and assigns them to a variable after the last one. */
async function* remember(
  flow: AsyncIterable<unknown>,
  { world, name }: { readonly world: World; readonly name: string },
): AsyncGenerator<unknown> {
  const outputs: unknown[] = [];
  for await (const output of flow) {
    outputs.push(output);
    yield output;
  }
  setVariable(world, name, gathered(outputs));
}

async function* items(value: Value): AsyncGenerator<unknown> {
  const whole = value.kind === "value" ? value.value : value.kind === "word" ? value.text : undefined;
  if (Array.isArray(whole)) yield* whole;
  else yield whole;
}

function isClosable(value: unknown): value is AsyncDisposable {
  return typeof value === "object" && value !== null && Symbol.asyncDispose in value;
}

function unknownCommand(name: string, world: World): SyncError {
  const near = nearest(name, world.names());
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  return badInput(`${quoted(name)} is no command.${hint} Get-Command lists all.`, "CommandNotFound");
}

const HELP: ReadonlySet<string> = new Set(["?", "help"]);
const LATER = { kind: "later" } as const satisfies Value;
