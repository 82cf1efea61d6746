import { type ArgumentValue, missingParametersError } from "../bind/binder.ts";
import type { Pipeline, Statement } from "../parse/syntax.ts";
import { closeAfter, closeStack } from "./pipe.ts";
import { collapseOutputs, resolve, type Scope } from "./resolve.ts";
import {
  bindStage,
  inputOfStage,
  isConstant,
  type LineContext,
  promptForMissing,
  type ShellContext,
  type StageContext,
} from "./stage.ts";

export type { ParamPrompt, ShellContext } from "./stage.ts";

/**
 * Runs statements in order and yields their output. Every command, parameter and variable of ALL statements is resolved
 * and checked before the first one runs. Everything a pipeline opened is closed when it ends, in reverse order, also
 * after a failure; only if it assigned a closable object to a variable, that stays open until the shell's stack is
 * closed. Throws SyncError.
 */
export async function* evaluate(statements: readonly Statement[], shell: ShellContext): AsyncGenerator<unknown> {
  const line: LineContext = { ...shell, checked: new Map() };
  await checkStatements(statements, line);
  for (const statement of statements) yield* runStatement(statement, line);
}

async function* runStatement({ assign, pipeline }: Statement, shell: LineContext): AsyncGenerator<unknown> {
  const stack = new AsyncDisposableStack();
  const outputs: unknown[] = [];
  try {
    const { flow, keepsOutput, singleValue } = await startPipeline(pipeline, shell, stack);
    const isKept = assign !== undefined || keepsOutput;
    for await (const output of flow) {
      if (isKept) outputs.push(output);
      if (assign === undefined) yield output;
    }
    if (assign !== undefined) {
      setVariable(shell, assign, singleValue === undefined ? collapseOutputs(outputs) : singleValue.value);
    }
    if (isKept && outputs.flat().some(isClosable)) shell.stack.use(stack.move());
  } catch (error) {
    throw await closeAfter(stack, error);
  } finally {
    await closeStack(stack);
  }
}

/**
 * Binds every stage, then chains them; until then only pipelines in brackets have run. `keepsOutput`: the last command has
 * -OutVariable, which is like an assignment; `singleValue`: one value, which a variable takes as it is.
 */
async function startPipeline(pipeline: Pipeline, shell: LineContext, stack: AsyncDisposableStack) {
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
    const bound = shell.checked.get(stage) ??
      await bindStage(stage, { shell, scope, source: inputOfStage(pipeline, index) });
    if (bound === undefined) continue;
    if ("help" in bound) {
      return { flow: items({ kind: "value", value: bound.help }), keepsOutput, singleValue };
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
  return { flow: flow ?? items({ kind: "value", value: [] }), keepsOutput, singleValue };
}

/**
 * Checks every statement as far as possible without running anything. Variables assigned earlier count as set, with a
 * value that is not known yet. A command's check uses the values of the line, unless values or standard input, which
 * open nothing, supply the rest: then each object is checked.
 */
async function checkStatements(statements: readonly Statement[], shell: LineContext): Promise<void> {
  const set = new Map<string, ArgumentValue>();
  const scope: Scope = {
    ...liveScope(shell, shell.stack),
    variable: (name) => set.get(name) ?? variableOf(shell, name),
    names: [...shell.variables.keys(), ...statements.flatMap((one) => one.assign ?? [])],
    async run(pipelines) {
      for (const pipeline of pipelines) await checkPipeline(pipeline, { shell, scope }, set);
      return undefined;
    },
  };
  for (const { assign, pipeline } of statements) {
    const value = await checkPipeline(pipeline, { shell, scope }, set);
    if (assign !== undefined) set.set(assign, value);
  }
}

async function checkPipeline(
  pipeline: Pipeline,
  { shell, scope }: Pick<StageContext, "shell" | "scope">,
  set: Map<string, ArgumentValue>,
): Promise<ArgumentValue> {
  for (const [index, stage] of pipeline.entries()) {
    if (stage.kind === "value") {
      const value = await resolve(stage.value, scope);
      if (pipeline.length === 1) return value;
      continue;
    }
    const bound = await bindStage(stage, { shell, scope, source: inputOfStage(pipeline, index) });
    if (bound === undefined) continue;
    if ("help" in bound) break;
    if (stage.args.every(isConstant)) shell.checked.set(stage, bound);
    if (bound.unsupplied.length > 0 && shell.prompt === undefined) {
      throw missingParametersError(bound.command, bound.unsupplied);
    }
    if (bound.unsupplied.length === 0 && bound.checksEarly) bound.binding.check();
    if (bound.binding.outVariable !== undefined) set.set(bound.binding.outVariable.toLowerCase(), PENDING);
  }
  return PENDING;
}

function liveScope(shell: LineContext, stack: AsyncDisposableStack): Scope {
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

function variableOf(shell: LineContext, name: string): ArgumentValue | undefined {
  return shell.variables.has(name) ? { kind: "value", value: shell.variables.get(name) } : undefined;
}

function setVariable(shell: LineContext, name: string, value: unknown): void {
  shell.variables.set(name.replace(/^\$/, "").toLowerCase(), value);
}

/** Passes objects on and assigns them to a variable after the last one. */
async function* captureOutput(
  flow: AsyncIterable<unknown>,
  { shell, name }: { readonly shell: LineContext; readonly name: string },
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

const PENDING = { kind: "later" } as const satisfies ArgumentValue;
