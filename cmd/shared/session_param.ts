import type { Address } from "../../lib/backends/mod.ts";
import { openSession, Session } from "../../lib/session/session.ts";
import { openStateFolder } from "../../lib/session/state_folder.ts";
import { sealedAddress, unsealSession } from "../../lib/session/session_token.ts";
import type { CommandContext, ParamType } from "../../lib/shell/command/command.ts";
import { conversionError } from "../../lib/shell/command/param_types.ts";
import { toSessionContext } from "./connection_params.ts";
import type { SealedSession } from "../../lib/core/session_record.ts";

/** A session that was passed to a command: an open one, or the JSON line of one from another process. */
export interface SessionSource {
  readonly address: Address;
  /**
   * Returns the open session; `own` if it was opened here and the caller has to close it. Rejects as New-Session does.
   */
  open(context: CommandContext): Promise<{ readonly session: Session; readonly own: boolean }>;
  close(): Promise<void>;
}

/** A Session object, or the line that New-Session wrote to a pipe. */
export const sessionInput: ParamType<SessionSource> = {
  name: "Session",
  isObject: true,
  convert(value) {
    if (value instanceof Session) {
      return {
        address: value.spec.address,
        open: () => Promise.resolve({ session: value, own: false }),
        close: () => value[Symbol.asyncDispose](),
      };
    }
    if (isSealedSession(value)) {
      return {
        address: sealedAddress(value),
        open: (context) => openSealedSession(value, context),
        close: () => Promise.resolve(),
      };
    }
    throw conversionError(`expected a session of New-Session, not ${describeValue(value)}`);
  },
};

/** A result that arrived through the pipe besides a session. */
export interface EarlierResult {
  readonly passing: object;
}

/** A session, or a result that is passed through unchanged. */
export const sessionOrResult: ParamType<SessionSource | EarlierResult> = {
  name: "Session",
  isObject: true,
  convert: (value) => isResult(value) ? { passing: value } : sessionInput.convert(value),
};

function isResult(value: unknown): value is object {
  return typeof value === "object" && value !== null && "Type" in value && value.Type === "SyncResult";
}

async function openSealedSession(
  sealed: SealedSession,
  context: CommandContext,
): Promise<{ session: Session; own: boolean }> {
  const state = await openStateFolder({ env: context.env });
  const { spec, secret } = unsealSession(sealed, await state.sealingKey(), { now: context.now() });
  return { session: await openSession(spec, toSessionContext(context, secret), context), own: true };
}

function isSealedSession(value: unknown): value is SealedSession {
  return typeof value === "object" && value !== null && "Type" in value && value.Type === "Session";
}

function describeValue(value: unknown): string {
  if (typeof value === "string") return `the text "${value.slice(0, 40)}"`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "another object" : `a ${typeof value}`;
}
