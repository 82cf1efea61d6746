import { createHash } from "node:crypto";
import { escapeForDisplay } from "../../core/path.ts";

/**
 * The identity of a pair of roots; history, locks and trash belong to one identity. `machine`: this machine's id;
 * `local`, `remote`: the real paths; `server`: scheme, host, port and user in canonical form; `peer`: the proven
 * identity of the server (its key), if there is one.
 */
export interface PairIdentity {
  readonly machine: string;
  readonly local: string;
  readonly server: string;
  readonly remote: string;
  readonly peer?: string;
}

/**
 * Returns the name for all state of the pair, 32 hex digits. A server that answers with another key keeps the name: see
 * describeOtherPair().
 */
export function pairName({ machine, local, server, remote }: PairIdentity): string {
  return createHash("sha256").update(JSON.stringify(["pair", machine, local, server, remote])).digest("hex").slice(
    0,
    32,
  );
}

/**
 * Describes how the pair in a state file differs from this one, for messages. Returns undefined if they are the same.
 */
export function describeOtherPair(now: PairIdentity, then: PairIdentity): string | undefined {
  if (then.machine !== now.machine) return "it was written by another machine";
  if (then.local !== now.local) return `it belongs to the local folder "${escapeForDisplay(then.local)}"`;
  if (then.server !== now.server || then.remote !== now.remote) {
    return `it belongs to the remote folder "${escapeForDisplay(then.remote)}" of ${escapeForDisplay(then.server)}`;
  }
  if (then.peer !== undefined && now.peer !== undefined && then.peer !== now.peer) {
    return "the server has another host key than when it was written";
  }
  return undefined;
}
