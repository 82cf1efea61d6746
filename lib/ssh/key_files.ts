import { Buffer } from "node:buffer";
import { join } from "node:path";
import { badInput } from "../core/errors.ts";
import { readSshFile } from "./config_files.ts";
import { keyType } from "./known_hosts.ts";
import { cipherOf, parsePrivateKey, publicKeyOf, type UsableKey } from "./private_key.ts";
import type { ConnectContext } from "../core/protocol.ts";

/** A private key file to log in with. */
export interface KeyFile {
  readonly path: string;
  readonly text: string;
  /** Its rwx bits, 0 if the system has none. */
  readonly mode: number;
  /** Whether the user named it in the command. */
  readonly isExplicit: boolean;
  /** Whether it has a passphrase. */
  readonly isEncrypted: boolean;
}

/** The paths of the key files. `configured` undefined: ssh's default files. */
export interface KeySources {
  readonly explicit: string | undefined;
  readonly configured: readonly string[] | undefined;
  readonly home: string | undefined;
  /** The keys of the agent: a file may hold the public key of one. */
  readonly agentKeys?: readonly Uint8Array[];
}

/** The existing key files, the one that the user named first, and why others cannot be used. */
export interface KeyFiles {
  readonly keys: readonly KeyFile[];
  readonly skipped: readonly string[];
  /** Public keys of the configured files, read from the .pub file if the private one is absent. */
  readonly publicKeys: readonly Uint8Array[];
  /** The public key that the user named in the command: the agent's key of that name is to log in. */
  readonly explicitPublicKey?: Uint8Array | undefined;
  /** Why only the system's ssh can log in with one of them, as a clause: it has a certificate. */
  readonly sshOnly: string | undefined;
}

/**
 * Reads the key files of a login. Throws badInput if the one that the user named is absent or unusable; a configured
 * one is skipped with a reason, an absent default one silently. Warns of a key that others can read.
 */
export async function loadKeyFiles(sources: KeySources, warn: ConnectContext["warn"]): Promise<KeyFiles> {
  const { explicit, configured, home, agentKeys = [] } = sources;
  const keys: KeyFile[] = [];
  const skipped: string[] = [];
  const publicKeys: Uint8Array[] = [];
  let explicitPublicKey: Uint8Array | undefined;
  let sshOnly: string | undefined;
  const defaults = home === undefined ? [] : DEFAULT_KEYS.map((name) => join(home, ".ssh", name));
  const paths = explicit === undefined ? [] : [explicit];
  for (const path of new Set([...paths, ...configured ?? defaults])) {
    const file = await readKeyFile(path, path === explicit);
    const found = await publicKeysOf(path, file);
    publicKeys.push(...found);
    sshOnly ??= await explainSshOnly(path, { isPresent: file !== ABSENT, publicKeys: found });
    if (typeof file === "string") {
      const held = found.find((key) => agentKeys.some((one) => Buffer.compare(one, key) === 0));
      if (path === explicit && held !== undefined) explicitPublicKey = held;
      if (held !== undefined) continue;
      if (path === explicit && sshOnly === undefined) {
        throw badInput(`-SshPrivateKeyPath "${path}" cannot be used: ${file}.`);
      }
      if (configured !== undefined || file !== ABSENT) skipped.push(`key "${path}": ${file}`);
      continue;
    }
    if ((file.mode & 0o077) !== 0) {
      const mode = file.mode.toString(8);
      warn(`The private key "${path}" can be read by others (mode ${mode}); run chmod 600 on it, as ssh requires.`);
    }
    keys.push(file);
  }
  if (configured === undefined && keys.length === 0) sshOnly ??= await findSecurityKey(home);
  return { keys, skipped, publicKeys, explicitPublicKey, sshOnly };
}

/** Decrypts a key with each of the `passphrases` until one is correct; returns a reason if none is. */
export async function unlock(
  file: KeyFile,
  passphrases: AsyncIterable<string>,
): Promise<{ readonly key: UsableKey; readonly passphrase?: string } | { readonly why: string }> {
  const plain = parsePrivateKey(file.text);
  if (plain.key !== undefined) return { key: plain.key };
  let { why } = plain;
  for await (const passphrase of passphrases) {
    const outcome = parsePrivateKey(file.text, passphrase);
    if (outcome.key !== undefined) return { key: outcome.key, passphrase };
    why = outcome.why;
    if (!outcome.needsPassphrase) break;
  }
  return { why };
}

/** ssh's default key files, without those for security keys, strongest first. */
const DEFAULT_KEYS = ["id_ed25519", "id_ecdsa", "id_rsa"];
const SECURITY_KEYS = ["id_ed25519_sk", "id_ecdsa_sk"];
const ABSENT = "the file does not exist";

async function readKeyFile(path: string, explicit: boolean): Promise<KeyFile | string> {
  const found = await readSshFile(path);
  if (found === undefined) return ABSENT;
  if (found === "notRegular") return "it is no regular file";
  const { text, mode } = found;
  const outcome = parsePrivateKey(text);
  if (outcome.key === undefined && !outcome.needsPassphrase) return outcome.why;
  return { path, text, mode, isExplicit: explicit, isEncrypted: outcome.key === undefined };
}

/** Returns why only the system's ssh can use a key file, as a clause; undefined if the built-in client can. */
async function explainSshOnly(
  path: string,
  { isPresent, publicKeys }: { readonly isPresent: boolean; readonly publicKeys: readonly Uint8Array[] },
): Promise<string | undefined> {
  if (!isPresent) return undefined;
  if (publicKeys.some((key) => keyType(key).startsWith("sk-"))) return `A security key holds "${path}"`;
  const file = await readSshFile(path);
  const cipher = typeof file === "object" ? cipherOf(file.text) : undefined;
  if (cipher?.startsWith("chacha20") === true) return `The key "${path}" is encrypted with ${cipher}`;
  const certificate = await readSshFile(`${path}-cert.pub`);
  return certificate === undefined ? undefined : `The key "${path}" has a certificate beside it`;
}

/** Returns the default key file of a security key, as a clause; undefined if there is none. */
async function findSecurityKey(home: string | undefined): Promise<string | undefined> {
  for (const name of home === undefined ? [] : SECURITY_KEYS.map((one) => join(home, ".ssh", one))) {
    if (await readSshFile(name) !== undefined) return `A security key holds "${name}"`;
  }
  return undefined;
}

/** Returns the public key of a private one, to recognise it among the agent's. */
async function publicKeysOf(path: string, file: KeyFile | string): Promise<readonly Uint8Array[]> {
  const embedded = typeof file === "string" ? undefined : publicKeyOf(file.text);
  if (embedded !== undefined) return [embedded];
  // A file may hold the public key itself, whose private one is in the agent.
  for (const name of [path, `${path}.pub`]) {
    const text = await readSshFile(name);
    const key = typeof text === "object" ? /^\S+ ([A-Za-z0-9+/=]+)/.exec(text.text)?.[1] : undefined;
    const bytes = Buffer.from(key ?? "", "base64");
    if (keyType(bytes) !== "") return [new Uint8Array(bytes)];
  }
  return [];
}
