import { badInput, SyncError } from "../../../lib/core/errors.ts";
import {
  type Command,
  type CommandContext,
  defineCommand,
  type ParamType,
} from "../../../lib/shell/command/command.ts";
import { evaluate, type ParamPrompt, type ShellContext } from "../../../lib/shell/run/evaluate.ts";
import { parse } from "../../../lib/shell/parse/parser.ts";
import { anyObject, listOf, oneOf, text, toggle } from "../../../lib/shell/command/param_types.ts";

/** Writes into `log` when it is closed. */
export class Session implements AsyncDisposable {
  constructor(readonly name: string, readonly log: string[]) {}
  get Opened(): boolean {
    return !this.log.includes(`close ${this.name}`);
  }
  [Symbol.asyncDispose](): Promise<void> {
    if (this.Opened) this.log.push(`close ${this.name}`);
    return Promise.resolve();
  }
}

const session: ParamType<Session> = {
  name: "session",
  isObject: true,
  convert(value) {
    if (value instanceof Session) return value;
    throw badInput("expected a session", "CannotConvertArgument");
  },
};

/** What a person and standard input would say. */
export interface Asked {
  readonly answers?: Readonly<Record<string, string>>;
  readonly input?: readonly unknown[];
}

/** Three commands, and a world that writes down what they do. */
export function makeWorld({ answers, input }: Asked = {}) {
  const log: string[] = [];
  const questions: ParamPrompt[] = [];
  const open = defineCommand({
    name: "New-Session",
    summary: "Opens.",
    params: {
      Address: { type: text, position: 0, mandatory: true, help: "Where." },
      Credential: { type: anyObject, help: "Who." },
    },
    async *run(each, host) {
      for await (const { Address } of each) {
        log.push(`open ${Address}`);
        yield host.stack.use(new Session(Address, log));
      }
    },
  });
  const sync = defineCommand({
    name: "Sync-Path",
    summary: "Syncs.",
    aliases: [{ name: "Sync-WinSCPPath", defaults: { Mode: "Local" } }, {
      name: "Sync-Here",
      defaults: { Path: "here" },
    }],
    params: {
      Path: { type: text, position: 0, fallback: ".", fromPipe: "property", help: "The folder." },
      Session: { type: session, fromPipe: "value", help: "The session." },
      Mode: {
        type: oneOf("Local", "Remote", "Both"),
        mandatory: true,
        early: true,
        fromPipe: "property",
        help: "Which side.",
      },
      Tags: { type: listOf(text), help: "Tags." },
      Mirror: { type: toggle, fallback: false, help: "Mirror." },
      Fail: { type: toggle, fallback: false, help: "Fail." },
    },
    wantsInput: ({ Session }) => Session === undefined,
    check({ Mode, Mirror }) {
      if (Mode === undefined) throw badInput("Which mode?");
      if (Mode === "Both" && Mirror) throw badInput("Both cannot mirror.", "CannotMirrorBoth");
    },
    async *run(each) {
      for await (const { Path, Session, Mode, Tags, Fail } of each) {
        log.push(`sync ${Path} ${Session?.name ?? "-"} ${Mode}${Tags === undefined ? "" : ` ${Tags.join("+")}`}`);
        if (Fail) throw new SyncError("connection", "lost", { operation: "sync" });
        yield { Type: "SyncResult", Path, IsSuccess: true };
      }
    },
  });
  const list = defineCommand({
    name: "Get-List",
    summary: "Lists.",
    params: { Items: { type: listOf(text), position: 0, fallback: [], help: "Items." } },
    async *run(each) {
      for await (const { Items } of each) yield* Items;
    },
  });
  const commands: readonly Command[] = [open, sync, list];
  const stack = new AsyncDisposableStack();
  const world: ShellContext = {
    findCommand: (name) =>
      commands.find((one) =>
        [one, ...one.aliases ?? []].some((known) => known.name.toLowerCase() === name.toLowerCase())
      ),
    commandNames: () => commands.map((one) => one.name),
    commandContext: (common, stack) => ({ common, stack }) as unknown as CommandContext,
    help: (command) => `help of ${command.name}`,
    environment: (name) => name === "USER" ? "me" : undefined,
    variables: new Map(),
    stack,
    ...(answers === undefined ? {} : {
      prompt: (question: ParamPrompt) => {
        questions.push(question);
        return Promise.resolve(answers[question.name]);
      },
    }),
    ...(input === undefined ? {} : {
      input: async function* () {
        log.push("read input");
        yield* input;
      },
    }),
  };
  const run = (line: string) => Array.fromAsync(evaluate(parse(line), world));
  return { world, log, questions, run };
}
