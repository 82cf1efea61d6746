import type { Session } from "../lib/session/session.ts";
import { defineCommand } from "../lib/shell/command/command.ts";
import { listOf, positiveDuration, text } from "../lib/shell/command/param_types.ts";
import { loginParams, openSessionFor, toConnectionSpec } from "./shared/connection_params.ts";

export const newSessionCommand = defineCommand({
  name: "New-Session",
  summary: "Connects to a server, checks who answers, and logs in.",
  aliases: [
    { name: "Open-Session" },
    { name: "New-WinSCPSession" },
    { name: "Open-WinSCPSession" },
    { name: "Enter-WinSCPSession" },
  ],
  notes: [
    "The pipeline that makes a session closes it. Between processes a session travels as one JSON line that only you, on this machine, can open, for ten minutes.",
  ],
  examples: [
    "New-Session sftp://deploy@web1 | Sync-Path ./site /var/www -Mode Remote",
    "$s = New-Session -HostName web1 -UserName deploy; Sync-Path ./site /var/www -Mode Both -Session $s; Close-Session $s",
  ],
  params: {
    Address: {
      type: listOf(text),
      position: 0,
      fromPipe: "value",
      help: "scheme://user@host:port/path; several make several sessions.",
    },
    SessionLifetime: {
      type: positiveDuration,
      fallback: 600_000,
      help: "How long the JSON line of the session opens: 10m.",
    },
    ...loginParams,
  },
  check(bound) {
    for (const address of bound.Address ?? [undefined]) toConnectionSpec(bound, address);
  },
  async *run(inputs, context): AsyncIterable<Session> {
    for await (const bound of inputs) {
      for (const address of bound.Address ?? [undefined]) {
        const session = await openSessionFor(bound, address, context);
        context.stack.use(session);
        session.lifetime = bound.SessionLifetime;
        yield session;
      }
    }
  },
});
