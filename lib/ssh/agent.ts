import { fieldsOf, keyType } from "./known_hosts.ts";

/**
 * Returns the raw public keys of an SSH agent, certificates included, in its order; undefined if it does not answer, or
 * on a system whose agents are reached in another way (draft-miller-ssh-agent, section 4.4).
 */
export async function listAgentKeys(socket: string): Promise<readonly Uint8Array[] | undefined> {
  if (Deno.build.os === "windows") return undefined;
  try {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    const timer = setTimeout(() => connection.close(), TIMEOUT_MS);
    try {
      await connection.write(new Uint8Array([0, 0, 0, 1, REQUEST_IDENTITIES]));
      const reply = await readReply(connection);
      return reply?.[0] === IDENTITIES_ANSWER ? parseIdentities(reply) : undefined;
    } finally {
      clearTimeout(timer);
    }
  } catch {
    // An agent that is gone or silent is skipped, as by ssh.
    return undefined;
  }
}

/** The kinds of an agent's keys: those that the built-in client signs with, and those that only ssh can use. */
export function kindOfKey(key: Uint8Array): "plain" | "certificate" | "securityKey" {
  const type = keyType(key);
  if (type.includes("-cert-v0")) return "certificate";
  return type.startsWith("sk-") ? "securityKey" : "plain";
}

const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const TIMEOUT_MS = 5_000;
const MAX_REPLY = 1 << 20;

/** Reads one message, without its length. */
async function readReply(connection: Deno.Conn): Promise<Uint8Array | undefined> {
  let bytes = new Uint8Array();
  const chunk = new Uint8Array(16_384);
  while (true) {
    if (bytes.length >= 4) {
      const length = new DataView(bytes.buffer).getUint32(0);
      if (length > MAX_REPLY) return undefined;
      if (bytes.length >= 4 + length) return bytes.slice(4, 4 + length);
    }
    const count = await connection.read(chunk);
    if (count === null) return undefined;
    const longer = new Uint8Array(bytes.length + count);
    longer.set(bytes);
    longer.set(chunk.subarray(0, count), bytes.length);
    bytes = longer;
  }
}

/** Returns the keys of the answer, which alternate with their comments after their number. */
function parseIdentities(reply: Uint8Array): readonly Uint8Array[] {
  const fields = fieldsOf(reply.subarray(5), Infinity);
  return fields.filter((_, index) => index % 2 === 0).map((key) => new Uint8Array(key));
}
