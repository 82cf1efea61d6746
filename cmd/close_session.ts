import { SyncError } from "../lib/core/errors.ts";
import { defineCommand } from "../lib/shell/command/command.ts";
import { listOf } from "../lib/shell/command/param_types.ts";
import { sessionOrResult } from "./shared/session_param.ts";

export const closeSessionCommand = defineCommand({
  name: "Close-Session",
  summary: "Closes a session.",
  aliases: [
    { name: "Remove-Session" },
    { name: "Exit-Session" },
    { name: "Remove-WinSCPSession" },
    { name: "Close-WinSCPSession" },
    { name: "Exit-WinSCPSession" },
  ],
  examples: ["Close-Session $s"],
  params: {
    Session: {
      type: listOf(sessionOrResult),
      aliases: ["WinSCPSession"],
      position: 0,
      fromPipe: "value",
      help: "The sessions to close. Results that come with them by pipe go on, and so does their exit code.",
    },
  } as const,
  wantsInput: (bound) => bound.Session === undefined,
  async *run(inputs): AsyncIterable<object> {
    let received = false;
    for await (const { Session } of inputs) {
      for (const one of Session ?? []) {
        received = true;
        if ("passing" in one) yield one.passing;
        else await one.close();
      }
    }
    // A command that was killed writes nothing, and must not be taken for one that succeeded.
    if (!received) {
      throw new SyncError(
        "connection",
        "No session came through the pipe: the command before this one returned none.",
        {
          operation: "read the session",
        },
      );
    }
  },
});
