import type { SyncError } from "../../lib/core/errors.ts";
import type { OperationContext } from "../../lib/core/operation.ts";
import { type ResponseHead, responseToSyncError, type StatusMeaning } from "../../lib/http/errors.ts";

/** Returns the error of a request that the server refused. */
export function toSyncError(context: OperationContext, answer: ResponseHead): SyncError {
  return responseToSyncError(context, answer, meanings);
}

/** The meaning of each status: the kind, a clause for the message, and whether the request may be made again. */
const meanings: Readonly<Record<number, StatusMeaning>> = {
  401: ["auth", "the server does not accept the password"],
  403: ["denied", "permission denied"],
  404: ["notFound", "it does not exist, or the folder above it does not"],
  409: ["exists", "an entry of another kind has this name"],
  412: ["changed", "it is not what it was when it was listed"],
  413: ["full", "the server takes no file of this size"],
  429: ["busy", "the server asks for fewer requests", true],
  503: ["busy", "the server is overloaded (503)", true],
};
