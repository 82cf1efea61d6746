import { type AnyCommand, defineCommand } from "../lib/shell/command/command.ts";
import { text } from "../lib/shell/command/param_types.ts";

/** An output object of Get-Command: one command. */
export interface CommandInfo {
  readonly Type: "Command";
  readonly Name: string;
  readonly Summary: string;
  readonly Aliases: readonly string[];
  readonly Parameters: readonly string[];
}

/** Returns Get-Command for a table of commands. The table is a function because it contains the command itself. */
export function getCommandCommand(commands: () => readonly AnyCommand[]) {
  return defineCommand({
    name: "Get-Command",
    summary: "Lists the commands.",
    examples: ["Get-Command", "Get-Command *-Session"],
    params: {
      Name: { type: text, position: 0, fallback: "*", help: "Only commands of this name; * stands for anything." },
    },
    async *run(inputs): AsyncIterable<CommandInfo> {
      for await (const { Name } of inputs) {
        for (const command of commands()) {
          const aliases = (command.aliases ?? []).map((alias) => alias.name);
          if (![command.name, ...aliases].some((name) => matchesPattern(name, Name))) continue;
          yield {
            Type: "Command",
            Name: command.name,
            Summary: command.summary,
            Aliases: aliases,
            Parameters: Object.entries(command.params).filter(([, param]) => !param.hidden).map(([name]) => name),
          };
        }
      }
    },
  });
}

/** Whether the name matches. `*` matches any text, as in PowerShell; case-insensitive. */
function matchesPattern(name: string, pattern: string): boolean {
  const source = pattern.split("*").map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&")).join(".*");
  return new RegExp(`^${source}$`, "i").test(name);
}
