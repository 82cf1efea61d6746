import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { Buffer } from "node:buffer";
import { badInput, SyncError } from "../core/errors.ts";
import { type HostKeyPin, matchesPin, parsePins } from "./host_key_pins.ts";
import {
  checkHostKey,
  describeKey,
  fingerprint,
  formatKnownHost,
  type HostName,
  type HostVerdict,
  keyType,
  type KnownHost,
  knownKeyTypes,
  parseKeyList,
  parseKnownHosts,
} from "./known_hosts.ts";
import { readFileIfPresent } from "./config_files.ts";
import type { ConnectContext } from "../core/protocol.ts";

export type HostKeyPolicy = "Check" | "AcceptNew" | "GiveUpSecurityAndAcceptAny";

/** The rule that decides about a host key: only the pins if there are any, otherwise the known hosts and the policy. */
export interface TrustRule {
  readonly pins: readonly HostKeyPin[];
  readonly policy: HostKeyPolicy;
}

/** The known_hosts files. A new host is added to the first of `user`, with a hashed name if ssh would do so. */
export interface KnownHostsFiles {
  readonly user: readonly string[];
  readonly system: readonly string[];
  readonly hash: boolean;
  /** The file of keys that are refused for every host (RevokedHostKeys of ssh_config). */
  readonly revoked: string | undefined;
}

/** The trust settings of one host: `displayHost` is the host as the user wrote it, `name` the one in the known hosts. */
export interface VerifierOptions {
  readonly trustRule: TrustRule;
  readonly displayHost: string;
  readonly name: HostName;
  readonly files: KnownHostsFiles;
  readonly context: Pick<ConnectContext, "prompt" | "warn" | "readOnly">;
}

/**
 * The verifier of one host's key. `keyTypes`: the types to request first; `otherTypes`: the types to request if the
 * offered key is refused, since a pin without a type may match any of the server's keys. `verify` rejects with kind
 * "hostKey" for an untrusted key.
 */
export interface HostKeyVerifier {
  readonly keyTypes: readonly string[];
  readonly otherTypes: readonly string[];
  verify(key: Uint8Array): Promise<void>;
}

/**
 * Reads the rule from the user's parameters. Throws badInput for a malformed pin, and for a pin together with a policy
 * that would override it.
 */
export function readTrustRule({ address, options }: Pick<ConnectContext, "address" | "options">): TrustRule {
  const pins = parsePins([...address.pins, options["SshHostKeyFingerprint"] ?? ""]);
  const any = options["GiveUpSecurityAndAcceptAnySshHostKey"] === "true";
  const policy = any ? "GiveUpSecurityAndAcceptAny" : options["SshHostKeyPolicy"] ?? "Check";
  if (policy !== "Check" && policy !== "AcceptNew" && policy !== "GiveUpSecurityAndAcceptAny") {
    throw badInput(`-SshHostKeyPolicy "${policy}" is not valid; write Check, AcceptNew or GiveUpSecurityAndAcceptAny.`);
  }
  if (pins.length > 0 && policy !== "Check") {
    throw badInput(`A host key fingerprint decides alone; remove ${policy} or the fingerprint.`);
  }
  return { pins, policy };
}

/**
 * Reads the known hosts and the revoked keys before any connection. Rejects if a file of known hosts cannot be read, and
 * if the revoked keys cannot: as with ssh, no host is trusted then.
 */
export async function createVerifier(options: VerifierOptions): Promise<HostKeyVerifier> {
  const { revoked: path } = options.files;
  const revoked = path === undefined ? [] : parseKeyList(await readRevoked(path), path);
  const verifier = await chooseVerifier(options);
  const verify = async (key: Uint8Array) => {
    if (revoked.some((one) => Buffer.compare(one, key) === 0)) {
      const message = `The host key of ${options.displayHost}, ${
        describeWithFingerprint(key)
      }, is revoked in "${path}"`;
      throw hostKeyError(`${message} (RevokedHostKeys of the SSH configuration); do not log in.`);
    }
    await verifier.verify(key);
  };
  return { ...verifier, verify };
}

