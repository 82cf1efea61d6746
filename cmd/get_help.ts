import { findProtocol } from "../lib/backends/mod.ts";
import { isAddress } from "../lib/core/address.ts";
import { badInput } from "../lib/core/errors.ts";
import { type AnyCommand, defineCommand } from "../lib/shell/command/command.ts";
import { commandList, type HelpOptions, helpText } from "../lib/shell/run/help.ts";
import { closestMatch } from "../lib/shell/command/suggest.ts";
import { text } from "../lib/shell/command/param_types.ts";
import { protocolName } from "./shared/protocol_params.ts";

/** Returns Get-Help for a table of commands. The table is a function because it contains the command itself. */
export function getHelpCommand(commands: () => readonly AnyCommand[]) {
  return defineCommand({
    name: "Get-Help",
    summary: "Explains a command and its parameters.",
    examples: ["Get-Help Sync-Path", "Get-Help New-Session -Protocol Sftp"],
    params: {
      Name: { type: text, position: 0, fromPipe: "value", help: "The command to explain; all of them by default." },
      Protocol: { type: protocolName, help: "The only protocol whose parameters are explained." },
    },
    async *run(inputs, context): AsyncIterable<string> {
      for await (const { Name, Protocol: protocol } of inputs) {
        const options = { protocol, ...(context.columns === undefined ? {} : { width: context.columns }) };
        if (Name === undefined && protocol !== undefined) {
          throw badInput(`-Protocol needs a command: write Get-Help New-Session -Protocol ${protocol}.`);
        }
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

/** Returns what the help of a command line can leave out, by the address among its words. */
export function addressFacts(words: readonly string[]): Pick<HelpOptions, "protocol" | "hasAddress"> {
  const address = words.find((word) => isAddress(word));
  if (address === undefined) return {};
  return { hasAddress: true, protocol: findProtocol(address.slice(0, address.indexOf(":")))?.names[0] };
}

/** Returns every name that a command line may begin with. */
export function commandNames(commands: readonly AnyCommand[]): readonly string[] {
  return commands.flatMap(namesOf);
}

function namesOf(command: AnyCommand): string[] {
  return [command.name, ...(command.aliases ?? []).map((alias) => alias.name)];
}

function commandHelp(commands: readonly AnyCommand[], name: string, options: HelpOptions): string {
  const command = findCommand(commands, name);
  if (command !== undefined) return helpText(command, options);
  const near = closestMatch(name, commandNames(commands));
  const hint = near === undefined ? "Get-Command lists them all." : `Did you mean ${near}?`;
  throw badInput(`There is no command "${name}". ${hint}`, "CommandNotFound");
}
