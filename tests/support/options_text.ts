import { newSessionCommand } from "../../cmd/new_session.ts";
import { clearTrashCommand } from "../../cmd/clear_trash.ts";
import { getTrashItemCommand } from "../../cmd/get_trash_item.ts";
import { restoreTrashItemCommand } from "../../cmd/restore_trash_item.ts";
import { loginParams } from "../../cmd/shared/connection_params.ts";
import { syncParams } from "../../cmd/shared/sync_params.ts";
import { syncPathCommand } from "../../cmd/sync_path.ts";
import type { Param, Params } from "../../lib/shell/command/command.ts";
import { formatFallback } from "../../lib/shell/run/help.ts";

/**
 * Parameters that programs lack: an address is an argument of its own, and what stays open or goes on in a pipe is
 * decided by the program's own variables.
 */
const SHELL_ONLY: ReadonlySet<string> = new Set(["Address", "KeepOpen", "PassThru"]);

/** What a program may pass, in TypeScript, by the name of the parameter's type. */
const TYPES: Readonly<Record<string, string>> = {
  proxy: "string",
  "text": "string",
  "path": "string",
  "switch": "boolean",
  "number": "number",
  "size": "number | string",
  "duration": "number | string",
  "N|P%": "number | `${number}%`",
  "secret": "SecretText",
  "fingerprint[]": "string | readonly string[]",
  "credential": "LoginName",
  "Session": "Session",
  "TrashItem[]": "string | TrashRecord | readonly (string | TrashRecord)[]",
};

/** Units that the help of a parameter leaves out, because they belong to its type. */
const UNITS: Readonly<Record<string, string>> = {
  "size": "Bytes, or a text such as 1.5G.",
  "duration": "Milliseconds, or a text such as 10s.",
};

/** Returns the option types of mod.ts by their files: one interface per function, one field per parameter. */
export function optionsFiles(): Readonly<Record<string, string>> {
  const compare = without(syncParams, loginParams);
  const connection = [
    "The address of a server and the login: parameters of New-Session, Sync-Path and Compare-Path.",
    ...["ConnectionOptions extends ProgramOptions", loginParams],
  ] as const;
  return {
    "cmd/shared/connection_options.ts": [
      `import type { LoginName, ProgramOptions, SecretText } from "./program_options.ts";`,
      NOTICE,
      interfaceText(...connection),
    ].join("\n\n") + "\n",
    "cmd/shared/command_options.ts": [
      [
        `import type { ConnectionOptions } from "./connection_options.ts";`,
        `import type { ProgramOptions, Session } from "./program_options.ts";`,
        `import type { TrashRecord } from "./trash_location.ts";`,
      ].join("\n"),
      NOTICE,
      interfaceText(
        "The options of newSession(): New-Session's parameters in camelCase.",
        "SessionOptions extends ConnectionOptions",
        without(newSessionCommand.params, loginParams),
      ),
      interfaceText(
        "The options of comparePath(): Compare-Path's parameters in camelCase.",
        "CompareOptions extends ConnectionOptions",
        compare,
      ),
      interfaceText(
        "The options of syncPath(): Sync-Path's parameters in camelCase.",
        "SyncOptions extends CompareOptions",
        without(syncPathCommand.params, syncParams),
      ),
      interfaceText(
        "The options of getTrashItem(): Get-TrashItem's parameters in camelCase.",
        "TrashOptions extends ProgramOptions",
        getTrashItemCommand.params,
      ),
      interfaceText(
        "The options of restoreTrashItem(): Restore-TrashItem's parameters in camelCase.",
        "RestoreOptions extends ConnectionOptions",
        without(restoreTrashItemCommand.params, loginParams),
      ),
      interfaceText(
        "The options of clearTrash(): Clear-Trash's parameters in camelCase.",
        "ClearOptions extends ConnectionOptions",
        without(clearTrashCommand.params, loginParams),
      ),
    ].join("\n\n") + "\n",
  };
}

const NOTICE = "// Written by `deno task options` from the parameter tables; a test compares the two.";

function without(params: Params, others: Params): Params {
  return Object.fromEntries(Object.entries(params).filter(([name]) => !(name in others)));
}

function interfaceText(comment: string, head: string, params: Params): string {
  const fields = Object.entries(params).filter(([name]) => !SHELL_ONLY.has(name)).map(fieldText);
  return `/** ${comment} */\nexport interface ${head} {\n${fields.join("\n")}\n}`;
}

function fieldText([name, param]: readonly [string, Param<unknown>]): string {
  const { help, mandatory, fromPipe, fallback } = param;
  const isNeeded = mandatory === true && fromPipe !== "value";
  const standard = formatFallback(param);
  const facts = [
    help.replace(/(?<![.…])$/, "."),
    ...(UNITS[param.type.name] === undefined ? [] : [UNITS[param.type.name]]),
    ...(fallback === undefined || standard === undefined ? [] : [`Default: ${standard}.`]),
  ];
  const field = `${name.charAt(0).toLowerCase()}${name.slice(1)}${isNeeded ? "" : "?"}`;
  return `${commentText(facts.join(" "))}\n  readonly ${typed(field, param.type)};`;
}

function typed(field: string, { name, values, isList }: Param<unknown>["type"]): string {
  if (values === undefined) {
    const type = TYPES[name.endsWith("[]") && !(name in TYPES) ? name.slice(0, -2) : name];
    if (type === undefined) throw new Error(`No TypeScript type is known for the parameter type "${name}".`);
    return `${field}: ${name in TYPES ? type : `${type} | readonly ${type}[]`}`;
  }
  const quoted = values.map((value) => JSON.stringify(value));
  if (isList === true) return `${field}: readonly (${quoted.join(" | ")})[]`;
  const line = `${field}: ${quoted.join(" | ")}`;
  return line.length <= 107 ? line : `${field}:\n${quoted.map((one) => `    | ${one}`).join("\n")}`;
}

/** Returns a doc comment of a field, wrapped at 120 columns. */
function commentText(text: string): string {
  if (text.length <= 110) return `  /** ${text} */`;
  const lines: string[] = [];
  let line = "   *";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > 120) {
      lines.push(line);
      line = "   *";
    }
    line += ` ${word}`;
  }
  return `  /**\n${[...lines, line].join("\n")}\n   */`;
}
