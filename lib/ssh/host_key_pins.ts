import { createHash } from "node:crypto";
import { badInput } from "../core/errors.ts";
import { fingerprint, keyType } from "./known_hosts.ts";

/** A host key fingerprint given by the user: it alone decides whether a host key is trusted. */
export interface HostKeyPin {
  readonly type: string | undefined;
  readonly algorithm: "SHA256" | "MD5";
  /** "SHA256:…" as fingerprint() returns it, or 32 lower-case hex digits. */
  readonly value: string;
}

/**
 * Reads pins, several in one text with ";" between them: "ssh-ed25519 255 SHA256:…", "SHA256:…", the 43 characters alone (also in the
 * URL-safe alphabet), or sixteen MD5 pairs with ":" or "-". Throws badInput naming the one that is malformed.
 */
export function parsePins(texts: readonly string[]): readonly HostKeyPin[] {
  return texts.flatMap((text) => text.split(";")).map((text) => text.trim()).filter((text) => text !== "").map(
    parsePin,
  );
}

/** Whether this is the pinned key. */
export function matchesPin(pin: HostKeyPin, key: Uint8Array): boolean {
  if (pin.type !== undefined && pin.type !== keyType(key)) return false;
  if (pin.algorithm === "SHA256") return pin.value === fingerprint(key);
  return pin.value === createHash("md5").update(key).digest("hex");
}

const PREFIX =
  /^(?:(ssh-rsa|rsa-sha2-256|rsa-sha2-512|ssh-dss|ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521))[ -])?(?:\d{1,5}[ -])?/i;
const SHA256 = new RegExp(`${PREFIX.source}(?:SHA256:)?([A-Za-z0-9+/_-]{43})=?$`, "i");
const MD5 = new RegExp(`${PREFIX.source}(?:MD5:)?([0-9a-f]{2}(?:[:-][0-9a-f]{2}){15})$`, "i");

function parsePin(text: string): HostKeyPin {
  const [md5, sha256] = [MD5.exec(text), SHA256.exec(text)];
  const type = (md5 ?? sha256)?.[1]?.toLowerCase().replace(/^rsa-sha2-.*/, "ssh-rsa");
  if (md5?.[2] !== undefined) return { type, algorithm: "MD5", value: md5[2].replace(/[:-]/g, "").toLowerCase() };
  if (sha256?.[2] !== undefined) {
    return { type, algorithm: "SHA256", value: `SHA256:${sha256[2].replaceAll("-", "+").replaceAll("_", "/")}` };
  }
  throw badInput(
    `"${text}" is no host key fingerprint: write -SshHostKeyFingerprint "ssh-ed25519 255 SHA256:…" with 43 characters, as ssh-keygen -lf shows it.`,
  );
}
