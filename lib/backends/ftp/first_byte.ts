import { type OperationContext, operationError } from "../../core/operation.ts";
import { dialTcp } from "../../net/tcp.ts";
import type { Transport } from "../../net/transport.ts";
import type { ControlConnection } from "./control_connection.ts";

/**
 * Reads the first bytes of a listing, which a server may collect for minutes. Rejects with timeout, not worth another
 * attempt, after `limit` ms; and earlier if the server can no longer be reached by another connection.
 */
export async function readFirst(
  data: Transport,
  { control, context, limit, into }: {
    readonly control: ControlConnection;
    readonly context: OperationContext;
    readonly limit: number;
    readonly into: Uint8Array<ArrayBuffer>;
  },
): Promise<number | undefined> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  given.catch(() => {});
  const { settings: { timeout, ...server } } = control;
  const probe = async () => (await dialTcp(server, timeout)).close();
  const late = () => {
    const why = `the server began no listing in ${Math.round(limit / 1000)} s`;
    reject(operationError(context, "timeout", { why, transient: false }));
  };
  const timer = setTimeout(late, limit);
  // A server that works on it is not stuck: others that wait for a connection wait on.
  const pulse = setInterval(() => control.onProgress(), timeout / 4);
  const probing = setInterval(() => probe().catch(reject), timeout);
  try {
    return await Promise.race([data.read(into, { untimed: true }), given]);
  } finally {
    clearTimeout(timer);
    clearInterval(pulse);
    clearInterval(probing);
  }
}
