import { badInput } from "../lib/core/errors.ts";
import { type AnyCommand, defineCommand } from "../lib/shell/command/command.ts";
import { commandList, helpText } from "../lib/shell/run/help.ts";
import { closestMatch } from "../lib/shell/command/suggest.ts";
import { text } from "../lib/shell/command/param_types.ts";

/** Returns Get-Help for a table of commands. The table is a function because it contains the command itself. */
export function getHelpCommand(commands: () => readonly AnyCommand[]) {
  return defineCommand({
    name: "Get-Help",
    summary: "Explains a command and its parameters.",
    examples: ["Get-Help Sync-Path"],
    params: {
      Name: { type: text, position: 0, fromPipe: "value", help: "The command to explain; all of them by default." },
    },
    async *run(inputs, context): AsyncIterable<string> {
      for await (const { Name } of inputs) {
        const options = context.columns === undefined ? {} : { width: context.columns };
        yield Name === undefined ? commandList(commands(), options) : commandHelp(commands(), Name, options);
      }
    },
  });
}

/** Returns the command of that name or alias, case-insensitive. */
export function findCommand(commands: readonly AnyCommand[], name: string): AnyCommand | undefined {
  const wanted = name.toLowerCase();
  return commands.find((command) => namesOf(command).some((own) => own.toLowerCase() === wanted));
}

/** Returns every name that a command line may begin with. */
export function commandNames(commands: readonly AnyCommand[]): readonly string[] {
  return commands.flatMap(namesOf);
}

function namesOf(command: AnyCommand): string[] {
  return [command.name, ...(command.aliases ?? []).map((alias) => alias.name)];
}

function commandHelp(commands: readonly AnyCommand[], name: string, options: { readonly width?: number }): string {
  const command = findCommand(commands, name);
  if (command !== undefined) return helpText(command, options);
  const near = closestMatch(name, commandNames(commands));
  const hint = near === undefined ? "Get-Command lists them all." : `Did you mean ${near}?`;
  throw badInput(`There is no command "${name}". ${hint}`, "CommandNotFound");
}
