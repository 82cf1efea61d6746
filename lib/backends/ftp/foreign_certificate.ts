import { SyncError } from "../../core/errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import { explainUntrusted, isUntrustedCertificate } from "../../net/net_error.ts";

/**
 * Returns the operation's error if the certificate of a data connection was refused, otherwise undefined. The server's
 * own reply would be misleading.
 */
export function toCertificateError(error: unknown, context: OperationContext): SyncError | undefined {
  if (error instanceof SyncError ? error.kind !== "hostKey" : !isUntrustedCertificate(error)) return undefined;
  const why = error instanceof SyncError
    ? error.message
    : explainUntrusted(error instanceof Error ? error.message : "");
  return operationError(context, "hostKey", { why: `on the data connection, ${why}`, cause: error });
}
