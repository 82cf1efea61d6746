import { SyncError } from "../../core/errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import { isUntrusted, untrusted } from "../../net/net_error.ts";

/** The error of a data connection as that of its call when its certificate was refused: the server's own word for it would mislead. */
export function foreignCertificate(error: unknown, ask: OperationContext): SyncError | undefined {
  if (error instanceof SyncError ? error.kind !== "hostKey" : !isUntrusted(error)) return undefined;
  const why = error instanceof SyncError ? error.message : untrusted(error instanceof Error ? error.message : "");
  return operationError(ask, "hostKey", { why: `on the data connection, ${why}`, cause: error });
}
