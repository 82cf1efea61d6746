import { defineCommand } from "../lib/shell/command.ts";
import { listOf } from "../lib/shell/types.ts";
import { sessionInput } from "./session_input.ts";

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
      type: listOf(sessionInput),
      aliases: ["WinSCPSession"],
      position: 0,
      fromPipe: "value",
      help: "The sessions to close.",
    },
  },
  wantsInput: (bound) => bound.Session === undefined,
  async *run(each): AsyncIterable<never> {
    for await (const { Session } of each) {
      for (const session of Session ?? []) await session.close();
    }
  },
});
