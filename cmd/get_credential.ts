import { badInput } from "../lib/core/errors.ts";
import { type CommandContext, defineCommand } from "../lib/shell/command/command.ts";
import { concealedSecret, type Secret, secret, text } from "../lib/shell/command/param_types.ts";
import type { Credential } from "./shared/credential.ts";

export const getCredentialCommand = defineCommand({
  name: "Get-Credential",
  summary: "Asks for a user name and a password, and keeps them in one object.",
  examples: ["$c = Get-Credential deploy; New-Session -HostName web1 -Credential $c"],
  params: {
    UserName: {
      type: text,
      aliases: ["Credential"],
      position: 0,
      help: "The user that logs in; asked for at the terminal.",
    },
    Password: { type: secret, help: "The password; otherwise TANDEM_PASSWORD, otherwise asked for at the terminal." },
  },
  async *run(inputs, context): AsyncIterable<Credential> {
    for await (const { UserName, Password } of inputs) {
      const userName = UserName ?? await context.prompt("User name: ", true);
      if (userName === undefined || userName === "") {
        throw badInput(
          "There is no terminal to ask for the user name: write Get-Credential NAME.",
          "MissingMandatoryParameter",
        );
      }
      yield { userName, password: Password ?? await resolvePassword(context, userName) };
    }
  },
});

async function resolvePassword(context: CommandContext, userName: string): Promise<Secret> {
  const password = context.env("TANDEM_PASSWORD") || await context.prompt(`Password for ${userName}: `);
  if (password !== undefined) return concealedSecret(() => password);
  throw badInput(
    "There is no terminal to ask for the password: set the variable TANDEM_PASSWORD.",
    "MissingMandatoryParameter",
  );
}
