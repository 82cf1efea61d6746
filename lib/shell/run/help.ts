import { commonParams } from "../bind/names.ts";
import type { Command, Param } from "../command/command.ts";

/** Options of the help text. */
export interface HelpOptions {
  /** The maximum line length in characters; 80 by default, never below 40. */
  readonly width?: number;
  /** The only protocol whose parameters are explained; all of them by default. */
  readonly protocol?: string | undefined;
  /** Whether the command line holds an address: parameters that replace one are left out. */
  readonly hasAddress?: boolean;
}

/**
 * Returns Get-Help's text of a command, generated from its parameter table: plain text without colours, lines at most
 * `width` long.
 */
export function helpText(command: Command, options: HelpOptions = {}): string {
  const width = Math.max(40, options.width ?? 80);
  const aliases = command.aliases?.map((alias) => alias.name) ?? [];
  const shown = Object.entries(command.params).filter(([, param]) =>
    param.hidden !== true && !(options.hasAddress === true && param.replacesAddress === true)
  ).sort(byPosition);
  const general = shown.filter(([, param]) => param.protocols === undefined);
  const sections = [
    ["NAME", [command.name]],
    ["SYNOPSIS", [command.summary]],
    ["SYNTAX", [syntaxOf(command.name, general, shown.length > general.length)]],
    ["ALIASES", aliases.length === 0 ? [] : [aliases.join(", ")]],
    ["DESCRIPTION", command.notes ?? []],
  ] as const;
  const parts = sections.filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) =>
      `${title}\n${
        lines.map((line) => wrap(line, { width, indent: 4, hanging: title === "SYNTAX" ? 8 : 4 })).join("\n")
      }`
    );
  const params = general.map(([name, param]) => describeParam(name, param, width));
  const common = Object.keys(commonParams).map((name) => `-${name}`).join(", ");
  const every = wrap(`Every command also takes ${common}.`, { width, indent: 4, hanging: 4 });
  parts.push(`PARAMETERS\n${[...params, every].join("\n\n")}`);
  for (const { names, rows } of protocolGroups(shown, options.protocol)) {
    const lines = rows.map(([name, param]) => describeParam(name, param, width));
    parts.push(`PARAMETERS OF ${names.join(", ").toUpperCase()}\n${lines.join("\n\n")}`);
  }
  const examples = command.examples ?? [];
  if (examples.length > 0) parts.push(`EXAMPLES\n${examples.map((example) => indent(example, 4)).join("\n")}`);
  return parts.join("\n\n") + "\n";
}

/** Returns Get-Command's text: one line per command, its name and summary. */
export function commandList(commands: readonly Command[], options: HelpOptions = {}): string {
  const width = Math.max(40, options.width ?? 80);
  const sorted = [...commands].sort((a, b) => (a.name < b.name ? -1 : 1));
  const column = Math.max(0, ...sorted.map((command) => command.name.length)) + 2;
  return sorted.map((command) => {
    const line = command.name.padEnd(column) + command.summary;
    return wrap(line, { width, indent: 0, hanging: Math.min(column, width - 20) });
  }).join("\n") + "\n";
}

type ParamRow = readonly [string, Param<unknown>];

function byPosition([, a]: ParamRow, [, b]: ParamRow): number {
  return rank(a) - rank(b);
}

function rank(param: Param<unknown>): number {
  return param.position ?? (param.mandatory === true ? 100 : 200);
}

/** Returns the parameters of each protocol, with the help that they have there. */
function protocolGroups(
  rows: readonly ParamRow[],
  only: string | undefined,
): readonly { readonly names: readonly string[]; readonly rows: readonly ParamRow[] }[] {
  const groups = new Map<string, { readonly names: readonly string[]; readonly rows: ParamRow[] }>();
  for (const [name, param] of rows) {
    for (const { names, help } of param.protocols ?? []) {
      if (only !== undefined && !names.includes(only)) continue;
      const group = groups.get(names.join()) ?? { names, rows: [] };
      group.rows.push([name, { ...param, help }]);
      groups.set(names.join(), group);
    }
  }
  return [...groups.values()];
}

function syntaxOf(name: string, rows: readonly ParamRow[], hasProtocols: boolean): string {
  const words = rows.map(([param, { type, position, mandatory }]) => {
    const flag = position === undefined ? `-${param}` : `[-${param}]`;
    const value = type.isSwitch === true ? flag : `${flag} <${type.name.length > 40 ? "value" : type.name}>`;
    return mandatory === true ? value : `[${value}]`;
  });
  const more = hasProtocols ? ["[parameters of the protocol]"] : [];
  return [name, ...words, ...more, "[common parameters]"].join(" ");
}

function describeParam(name: string, param: Param<unknown>, width: number): string {
  const value = param.type.isSwitch === true ? "" : ` <${param.type.values === undefined ? param.type.name : "value"}>`;
  const facts = [
    ...(param.mandatory === true ? ["needed"] : []),
    ...(param.position === undefined ? [] : [`position ${param.position}`]),
    ...(param.type.isList === true ? ["several with commas"] : []),
    ...(param.exact === true ? ["written in full"] : []),
    ...(param.fromPipe === undefined ? [] : [param.fromPipe === "value" ? "from the pipe" : "from the pipe by name"]),
    ...((param.aliases ?? []).length === 0 ? [] : [`also ${param.aliases?.map((alias) => `-${alias}`).join(", ")}`]),
    ...(formatFallback(param) === undefined ? [] : [`default ${formatFallback(param)}`]),
  ];
  const values = param.type.values === undefined ? [] : [`Values: ${param.type.values.join(", ")}.`];
  const lines = [param.help, ...values, ...(facts.length === 0 ? [] : [`(${facts.join("; ")})`])];
  const head = wrap(`-${name}${value}`, { width, indent: 4, hanging: 8 });
  return [head, ...lines.map((line) => wrap(line, { width, indent: 8, hanging: 8 }))].join("\n");
}

/** Returns a default to show in help: not of a secret, and not the "off" of a switch. */
export function formatFallback({ fallback, type }: Param<unknown>): string | undefined {
  if (fallback === undefined || type.isSecret === true || fallback === false) return undefined;
  if (typeof fallback === "string" || typeof fallback === "boolean") return String(fallback);
  if (type.name === "duration" && typeof fallback === "number") {
    return fallback % 1000 === 0 ? `${fallback / 1000}s` : `${fallback}ms`;
  }
  if (typeof fallback === "number") return String(fallback);
  return Array.isArray(fallback) && fallback.every((one) => typeof one === "string") ? fallback.join(",") : undefined;
}

interface WrapOptions {
  readonly width: number;
  readonly indent: number;
  readonly hanging: number;
}

/** Wraps a line at blanks; a word longer than the line is not split. */
function wrap(text: string, { width, indent: first, hanging }: WrapOptions): string {
  const lines: string[] = [];
  let line = " ".repeat(first) + (/^\S+ {2,}/.exec(text)?.[0] ?? "");
  let isEmpty = line.trim() === "";
  for (const word of text.slice(line.length - first).split(/\s+/).filter((one) => one !== "")) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line.trimEnd());
      line = " ".repeat(hanging);
      isEmpty = true;
    }
    line += isEmpty || line.endsWith(" ") ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line.trimEnd()].join("\n");
}

function indent(text: string, by: number): string {
  return text.split("\n").map((line) => " ".repeat(by) + line).join("\n");
}
