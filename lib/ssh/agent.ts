import { Buffer } from "node:buffer";

/** What an agent of the client library can be asked: the keys that it holds. */
interface Agent<Key> {
  getIdentities(done: (error?: Error | null, keys?: Key[]) => void): void;
}

/** The same agent, which now shows these public keys alone and in this order, as IdentitiesOnly wants; all of them without `keys`. */
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

/** The raw public key of what an agent lists, in any of the forms that the client library gives it. */
function rawKey(key: unknown): Uint8Array {
  if (key instanceof Uint8Array) return key;
  if (typeof key !== "object" || key === null) return new Uint8Array();
  if ("getPublicSSH" in key && typeof key.getPublicSSH === "function") return key.getPublicSSH();
  return "pubKey" in key ? rawKey(key.pubKey) : new Uint8Array();
}
