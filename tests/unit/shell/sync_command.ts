import assert from "node:assert/strict";
import { badInput, SyncError } from "../../../lib/core/errors.ts";
import type { ResolvedArgument } from "../../../lib/shell/bind/binder.ts";
import { defineCommand, type ParamType } from "../../../lib/shell/command/command.ts";
import { parseWords } from "../../../lib/shell/parse/parser.ts";
import {
  duration,
  fingerprints,
  hashtable,
  listOf,
  oneOf,
  path,
  secret,
  text,
  toggle,
} from "../../../lib/shell/command/param_types.ts";

/** Something only a pipe or a variable can bring. */
export class Session {
  constructor(readonly label: string) {}
}

const session: ParamType<Session> = {
  name: "session",
  isObject: true,
  convert(value) {
    if (value instanceof Session) return value;
    throw badInput("expected a session", "CannotConvertArgument");
  },
};

/** A command with a parameter of every kind. */
export const sync = defineCommand({
  name: "Sync-Path",
  summary: "Makes one folder like another.",
  aliases: [{ name: "Sync-WinSCPPath", defaults: { Mode: "Local", RemotePath: "/" } }, { name: "Sync-Directory" }],
  params: {
    LocalPath: { type: path, position: 0, fallback: ".", fromPipe: "property", help: "The local folder." },
    RemotePath: { type: path, position: 1, fromPipe: "property", help: "The remote folder." },
    Mode: {
      type: oneOf("Local", "Remote", "Both"),
      mandatory: true,
      aliases: ["SyncMode"],
      fromPipe: "property",
      help: "Which side changes.",
    },
    Session: { type: session, fromPipe: "value", aliases: ["WinSCPSession"], help: "The session." },
    Criteria: { type: listOf(oneOf("Time", "Size", "Checksum")), fallback: ["Time"], help: "How files differ." },
    FileMask: { type: text, help: "Which files." },
    Remove: { type: toggle, exact: true, fallback: false, help: "Remove what the source lacks." },
    RemoteTrash: { type: path, help: "Where losers go." },
    Mirror: { type: toggle, exact: true, help: "Older files too." },
    Password: { type: secret, help: "The password." },
    Pin: { type: fingerprints, help: "Fingerprints." },
    Raw: { type: hashtable, help: "Settings." },
    Timeout: { type: duration, fallback: 15_000, help: "How long." },
    OldName: { type: text, hidden: true, help: "For old scripts." },
  },
  check({ Mode, Mirror }) {
    if (Mode === "Both" && Mirror) throw badInput("Both cannot mirror.", "CannotMirrorBoth");
  },
  async *run(each) {
    for await (const bound of each) yield bound;
  },
});

/** A program's arguments as the binder takes them. */
export function given(argv: readonly string[]): ResolvedArgument[] {
  const stage = parseWords(["x", ...argv])[0]?.pipeline[0];
  assert.ok(stage?.kind === "command");
  return stage.args.map((arg): ResolvedArgument => {
    if (arg.kind === "splat" || (arg.value !== undefined && arg.value.kind !== "word")) return assert.fail();
    return arg.kind === "named" && arg.value === undefined
      ? { kind: "named", name: arg.name }
      : arg as ResolvedArgument;
  });
}

/** The badInput that `run` throws; short enough for a terminal. */
export function complaint(run: () => unknown): SyncError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof SyncError && error.kind === "badInput", String(error));
    assert.ok(error.message.split("\n").length <= 3 && new TextEncoder().encode(error.message).length <= 600);
    return error;
  }
  assert.fail("nothing was thrown");
}
