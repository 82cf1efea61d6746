import { badInput } from "../../core/errors.ts";
import type { ArgumentValue, ResolvedArgument } from "../bind/binder.ts";
import type { Argument, Expression, Pipeline } from "../parse/syntax.ts";
import { closestMatch, formatList, quote } from "../command/suggest.ts";

/**
 * The context for resolving expressions. `run` returns the output of a pipeline in brackets; undefined if it is not
 * known before a command has run.
 */
export interface Scope {
  variable(name: string): ArgumentValue | undefined;
  readonly names: Iterable<string>;
  environment(name: string): string | undefined;
  run(pipelines: readonly Pipeline[]): Promise<readonly unknown[] | undefined>;
}

const pending = { kind: "later" } as const;

/**
 * Returns arguments with their expressions resolved and @name expanded to named ones; undefined if the value of @name
 * is not known yet. Throws badInput for an unset variable.
 */
export async function resolveArguments(
  args: readonly Argument[],
  scope: Scope,
): Promise<readonly ResolvedArgument[] | undefined> {
  const given: ResolvedArgument[] = [];
  for (const arg of args) {
    if (arg.kind === "value") given.push({ kind: "value", value: await resolve(arg.value, scope) });
    else if (arg.kind === "splat") {
      const table = variableOf(arg, scope);
      if (table.kind === "later") return undefined;
      given.push(...expandSplat(arg, table));
    } else if (arg.value === undefined) given.push({ kind: "named", name: arg.name });
    else given.push({ kind: "named", name: arg.name, value: await resolve(arg.value, scope) });
  }
  return given;
}

/** Returns the value of an expression; "later" if it contains a pipeline that `scope.run` does not run. */
export async function resolve(expression: Expression, scope: Scope): Promise<ArgumentValue> {
  switch (expression.kind) {
    case "word":
      return { kind: "word", text: expression.text };
    case "text":
      return { kind: "value", value: expression.text };
    case "literal":
      return { kind: "value", value: expression.value };
    case "variable":
      return variableOf(expression, scope);
    case "env":
      return envOf(expression, scope);
    case "property":
      return propertyOf(await resolve(expression.of, scope), expression);
    case "joined":
      return resolveAll(expression.parts, scope, (values) => values.map(asText).join(""));
    case "list":
      return withRaw(await resolveAll(expression.items, scope, (values) => values.flat()), expression.raw);
    case "table":
      return resolveAll(
        expression.entries.map(([, value]) => value),
        scope,
        (values) => Object.fromEntries(expression.entries.map(([name], i) => [name, values[i]])),
      );
    case "pipeline": {
      const outputs = await scope.run(expression.pipelines);
      return outputs === undefined
        ? pending
        : { kind: "value", value: expression.always ? outputs : collapseOutputs(outputs) };
    }
    default:
      return expression satisfies never;
  }
}

/**
 * Returns the value that a variable gets from a pipeline's outputs: none is $null, one is itself, several are a list.
 */
export function collapseOutputs(outputs: readonly unknown[]): unknown {
  return outputs.length > 1 ? outputs : outputs.length === 0 ? null : outputs[0];
}

async function resolveAll(
  expressions: readonly Expression[],
  scope: Scope,
  make: (values: readonly unknown[]) => unknown,
): Promise<ArgumentValue> {
  const values: unknown[] = [];
  let isLater = false;
  for (const expression of expressions) {
    const value = await resolve(expression, scope);
    if (value.kind === "later") isLater = true;
    values.push(value.kind === "word" ? value.text : value.kind === "value" ? value.value : undefined);
  }
  return isLater ? pending : { kind: "value", value: make(values) };
}

function withRaw(value: ArgumentValue, raw: string | undefined): ArgumentValue {
  return value.kind === "value" && raw !== undefined ? { ...value, raw } : value;
}

function variableOf({ name, at }: { readonly name: string; readonly at: string }, scope: Scope): ArgumentValue {
  const value = scope.variable(name);
  if (value !== undefined) return value;
  const near = closestMatch(name, scope.names);
  const hint = near === undefined
    ? "Assign it first, or write '$' in single quotes for a dollar."
    : `Did you mean $${near}?`;
  throw badInput(`${at}: the variable $${shorten(name)} is not set. ${hint}`, "VariableIsUndefined");
}

function envOf({ name, at }: { readonly name: string; readonly at: string }, scope: Scope): ArgumentValue {
  const value = scope.environment(name);
  if (value !== undefined) return { kind: "value", value };
  throw badInput(
    `${at}: the environment variable ${shorten(name)} is not set. Set it, or leave $env:${shorten(name)} out.`,
    "VariableIsUndefined",
  );
}

function propertyOf(of: ArgumentValue, { name, at }: { readonly name: string; readonly at: string }): ArgumentValue {
  if (of.kind !== "value") return of;
  const { value } = of;
  if (/^-?\d+$/.test(name)) {
    const found: unknown = Array.isArray(value) ? value.at(Number(name)) : undefined;
    if (found !== undefined) return { kind: "value", value: found };
    throw badInput(
      `${at}: there is no item [${name}]; ${
        Array.isArray(value) ? `the list has ${value.length}` : "this is no list"
      }.`,
      "NullArrayIndex",
    );
  }
  const object = typeof value === "object" && value !== null ? value : {};
  const keys = [...Object.keys(object), ...gettersOf(object)];
  const key = keys.find((one) => one === name) ?? keys.find((one) => one.toLowerCase() === name.toLowerCase());
  if (key !== undefined) return { kind: "value", value: (object as Readonly<Record<string, unknown>>)[key] };
  const has = keys.length === 0 ? "" : ` It has ${formatList(keys, 8)}.`;
  throw badInput(
    `${at}: the value has no property ${quote(name)}.${has} For a text such as "$x.txt" write it in double quotes.`,
    "PropertyNotFound",
  );
}

function expandSplat(
  { name, at }: { readonly name: string; readonly at: string },
  table: ArgumentValue,
): readonly ResolvedArgument[] {
  const value = table.kind === "value" ? table.value : undefined;
  if (typeof value !== "object" || value === null) {
    throw badInput(
      `${at}: @${shorten(name)} needs a hashtable or a list in $${shorten(name)}.`,
      "CannotConvertArgument",
    );
  }
  if (Array.isArray(value)) return value.map((one) => ({ kind: "value", value: { kind: "value", value: one } }));
  return Object.entries(value).map(([key, one]) => ({
    kind: "named",
    name: key,
    value: { kind: "value", value: one },
  }));
}

/** The runtime's default text for an object. */
const DEFAULT_TEXT = String({});

/** Returns a value as part of a text: a list separated by blanks, $null as nothing, an object by its own toString(). */
function asText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(asText).join(" ");
  if (String(value) !== DEFAULT_TEXT) return String(value);
  throw badInput(
    `A text cannot hold an object that has ${formatList(Object.keys(value), 8)}: name one of them, as in "$($x.Name)".`,
    "CannotConvertArgument",
  );
}

/** Returns the names of an object's getters, through which a class instance exposes its values. */
function gettersOf(object: object): readonly string[] {
  const described = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object) ?? {}));
  return described.filter(([name, { get }]) => get !== undefined && !name.startsWith("__")).map(([name]) => name);
}

function shorten(name: string): string {
  return name.slice(0, 60);
}
