import { createHash, createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import { badInput } from "../core/errors.ts";

/** One usable line of a known_hosts file. `hosts` is its pattern list as written, `key` the raw key. */
export interface KnownHost {
  readonly file: string;
  readonly line: number;
  readonly marker: "revoked" | "cert-authority" | undefined;
  readonly hosts: string;
  readonly type: string;
  readonly key: Uint8Array;
}

/** The verdict of the known hosts on a key: `known` are the lines of this host, the decisive one first. */
export interface HostVerdict {
  readonly verdict: "same" | "new" | "changed" | "revoked";
  readonly lines: readonly KnownHost[];
}

/** The host to look up. `exact`: `host` is a HostKeyAlias, which is matched without the port. */
export interface HostName {
  readonly host: string;
  readonly port: number;
  readonly exact?: boolean;
}

/**
 * Reads the text of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Malformed lines are ignored, as in
 * ssh.
 */
export function parseKnownHosts(text: string, file: string): readonly KnownHost[] {
  return text.split("\n").flatMap((line, index) => {
    const fields = line.trim().split(/[ \t]+/);
    const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
    const [hosts, type, base64] = fields;
    if (hosts === undefined || hosts === "" || hosts.startsWith("#") || type === undefined) return [];
    if (marker !== undefined && marker !== "@revoked" && marker !== "@cert-authority") return [];
    const key = new Uint8Array(Buffer.from(base64 ?? "", "base64"));
    if (keyType(key) !== type) return [];
    const kind = marker === undefined ? undefined : marker === "@revoked" ? "revoked" : "cert-authority";
    return [{ file, line: index + 1, marker: kind, hosts, type, key } satisfies KnownHost];
  });
}

/**
 * Parses a list of public keys, "ssh-ed25519 AAAA… comment" in each line (RevokedHostKeys). Throws badInput for the
 * binary format and for a line that holds no key: a key that is overlooked would be trusted.
 */
export function parseKeyList(text: string, file: string): readonly Uint8Array[] {
  if (text.startsWith("SSHKRL\n")) {
    throw badInput(`"${file}" is a binary list of revoked keys (KRL), which is not supported; list public keys in it.`);
  }
  return text.split("\n").flatMap((line, index) => {
    const [type = "", base64 = ""] = line.trim().split(/[ \t]+/);
    if (type === "" || type.startsWith("#")) return [];
    const key = new Uint8Array(Buffer.from(base64, "base64"));
    if (keyType(key) === type) return [key];
    throw badInput(`"${file}" line ${index + 1} holds no public key; write "ssh-ed25519 AAAA…", or remove the line.`);
  });
}

/**
 * Returns the verdict of the known hosts on a key that a server proved to hold. A revoked key is always refused; a host
 * known only by other keys, of any type, is "changed". Host certificates are ignored: a certificate authority makes no
 * key known.
 */
export function checkHostKey(known: readonly KnownHost[], name: HostName, key: Uint8Array): HostVerdict {
  const lines = linesOf(known, name);
  const equal = (line: KnownHost) => Buffer.compare(line.key, key) === 0;
  const plain = name.exact === true || name.port === DEFAULT_PORT ? [] : linesOf(known, { ...name, exact: true });
  const revoked = [...lines, ...plain].filter((line) => line.marker === "revoked" && equal(line));
  if (revoked.length > 0) return { verdict: "revoked", lines: revoked };
  const trusted = lines.filter((line) => line.marker === undefined);
  const same = trusted.filter(equal);
  if (same.length > 0) return { verdict: "same", lines: same };
  if (trusted.length > 0) return { verdict: "changed", lines: trusted };
  // An equal key stored for the host without a port also counts for other ports, as in ssh; a different one does not.
  const elsewhere = plain.filter((line) => line.marker === undefined && equal(line));
  return elsewhere.length > 0 ? { verdict: "same", lines: elsewhere } : { verdict: "new", lines: [] };
}

/**
 * Returns the key types known for a host, to request first: a known host that offered a key of another type would
 * appear changed.
 */
export function knownKeyTypes(known: readonly KnownHost[], name: HostName): readonly string[] {
  const types = (wanted: HostName) =>
    linesOf(known, wanted).filter((line) => line.marker === undefined).map((line) => line.type);
  const own = types(name);
  return [...new Set(own.length > 0 ? own : types({ ...name, exact: true }))];
}

/**
 * Formats a known_hosts line, without its line end. `salt`, 20 random bytes, hashes the name as ssh's HashKnownHosts
 * does.
 */
export function formatKnownHost(name: HostName, key: Uint8Array, salt?: Uint8Array): string {
  const host = storedName(name);
  const shown = salt === undefined ? host : `|1|${Buffer.from(salt).toString("base64")}|${hashName(host, salt)}`;
  return `${shown} ${keyType(key)} ${Buffer.from(key).toString("base64")}`;
}

/** Returns the type at the start of a raw key, "ssh-ed25519"; "" if these bytes are not a key. */
export function keyType(key: Uint8Array): string {
  const field = fieldsOf(key, 1)[0];
  const type = field === undefined ? "" : Buffer.from(field).toString("latin1");
  return /^[a-z0-9@.-]{1,64}$/i.test(type) ? type : "";
}

/**
 * Returns "SHA256:" and 43 characters, as ssh-keygen -l prints a key. Throws for an empty key: its hash would look
 * valid.
 */
export function fingerprint(key: Uint8Array): string {
  if (key.length === 0) throw new RangeError("an empty host key has no fingerprint");
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** Returns type and bits in the format of the pin parameter: "ssh-ed25519 255", "ssh-rsa 3072". */
export function describeKey(key: Uint8Array): string {
  const type = keyType(key);
  const bits = keyBits(type, key);
  return bits === undefined ? type || "no key" : `${type} ${bits}`;
}

/** Returns the first length-prefixed fields of a key; fewer if the bytes end early. */
export function fieldsOf(key: Uint8Array, count: number): readonly Uint8Array[] {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const fields: Uint8Array[] = [];
  let offset = 0;
  while (fields.length < count && offset + 4 <= key.length) {
    const end = offset + 4 + view.getUint32(offset);
    if (end > key.length) break;
    fields.push(key.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}

const DEFAULT_PORT = 22;

function linesOf(known: readonly KnownHost[], name: HostName): readonly KnownHost[] {
  const stored = storedName(name);
  return known.filter((line) => matchesHosts(line.hosts, stored));
}

/** Returns the name of a host in the file: in brackets with the port if that is not 22. */
function storedName({ host, port, exact }: HostName): string {
  const lower = host.toLowerCase();
  return exact === true || port === DEFAULT_PORT ? lower : `[${lower}]:${port}`;
}

function matchesHosts(hosts: string, name: string): boolean {
  if (hosts.startsWith("|")) return matchesHash(hosts, name);
  return matchesPatterns(hosts.split(","), name);
}

function matchesHash(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split("|");
  if (version !== "1" || salt === undefined || hash === undefined) return false;
  return hashName(name, Buffer.from(salt, "base64")) === hash;
}

function hashName(name: string, salt: Uint8Array): string {
  return createHmac("sha1", salt).update(name).digest("base64");
}

/** Whether the text matches ssh's pattern list, whatever the case of letters. */
export function matchesPatterns(patterns: readonly string[], text: string): boolean {
  return matchesPatternList(patterns.map((pattern) => pattern.toLowerCase()), text.toLowerCase());
}

/** Whether the text matches ssh's pattern list: one negated match rejects the whole list. */
export function matchesPatternList(patterns: readonly string[], text: string): boolean {
  if (patterns.some((pattern) => pattern.startsWith("!") && matchesPattern(pattern.slice(1), text))) return false;
  return patterns.some((pattern) => !pattern.startsWith("!") && matchesPattern(pattern, text));
}

/**
 * Whether the text matches a pattern with `*` and `?`. No exponential backtracking, since these files may be long and
 * their patterns unusual.
 */
function matchesPattern(pattern: string, text: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  let next = 0;
  while (at < text.length) {
    if (pattern[next] === "*") {
      star = next++;
      resume = at;
    } else if (pattern[next] === "?" || pattern[next] === text[at]) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[next] === "*") next++;
  return next === pattern.length;
}

function keyBits(type: string, key: Uint8Array): number | undefined {
  if (type === "ssh-ed25519") return 255;
  if (type === "ssh-rsa") return bitLength(fieldsOf(key, 3)[2]);
  if (type === "ssh-dss") return bitLength(fieldsOf(key, 2)[1]);
  const curve = /^ecdsa-sha2-nistp(\d+)$/.exec(type)?.[1];
  return curve === undefined ? undefined : Number(curve);
}

function bitLength(number: Uint8Array | undefined): number | undefined {
  if (number === undefined) return undefined;
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (number.length - first) * 8 - Math.clz32(number[first] ?? 0) + 24;
}
