import { badInput } from "../lib/core/errors.ts";
import { defineCommand, type ParamType } from "../lib/shell/command/command.ts";
import { concealedSecret, listOf, type Secret, secret, text } from "../lib/shell/command/param_types.ts";
import type { Credential } from "./shared/credential.ts";

const anyValue: ParamType<unknown> = { name: "value", convert: (value) => value };

/** New-Object, for the two types that scripts of the WinSCP module create: PSCredential and SecureString. */
export const newObjectCommand = defineCommand({
  name: "New-Object",
  summary: "Makes a PSCredential (user name, secure string) or an empty SecureString.",
  examples: [
    "New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList deploy, (New-Object System.Security.SecureString)",
  ],
  params: {
    TypeName: {
      type: text,
      position: 0,
      mandatory: true,
      help: "PSCredential or SecureString, with or without its namespace.",
    },
    ArgumentList: {
      type: listOf(anyValue),
      aliases: ["Args"],
      position: 1,
      fallback: [],
      help: "What the object is made of.",
    },
  },
  async *run(inputs): AsyncIterable<Credential | Secret> {
    for await (const { TypeName, ArgumentList } of inputs) yield createObject(TypeName, ArgumentList);
  },
});

function createObject(typeName: string, list: readonly unknown[]): Credential | Secret {
  const short = typeName.toLowerCase().replace(/^(?:system\.)?(?:management\.automation\.|security\.|net\.)?/, "");
  if (short === "securestring" && list.length === 0) return concealedSecret(() => "");
  if ((short === "pscredential" || short === "networkcredential") && list.length === 2) {
    const [userName, password] = list;
    if (typeof userName === "string" && userName !== "") return { userName, password: secret.convert(password) };
  }
  throw badInput(
    `New-Object makes a PSCredential of a user name and a secure string, or an empty SecureString, not "${typeName}".`,
    "TypeNotFound",
  );
}
