import { failureReason, operationError } from "../../core/operation.ts";
import { SyncError } from "../../core/errors.ts";
import { statusOf } from "../../http/errors.ts";
import type { DavReply } from "./authenticated_http.ts";
import type { DavClient, PathContext } from "./client.ts";
import { encodePath } from "./href.ts";
import { sendPatiently } from "./patient_put.ts";

/** A MOVE or COPY. Paths are names from the server's root on. */
export interface MoveRequest {
  readonly method: "MOVE" | "COPY";
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly as: "file" | "folder";
  readonly overwrite: "T" | "F";
  /** The size of what is moved, for servers that copy it. */
  readonly size: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether it was carried out, by a look at both paths. */
  isDone(): Promise<boolean>;
}

/**
 * Sends MOVE or COPY. A server that takes the address in Destination for that of another server, because a proxy before
 * it ends TLS, is asked again with a path alone (RFC 4918, section 8.3), now and for the rest of the session. Returns
 * undefined if only the result was seen.
 */
export async function requestMove(
  client: DavClient,
  context: PathContext,
  move: MoveRequest,
): Promise<DavReply | undefined> {
  const { observed, http } = client;
  const { method, from, to, as, overwrite, size, isDone } = move;
  const send = async (origin: string) => {
    const headers = { ...move.headers, destination: origin + encodePath(to, as), overwrite };
    const request = { method, uri: encodePath(from, as), headers };
    return await sendPatiently(client, context, { request, size, isDone, gatewayStatuses: [504] });
  };
  if (observed.pathDestinations === true) return await send("").catch((error) => explained(error, { context, method }));
  try {
    return await send(http.origin);
  } catch (error) {
    const status = statusOf(error);
    // A server that names the time of the next attempt is busy, and has not looked at the address.
    const isAsked = error instanceof SyncError && error.facts.retryAfter !== undefined;
    if (context.signal.aborted || isAsked || !FOREIGN_STATUSES.includes(status ?? 0)) {
      return explained(error, { context, method });
    }
    if (status === 502 && await isDone().catch(() => false)) return undefined;
    const response = await send("").catch(() => explained(error, { context, method }));
    observed.pathDestinations = true;
    return response;
  }
}

/** The statuses with which servers refuse a Destination on another server: RFC 4918 names 502. */
const FOREIGN_STATUSES: readonly number[] = [400, 403, 502];
/** The statuses of a server that may not rename at all. */
const REFUSED_STATUSES: readonly number[] = [403, 405, 501, 502];

/** Whether the server refused a MOVE in a way that may concern every file. */
export function isMoveRefused(error: unknown): boolean {
  return REFUSED_STATUSES.includes(statusOf(error) ?? 0);
}

/** Rejects with the error, whose message names the method if it was refused. */
function explained(
  error: unknown,
  { context, method }: { readonly context: PathContext; readonly method: string },
): never {
  if (!(error instanceof SyncError) || !isMoveRefused(error)) throw error;
  throw operationError(context, error.kind, {
    why: `the server refused ${method}: ${failureReason(error)}`,
    cause: error.facts.cause,
    transient: error.facts.transient === true,
    ...(error.facts.retryAfter === undefined ? {} : { retryAfter: error.facts.retryAfter }),
  });
}
