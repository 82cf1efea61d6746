import { escapeForDisplay } from "../core/path.ts";
import { type AlgorithmCriteria, hostKeyAlgorithms, keyExchanges, usableCiphers, usableMacs } from "./algorithms.ts";
import { fieldsOf } from "./known_hosts.ts";

/** The algorithms that a server offers in its first message (RFC 4253, section 7.1). */
export interface ServerOffer {
  readonly keyExchanges: readonly string[];
  readonly hostKeys: readonly string[];
  readonly ciphers: readonly string[];
  readonly macs: readonly string[];
}

/**
 * Parses the first bytes of a server: lines, the last of which is its identification, then KEXINIT unencrypted. Returns
 * undefined while they are incomplete, and for bytes of another form.
 */
export function parseOffer(bytes: Uint8Array): ServerOffer | undefined {
  const text = new TextDecoder("latin1").decode(bytes);
  const identification = /(?:^|\n)SSH-[^\n]*\n/.exec(text);
  if (identification === null) return undefined;
  const start = identification.index + identification[0].length;
  if (bytes.length < start + 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(start);
  if (bytes.length < start + 4 + length || bytes[start + 5] !== KEXINIT) return undefined;
  const lists = fieldsOf(bytes.subarray(start + 6 + COOKIE, start + 4 + length), 6).map((list) =>
    new TextDecoder().decode(list).split(",").filter((name) => name !== "")
  );
  const [kex = [], hostKeys = [], toServer = [], toClient = [], macsToServer = [], macsToClient = []] = lists;
  const both = (names: readonly string[], others: readonly string[]) => names.filter((name) => others.includes(name));
  return { keyExchanges: kex, hostKeys, ciphers: both(toServer, toClient), macs: both(macsToServer, macsToClient) };
}

/**
 * Returns why no algorithm matches this server's offer and what allows one, as a clause. An option is named only if the
 * offer would then match.
 */
export function explainMismatch(offer: ServerOffer, legacy: boolean): string | undefined {
  const strict = offer.keyExchanges.includes("kex-strict-s-v00@openssh.com");
  const [missing] = unmatched(offer, { legacy, strict });
  if (missing === undefined) return undefined;
  if (!legacy && unmatched(offer, { legacy: true, strict }).length === 0) {
    return "the server is old and needs -AllowLegacyAlgorithms";
  }
  const shown = escapeForDisplay(missing.offered.join(", ").slice(0, MAX_SHOWN)) || "nothing";
  if (!strict && unmatched(offer, { legacy, strict: true }).length === 0) {
    return `the server offers ${shown} without strict key exchange, so that an attacker in between could remove packets ` +
      "unnoticed (CVE-2023-48795); update it, or let the system's ssh take that risk with -SshClient System";
  }
  return `for its ${missing.what} the server offers ${shown}, which the built-in client does not know; ` +
    "-SshClient System may know it";
}

interface Unmatched {
  readonly what: string;
  readonly offered: readonly string[];
}

/** Returns the kinds of algorithms of which none is offered by both sides. */
function unmatched(offer: ServerOffer, criteria: AlgorithmCriteria): readonly Unmatched[] {
  const ciphers = usableCiphers(criteria);
  const agreed = ciphers.find((name) => offer.ciphers.includes(name));
  const hasOwnMac = agreed !== undefined && /gcm|poly1305/.test(agreed);
  const kinds = [
    { what: "key exchange", offered: offer.keyExchanges, own: keyExchanges(criteria.legacy) },
    { what: "host key", offered: offer.hostKeys, own: hostKeyAlgorithms(criteria.legacy) },
    { what: "cipher", offered: offer.ciphers, own: ciphers },
    ...(hasOwnMac ? [] : [{ what: "MAC", offered: offer.macs, own: usableMacs(criteria) }]),
  ];
  return kinds.filter(({ offered, own }) => !own.some((name) => offered.includes(name)));
}

const KEXINIT = 20;
/** Bytes of the random cookie after the message number. */
const COOKIE = 16;
const MAX_SHOWN = 120;