async function readRevoked(path: string): Promise<string> {
  const text = await readFileIfPresent(path);
  if (text !== undefined) return text;
  throw badInput(
    `RevokedHostKeys "${path}" in the SSH configuration does not exist, so no host key can be trusted; correct it.`,
  );
}

async function chooseVerifier(options: VerifierOptions): Promise<HostKeyVerifier> {
  const { pins, policy } = options.trustRule;
  if (pins.length > 0) {
    const keyTypes = pins.flatMap((pin) => pin.type ?? []);
    const otherTypes = pins.some((pin) => pin.type === undefined) ? DEFAULT_KEY_TYPES : keyTypes;
    return { keyTypes, otherTypes, verify: (key) => verifyPin(options, key) };
  }
  if (policy === "GiveUpSecurityAndAcceptAny") {
    return { keyTypes: [], otherTypes: [], verify: (key) => acceptAny(options, key) };
  }
  const known = await readKnown(options.files);
  const keyTypes = knownKeyTypes(known, options.name);
  return { keyTypes, otherTypes: [], verify: (key) => verifyKnown(options, known, key) };
}

/**
 * Makes a first connection. If its key is refused, tries the other types that a pin may mean. `attempt` gets the types to
 * request first and the verifier; after a reconnection within it the user is not prompted again.
 */
