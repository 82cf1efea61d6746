import config from "../../deno.json" with { type: "json" };
import { badInput } from "../../lib/core/errors.ts";
import { type OutputFormat, outputFormats } from "../../lib/report/reporter.ts";
import { parse, parseWords, type Statement } from "../../lib/shell/parse/parser.ts";
import { splitName } from "../../lib/shell/parse/words.ts";
import { oneOf } from "../../lib/shell/command/param_types.ts";

/** The parsed arguments of the program. `source` "input" or a path: the text of the commands has not been read yet. */
export interface ProgramArguments {
  readonly format: OutputFormat;
  readonly source: { readonly statements: readonly Statement[] } | "input" | { readonly path: string };
}

/** The version of Tandem, which deno.json alone names. */
export const { version } = config;

/**
 * Parses the program's arguments: options of the shell first (-OutputFormat, -Command, -File, -Help, -Version), then a
 * command with its parameters. Throws badInput.
 */
export function parseProgramArguments(argv: readonly string[]): ProgramArguments {
  let format: OutputFormat = "Auto";
  let rest = argv;
  for (;;) {
    const [word, ...more] = rest;
    const option = word === undefined ? undefined : splitName(word);
    if (option === undefined) return { format, source: { statements: parseCommandWords(rest) } };
    const name = findOptionName(option.name);
    if (name === "Help") return { format, source: { statements: parseWords(["Get-Help", ...more]) } };
    if (name === "Version") return { format, source: { statements: parse(`'tandem ${version}'`) } };
    const value = option.value ?? more.shift();
    if (value === undefined) throw badInput(`-${name} needs a value: ${optionValues[name]}.`, "MissingArgument");
    if (name === "Command") {
      const text = [value, ...more].join(" ");
      return { format, source: text === "-" ? "input" : { statements: parse(text) } };
    }
    if (name === "File") {
      if (more.length > 0) {
        throw badInput(`-File takes one path; "${more[0]}" is left over.`, "PositionalParameterNotFound");
      }
      return { format, source: { path: value } };
    }
    format = parseOutputFormat(value);
    rest = more;
  }
}

const optionValues = {
  OutputFormat: outputFormats.join(", "),
  Command: "commands, or - to read them from standard input",
  File: "a script",
  Help: "",
  Version: "",
} as const;

function parseCommandWords(words: readonly string[]): readonly Statement[] {
  if (words.length > 0) return parseWords(words);
  throw badInput(
    'No command is given. "tandem Get-Help" lists them; try: tandem Sync-Path ./site sftp://user@host/path -Mode Remote',
    "CommandNotFound",
  );
}

function findOptionName(word: string): keyof typeof optionValues {
  const folded = word.toLowerCase().replaceAll("-", "");
  if (folded === "?" || folded === "h") return "Help";
  const names = Object.keys(optionValues) as (keyof typeof optionValues)[];
  const [found, other] = names.filter((name) => name.toLowerCase().startsWith(folded));
  if (found !== undefined && other === undefined) return found;
  throw badInput(
    `"-${word}" comes before any command, where only -OutputFormat, -Command, -File, -Help and -Version may stand.`,
    "NamedParameterNotFound",
  );
}

function parseOutputFormat(value: string): OutputFormat {
  try {
    return oneOf(...outputFormats).convert(value);
  } catch (error) {
    if (error instanceof Error) throw badInput(`-OutputFormat: ${error.message}.`, "CannotConvertArgument");
    throw error;
  }
}
