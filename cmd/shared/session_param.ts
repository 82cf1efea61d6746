import type { Address } from "../../lib/backends/mod.ts";
import { badInput } from "../../lib/core/errors.ts";
import { openSession, Session } from "../../lib/session/session.ts";
import { openState } from "../../lib/session/state_folder.ts";
import { openTicket, ticketAddress } from "../../lib/session/session_token.ts";
import type { Host, ParamType } from "../../lib/shell/command/command.ts";
import { worldOf } from "./connection_params.ts";
import type { Ticket } from "../../lib/core/session_record.ts";

/** A session that was passed to a command: an open one, or the JSON line of one from another process. */
export interface GivenSession {
  readonly address: Address;
  /**
   * Returns the open session; `own` if it was opened here and the caller has to close it. Rejects as New-Session does.
   */
  open(host: Host): Promise<{ readonly session: Session; readonly own: boolean }>;
  close(): Promise<void>;
}

/** A Session object, or the line that New-Session wrote to a pipe. */
export const sessionInput: ParamType<GivenSession> = {
  name: "Session",
  isObject: true,
  convert(value) {
    if (value instanceof Session) {
      return {
        address: value.reach.address,
        open: () => Promise.resolve({ session: value, own: false }),
        close: () => value[Symbol.asyncDispose](),
      };
    }
    if (isTicket(value)) {
      return {
        address: ticketAddress(value),
        open: (host) => reopen(value, host),
        close: () => Promise.resolve(),
      };
    }
    throw badInput(`-Session takes a session of New-Session, not ${describe(value)}.`, "CannotConvertArgument");
  },
};

/** A result that arrived through the pipe besides a session. */
export interface Passing {
  readonly passing: object;
}

/** A session, or a result that is passed through unchanged. */
export const sessionOrResult: ParamType<GivenSession | Passing> = {
  name: "Session",
  isObject: true,
  convert: (value) => isResult(value) ? { passing: value } : sessionInput.convert(value),
};

function isResult(value: unknown): value is object {
  return typeof value === "object" && value !== null && "Type" in value && value.Type === "SyncResult";
}

async function reopen(ticket: Ticket, host: Host): Promise<{ session: Session; own: boolean }> {
  const state = await openState({ env: host.env });
  const { reach, secret } = openTicket(ticket, await state.sealingKey(), { now: host.now() });
  return { session: await openSession(reach, worldOf(host, secret), host), own: true };
}

function isTicket(value: unknown): value is Ticket {
  return typeof value === "object" && value !== null && "Type" in value && value.Type === "Session";
}

function describe(value: unknown): string {
  if (typeof value === "string") return `the text "${value.slice(0, 40)}"`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "another object" : `a ${typeof value}`;
}
