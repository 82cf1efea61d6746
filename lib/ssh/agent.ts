import { Buffer } from "node:buffer";

/** The part of the client library's agent that is used here: the list of its keys. */
interface Agent<Key> {
  getIdentities(done: (error?: Error | null, keys?: Key[]) => void): void;
}

/** Limits the agent to these public keys, in this order, as IdentitiesOnly requires. Without `keys` it offers all. */
export function limitAgent<Key, A extends Agent<Key>>(
  agent: A & Agent<Key>,
  keys: readonly Uint8Array[] | undefined,
): A {
  if (keys === undefined) return agent;
  const all = agent.getIdentities.bind(agent);
  agent.getIdentities = (done) =>
    all((error, held) => {
      if (held === undefined) return done(error);
      done(error, keys.flatMap((wanted) => held.filter((key) => Buffer.compare(rawKey(key), wanted) === 0)));
    });
  return agent;
}

/** Returns the raw public key of an agent's list entry, in any of the forms that the client library uses. */
function rawKey(key: unknown): Uint8Array {
  if (key instanceof Uint8Array) return key;
  if (typeof key !== "object" || key === null) return new Uint8Array();
  if ("getPublicSSH" in key && typeof key.getPublicSSH === "function") return key.getPublicSSH();
  return "pubKey" in key ? rawKey(key.pubKey) : new Uint8Array();
}
