import type { Mutant } from "./list.ts";

const echo = "tests/e2e/cli/secrets_echo_test.ts";
const redactor = "tests/unit/core/redactor_test.ts";

/** Sabotages of what keeps secrets and commands out of the output. */
export const mutantsOfWords: readonly Mutant[] = [
  {
    name: "TANDEM_PASSWORD goes to an address out of the pipe",
    file: "cmd/shared/password.ts",
    old: "if (general === undefined || !isForeign) return general;",
    new: 'if (general === undefined || general !== "") return general;',
    tests: [echo],
  },
  {
    name: "a password is not told to the redactor",
    file: "cmd/shared/connection_params.ts",
    old: "secret: async (name) => concealed(await secret(name)),",
    new: "secret,",
    tests: [echo],
  },
  {
    name: "an event keeps the words of the server",
    file: "cmd/sync_path.ts",
    old: "const event = context.redactor.redactEvent(next.value);",
    new: "const redactEvent = next.value;",
    tests: [echo],
  },
  {
    name: "a secret in base64 is seen only at the beginning of a group",
    file: "lib/core/redactor.ts",
    old: "const pieces = [0, 1, 2].map((before) => {",
    new: "const pieces = [0].map((before) => {",
    tests: [redactor],
  },
  {
    name: "a secret in hex is seen only without anything between its bytes",
    file: "lib/core/redactor.ts",
    old: ".join(BETWEEN_PAIRS);",
    new: '.join("");',
    tests: [redactor],
  },
  {
    name: "a secret whose bytes are escaped in part is shown",
    file: "lib/core/redactor.ts",
    old: 'if (bytes.length > 1 || character === "=") {',
    new: 'if (character === "=") {',
    tests: [redactor],
  },
  {
    name: "a name that is a command to GitHub is shown as it is",
    file: "lib/report/text.ts",
    old: "return escapeBuildCommands(escapeForDisplay(text));",
    new: "return escapeForDisplay(text);",
    tests: ["tests/unit/report/text_test.ts"],
  },
];