export async function tryKeyTypes<T>(
  trust: HostKeyVerifier,
  attempt: (types: readonly string[], verify: (key: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<T> {
  const refused = new Map<string, unknown>();
  for (const types of [trust.keyTypes, ...trust.otherTypes.map((type) => [type])]) {
    if (types.some((type) => refused.has(type))) continue;
    let [offeredKey, trusted]: (Uint8Array | undefined)[] = [];
    const verify = async (key: Uint8Array) => {
      offeredKey = key;
      if (trusted !== undefined && Buffer.compare(trusted, key) === 0) return;
      await trust.verify(key);
      trusted = key;
    };
    try {
      return await attempt(types, verify);
    } catch (error) {
      const isWrongKey = error instanceof SyncError && error.kind === "hostKey" && offeredKey !== undefined;
      if (!isWrongKey || trust.otherTypes.length === 0) throw error;
      refused.set(keyType(offeredKey ?? new Uint8Array()), error);
    }
  }
  throw refused.values().next().value;
}

/** Rejects with hostKey unless a further connection shows the key that was verified on the first. */
export function assertSameKey(
  host: string,
  { trusted, key }: { readonly trusted: Uint8Array; readonly key: Uint8Array },
): Promise<void> {
  if (Buffer.compare(trusted, key) === 0) return Promise.resolve();
  const message = `${host} showed another host key on a further connection, ${
    describeWithFingerprint(key)
  } instead of ${fingerprint(trusted)}; nothing was sent to it.`;
  return Promise.reject(new SyncError("hostKey", message, { operation: "connect" }));
}

/** The host key types that OpenSSH generates at installation. */
const DEFAULT_KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"];

function describeWithFingerprint(key: Uint8Array): string {
  return `${describeKey(key)} ${fingerprint(key)}`;
}

function hostKeyError(message: string): SyncError {
  return new SyncError("hostKey", message, { operation: "check the host key" });
}

function acceptAny({ displayHost, context }: VerifierOptions, key: Uint8Array): Promise<void> {
  context.warn(
    `The host key of ${displayHost} is not checked (${
      describeWithFingerprint(key)
    }): an attacker in between can read and change everything.`,
  );
  return Promise.resolve();
}

function verifyPin({ trustRule: rule, displayHost, context }: VerifierOptions, key: Uint8Array): Promise<void> {
  const match = rule.pins.find((pin) => matchesPin(pin, key));
  if (match === undefined) {
    const expected = rule.pins.map((pin) => pin.value).join(" or ");
    return Promise.reject(hostKeyError(
      `The host key of ${displayHost} is not the pinned one: it shows ${
        describeWithFingerprint(key)
      }, expected is ${expected}; ` +
        "find out why before you change -SshHostKeyFingerprint.",
    ));
  }
  if (match.algorithm === "MD5") {
    context.warn(
      `An MD5 fingerprint can be forged; write -SshHostKeyFingerprint "${describeWithFingerprint(key)}" instead.`,
    );
  }
  return Promise.resolve();
}

async function verifyKnown(options: VerifierOptions, known: readonly KnownHost[], key: Uint8Array): Promise<void> {
  const { displayHost, name, trustRule: rule, context } = options;
  const result = checkHostKey(known, name, key);
  if (!isUnknownHost(result, options, key)) return;
  if (rule.policy === "AcceptNew") return await addToKnownHosts(options, key);
  const question = `The host key of ${displayHost} is not known yet: ${
    describeWithFingerprint(key)
  }. Trust it (yes, no, or its fingerprint)? `;
  const answer = await context.prompt(question, true);
  if (answer !== undefined && isConsent(answer.trim(), key)) return await addToKnownHosts(options, key);
  const pin = `-SshHostKeyFingerprint "${describeWithFingerprint(key)}"`;
  throw hostKeyError(
    `The host key of ${displayHost} is not known: it shows ${
      describeWithFingerprint(key)
    }; if that is right, add ${pin} or -SshHostKeyPolicy AcceptNew.`,
  );
}

/** Whether the host is not known yet; false for a trusted key. Throws for any other key. */
function isUnknownHost(
  { verdict, lines: known }: HostVerdict,
  { displayHost }: VerifierOptions,
  key: Uint8Array,
): boolean {
  const places = known.map(({ file, line }) => `"${file}" line ${line}`);
  switch (verdict) {
    case "same":
      return false;
    case "new":
      return true;
    case "revoked":
      throw hostKeyError(
        `The host key of ${displayHost}, ${describeWithFingerprint(key)}, is marked as revoked in ${
          places[0]
        }; do not log in.`,
      );
    case "changed": {
      const held = known.map((one, index) => `${places[index]} holds ${describeWithFingerprint(one.key)}`).slice(0, 3)
        .join(", ");
      throw hostKeyError(
        `The host key of ${displayHost} has changed: it shows ${describeWithFingerprint(key)}, but ${held}; ` +
          "if the server was reinstalled, correct the file; otherwise an attacker may intercept the connection.",
      );
    }
    default:
      return verdict satisfies never;
  }
}

function isConsent(answer: string, key: Uint8Array): boolean {
  if (/^yes$/i.test(answer)) return true;
  return answer.includes(":") && answer.endsWith(fingerprint(key));
}

/** Adds the key to the user's known hosts, unless a concurrent run has already added it. */
async function addToKnownHosts(options: VerifierOptions, key: Uint8Array): Promise<void> {
  const { files, name, displayHost, context } = options;
  const file = files.user[0];
  if (context.readOnly) return;
  if (file === undefined) {
    return context.warn(`The host key of ${displayHost} is not stored: no known_hosts file is configured.`);
  }
  if (!isUnknownHost(checkHostKey(await readKnown(files), name, key), options, key)) return;
  await appendLine(file, formatKnownHost(name, key, files.hash ? randomBytes(20) : undefined));
  context.warn(`Added the host key of ${displayHost}, ${describeWithFingerprint(key)}, to "${file}".`);
}

async function readKnown({ user, system }: KnownHostsFiles): Promise<readonly KnownHost[]> {
  const texts = [...user, ...system].map(async (file) => parseKnownHosts(await readFileIfPresent(file) ?? "", file));
  return (await Promise.all(texts)).flat();
}

/**
 * Appends one line in a single write, so that it stays whole if others write concurrently. A file without a final line
 * end gets it first.
 */
async function appendLine(path: string, line: string): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    using file = await Deno.open(path, { append: true, read: true, create: true, mode: 0o600 });
    const { size, isFile } = await file.stat();
    const last = new Uint8Array(1);
    if (isFile && size > 0) {
      await file.seek(-1, Deno.SeekMode.End);
      await file.read(last);
    }
    const bytes = new TextEncoder().encode(`${size > 0 && last[0] !== 10 ? "\n" : ""}${line}\n`);
    const written = await file.write(bytes);
    if (written < bytes.length) throw new Error("the disk took only a part of the line");
    if (isFile) await file.sync();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw hostKeyError(
      `Cannot add the host key to "${path}": ${why}; add -SshHostKeyFingerprint, or make the file writable.`,
    );
  }
}
