import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { commandNames, findCommand } from "../../cmd/get_help.ts";
import { commands } from "../../cmd/mod.ts";
import { toSealedSession } from "../../cmd/shared/session_output.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { makeReporter, outputFormats } from "../../lib/report/reporter.ts";
import { Redactor } from "../../lib/core/redactor.ts";
import { Session } from "../../lib/session/session.ts";
import type { CommandContext } from "../../lib/shell/command/command.ts";
import { evaluate, type ShellContext } from "../../lib/shell/run/evaluate.ts";
import { helpText } from "../../lib/shell/run/help.ts";
import { parse } from "../../lib/shell/parse/parser.ts";
import { findSecret } from "../support/secret_leaks.ts";
import { runs, seeded } from "../support/runs.ts";

/** Letters first, which no escape can hide, then what passwords are made of. */
const anySecret = fc.tuple(
  fc.string({
    unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    minLength: 12,
    maxLength: 16,
  }),
  fc.string({ unit: fc.constantFrom(..."09/+%41@:?#'\"$`; |&é世\\"), maxLength: 6 }),
).map(([core, rest]) => core + rest);

/** Ways in which a secret stands on a command line; nothing listens at port 1. */
const ways: readonly ((secret: string) => string)[] = [
  (secret) => `${inAddress("sftp", secret)} -Timeout 1s`,
  (secret) => inAddress("ftp", secret),
  (secret) => inAddress("davs", secret),
  (secret) => inAddress("nosuch", secret),
  (secret) => inAddress("sftp", secret).replace("://", ":/"),
  (secret) => inAddress("sftp", secret).replace(":1/", ":99999/"),
  (secret) => inAddress("sftp", secret).replace("127.0.0.1", "a b"),
  (secret) => inAddress("sftp", secret).replace("/x", "/%zz"),
  (secret) => `'me:${single(secret)}@127.0.0.1:/x'`,
  (secret) => `sftp://me@127.0.0.1:1/x -Password '${single(secret)}'`,
  (secret) => `sftp://me@127.0.0.1:1/x -Pass '${single(secret)}' -Port x`,
  (secret) => `sftp://me@127.0.0.1:1/x -Pasword '${single(secret)}'`,
  (secret) => `sftp://me@127.0.0.1:1/x -SshPrivateKeyPassphrase '${single(secret)}' -SshPrivateKeyPath /no/such/key`,
];

const lines: readonly ((words: string) => string)[] = [
  (words) => `New-Session ${words}`,
  (words) => `New-Session ${words} -Verbose`,
  (words) => `New-Session ${words} | Sync-Path . /x -Mode Both`,
  (words) => `$s = New-Session ${words}; $s`,
  (words) => `Sync-Path . ${words} -Mode Remote`,
  (words) => `Compare-Path . ${words} -Mode Upward`,
  (words) => `New-Sesion ${words}`,
  (words) => `New-Session ${words} -NoSuch 1`,
  (words) => `New-Session ${words} | `,
  (words) => `New-Session ${words} "unended`,
];

Deno.test("A command line shows its secrets in no format, whatever else is wrong with it (P20)", async () => {
  const property = fc.asyncProperty(
    anySecret,
    fc.constantFrom(...ways),
    fc.constantFrom(...lines),
    fc.constantFrom(...outputFormats),
    async (secret, way, line, format) => {
      const text = line(way(secret));
      const shown = await shownBy(text, format);
      assert.equal(findSecret(shown, secret), undefined, `${text}\nshows:\n${shown}`);
    },
  );
  await fc.assert(property, { numRuns: runs(300, 10_000, 2_000), ...seeded(20) });
});

function inAddress(scheme: string, secret: string): string {
  return `'${scheme}://me:${single(encodeURIComponent(secret))}@127.0.0.1:1/x'`;
}

/** Between single quotes of the shell. */
function single(text: string): string {
  return text.replaceAll("'", "''");
}

/** Both streams of a process that runs the line, as far as the process edge is not needed for it. */
async function shownBy(line: string, format: (typeof outputFormats)[number]): Promise<string> {
  const shown: string[] = [];
  const sink = (text: string) => void shown.push(text);
  const terminal = { columns: () => 80, outIsTerminal: false, errIsTerminal: false, color: false };
  const reporter = makeReporter(format, { out: sink, err: sink, ...terminal }, { now: () => 0, every: () => () => {} });
  const { signal } = new AbortController();
  await using stack = new AsyncDisposableStack();
  const world: ShellContext = {
    findCommand: (name) => findCommand(commands, name),
    commandNames: () => commandNames(commands),
    commandContext: (common, own): CommandContext => ({
      ...{ signal, abandon: signal, stack: own, common, interactive: false, columns: 80, machineName: "here" },
      redactor: new Redactor(),
      emit: (event, run) => reporter.event(event, { run, quiet: common.quiet, verbose: common.verbose }),
      observe: () => {},
      show: sink,
      warn: (message) => void reporter.warn(message),
      addResult: () => {},
      addError: (error) => void reporter.error(error),
      choose: () => Promise.resolve(undefined),
      prompt: () => Promise.resolve(undefined),
      now: () => 0,
      env: () => undefined,
    }),
    help: (command) => helpText(command, { width: 80 }),
    environment: () => undefined,
    variables: new Map(),
    stack,
  };
  try {
    for await (const value of evaluate(parse(line), world)) {
      await reporter.result(value instanceof Session ? await toSealedSession(value, () => undefined) : value);
    }
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    await reporter.error(error);
  }
  await reporter.end();
  return shown.join("");
}
