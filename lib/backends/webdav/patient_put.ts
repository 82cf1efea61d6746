import { SyncError } from "../../core/errors.ts";
import { failureReason, operationError } from "../../core/operation.ts";
import type { HttpRequest, RequestBody } from "../../http/client.ts";
import { statusOf } from "../../http/errors.ts";
import { delay } from "../../net/abort.ts";
import type { DavReply } from "./authenticated_http.ts";
import type { DavClient, PathContext } from "./client.ts";

/** A request whose last byte may be followed by a long silence. `size`: the bytes that the server has to process. */
export interface PatientRequest {
  readonly request: HttpRequest;
  readonly size: number;
  /** The statuses that leave open whether it was carried out; 502 and 504 by default. */
  readonly gatewayStatuses?: readonly number[];
  /** Whether the server has carried out the request, by a look at its result. */
  isDone(): Promise<boolean>;
}

/**
 * Sends a request and waits for its reply by the size of the file. If the reply is lost, or a gateway gave up meanwhile,
 * the result is looked for before anything is sent again. Returns undefined if only the result was seen.
 */
export async function sendPatiently(
  client: DavClient,
  context: PathContext & { readonly acceptedStatuses?: readonly number[] },
  { request, size, isDone, gatewayStatuses = GATEWAY_STATUSES }: PatientRequest,
): Promise<DavReply | undefined> {
  const { patience, http } = client;
  const replyTimeout = patience.replyMs + patience.replyMsPerGiB * (size / GIB);
  let sentAt = typeof request.body === "object" ? undefined : performance.now();
  const onSent = () => void (sentAt = performance.now());
  const body: RequestBody | undefined = typeof request.body === "object" ? { ...request.body, onSent } : undefined;
  try {
    const response = await http.sendOk({ ...request, ...(body === undefined ? {} : { body }), replyTimeout }, context);
    await response.discard();
    client.doubtfulUploads.delete(keyOf(context));
    return response;
  } catch (error) {
    if (sentAt === undefined || context.signal.aborted || !isInDoubt(error, gatewayStatuses)) throw error;
    const isGateway = statusOf(error) !== undefined;
    const waited = performance.now() - sentAt;
    const isSlow = waited >= patience.slowMs || (!isGateway && error.kind === "timeout");
    // A server that names the time of the next attempt has not taken this one.
    const isAsked = error.facts.retryAfter !== undefined;
    const budget = isSlow ? Math.max(0, replyTimeout - waited) : isGateway ? patience.gatewayMs : 0;
    const seen = await appears(isDone, {
      ...context,
      budget: isAsked ? 0 : budget,
      delays: patience.lookDelays,
      isPersistent: isSlow,
    });
    if (seen === "done") return;
    const isUncounted = isAsked || (!isSlow && (!isGateway || seen === "unknown"));
    throw isUncounted ? error : onceAgain(client, context, error);
  }
}

const GIB = 1 << 30;
const GATEWAY_STATUSES: readonly number[] = [502, 504];

/** Whether the server may have carried out the request although it was not confirmed. */
function isInDoubt(error: unknown, gatewayStatuses: readonly number[]): error is SyncError {
  if (!(error instanceof SyncError)) return false;
  const status = statusOf(error);
  if (status !== undefined) return gatewayStatuses.includes(status);
  return error.kind === "timeout" || error.kind === "connection";
}

interface LookOptions extends PathContext {
  readonly budget: number;
  readonly delays: readonly number[];
  /** Whether to go on after a look that fails: it proves nothing, and the server may come back. */
  readonly isPersistent: boolean;
}

/** Looks for the result until it is there or the time is over. A server that answers nothing at all is not waited for. */
async function appears(
  isDone: () => Promise<boolean>,
  { budget, isPersistent, delays, ...context }: LookOptions,
): Promise<"done" | "absent" | "unknown"> {
  const end = performance.now() + budget;
  for (let look = 0;; look++) {
    await delay(delays[Math.min(look, delays.length - 1)] ?? 0, context);
    const seen = await isDone().then((isThere) => isThere ? "done" : "absent", () => "unknown" as const);
    if (seen === "done" || (seen === "unknown" && !isPersistent)) return seen;
    if (performance.now() >= end || context.signal.aborted) return seen;
  }
}

/** Lets a file be sent a second time and no more: what takes minutes each time would take them five times. */
function onceAgain(client: DavClient, context: PathContext, error: SyncError): SyncError {
  const key = keyOf(context);
  const count = (client.doubtfulUploads.get(key) ?? 0) + 1;
  client.doubtfulUploads.set(key, count);
  if (count < 2) return error;
  return operationError(context, error.kind, {
    why: `${failureReason(error)}, after all of it was sent twice; a later run looks again`,
    cause: error.facts.cause,
    transient: false,
  });
}

function keyOf({ serverPath }: PathContext): string {
  return serverPath.join("/");
}
