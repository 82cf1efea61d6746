import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { badInput, SyncError } from "../core/errors.ts";
import type { ConnectionSpec, PortableSession } from "./session.ts";
import type { SealedSession } from "../core/session_record.ts";
import type { Address } from "../core/protocol.ts";

/** The content of a sealed session. `spec` pins the host key that the first process verified. */
export interface UnsealedSession {
  readonly spec: ConnectionSpec;
  readonly fingerprint: string | undefined;
  /** Returns a secret by its name; undefined if the session has none. */
  secret(name: string): Promise<string | undefined>;
}

/**
 * Seals a session with the key of this user on this machine (32 bytes). `now` in ms since the epoch, `lifetime` in ms.
 */
export function sealSession(
  session: PortableSession,
  key: Uint8Array,
  options: { readonly now: number; readonly lifetime: number },
): SealedSession {
  const { spec: reach, fingerprint: peer, secrets } = session;
  const open = {
    Type: "Session",
    Version: 1,
    Address: toAddressFields(reach.address),
    Options: { ...reach.options },
    HostKey: peer ?? null,
    Created: new Date(options.now).toISOString(),
    Expires: new Date(options.now + options.lifetime).toISOString(),
  } as const;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(associatedData(open));
  const hidden = Buffer.concat([cipher.update(packSecrets(secrets)), cipher.final()]);
  const seal = Buffer.concat([nonce, cipher.getAuthTag()]).toString("base64");
  return { ...open, ...(secrets.size === 0 ? {} : { Secret: hidden.toString("base64") }), Seal: seal };
}

/**
 * Opens a session from sealSession(); `now` in ms since the epoch. Throws badInput for a value that is not one, auth
 * for one that was changed, was sealed by another user or on another machine, or has expired.
 */
export function unsealSession(value: unknown, key: Uint8Array, options: { readonly now: number }): UnsealedSession {
  const sealed = parseSealedSession(value);
  const secrets = unpackSecrets(decryptSecrets(sealed, key));
  const late = options.now - Date.parse(sealed.Expires);
  if (!(late < 0)) throw expiredError(sealed, late);
  const peer = sealed.HostKey ?? undefined;
  const address = toAddress(sealed.Address);
  const reach = peer === undefined
    ? { address, options: sealed.Options }
    : { address: { ...address, pins: [peer] }, options: withoutPolicy(sealed.Options) };
  return { spec: reach, fingerprint: peer, secret: (name) => Promise.resolve(secrets.get(name)) };
}

/** Returns the address of a sealed session without opening it. Throws badInput for a value that is not one. */
export function sealedAddress(value: unknown): Address {
  return toAddress(parseSealedSession(value).Address);
}

// NIST SP 800-38D: a nonce of 96 bits, a tag of 128.
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The encrypted part is padded to a multiple of this, so that its length does not reveal the password's. */
const PADDING_BYTES = 256;

function toAddressFields(address: Address): SealedSession["Address"] {
  return {
    Scheme: address.scheme,
    UserName: address.user ?? null,
    HostName: address.host,
    PortNumber: address.port ?? null,
    Path: address.path,
    Pins: [...address.pins],
  };
}

function toAddress(fields: SealedSession["Address"]): Address {
  return {
    scheme: fields.Scheme,
    host: fields.HostName,
    path: fields.Path,
    pins: fields.Pins,
    ...(fields.UserName === null ? {} : { user: fields.UserName }),
    ...(fields.PortNumber === null ? {} : { port: fields.PortNumber }),
  };
}

/** Removes the host key policy: it has no effect once a key is pinned, and is refused together with a pin. */
function withoutPolicy(options: SealedSession["Options"]): SealedSession["Options"] {
  const isPolicy = (name: string) => name === "SshHostKeyPolicy" || name.startsWith("GiveUpSecurity");
  return Object.fromEntries(Object.entries(options).filter(([name]) => !isPolicy(name)));
}

/** Returns all readable fields as associated data, in an order independent of the JSON text. */
function associatedData(sealed: Omit<SealedSession, "Secret" | "Seal">): Uint8Array {
  const { Version, Address: a, Options, HostKey, Created, Expires } = sealed;
  const address = [a.Scheme, a.UserName, a.HostName, a.PortNumber, a.Path, a.Pins];
  const options = Object.entries(Options).sort(([x], [y]) => (x < y ? -1 : 1));
  return Buffer.from(JSON.stringify(["Tandem session", Version, address, options, HostKey, Created, Expires]));
}

function packSecrets(secrets: ReadonlyMap<string, string>): Uint8Array {
  if (secrets.size === 0) return new Uint8Array();
  const json = Buffer.from(JSON.stringify([...secrets]));
  const size = Math.ceil(json.length / PADDING_BYTES) * PADDING_BYTES;
  return Buffer.concat([json, Buffer.alloc(size - json.length, " ")]);
}

function unpackSecrets(bytes: Uint8Array): ReadonlyMap<string, string> {
  if (bytes.length === 0) return new Map();
  return new Map(JSON.parse(Buffer.from(bytes).toString()) as [string, string][]);
}

function decryptSecrets(sealed: SealedSession, key: Uint8Array): Uint8Array {
  const seal = Buffer.from(sealed.Seal, "base64");
  if (seal.length !== NONCE_BYTES + TAG_BYTES) throw malformedError("Seal");
  const decipher = createDecipheriv("aes-256-gcm", key, seal.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(sealed));
  decipher.setAuthTag(seal.subarray(NONCE_BYTES));
  try {
    return Buffer.concat([decipher.update(Buffer.from(sealed.Secret ?? "", "base64")), decipher.final()]);
  } catch (cause) {
    throw new SyncError(
      "auth",
      "The session in the input cannot be opened: it was changed on the way, or made by another user or on another machine; " +
        "make it here with New-Session.",
      { operation: "open the session", id: "SessionNotSealedHere", cause },
    );
  }
}

function expiredError(sealed: SealedSession, late: number): SyncError {
  const age = Math.round((Date.parse(sealed.Expires) - Date.parse(sealed.Created) + late) / 1000);
  const made = age < 120 ? `${age} seconds` : `${Math.round(age / 60)} minutes`;
  return new SyncError(
    "auth",
    `The session in the input was made ${made} ago and has expired; make a new one, or give it a longer life with ` +
      "New-Session -SessionLifetime 1h.",
    { operation: "open the session", id: "SessionExpired" },
  );
}

function parseSealedSession(value: unknown): SealedSession {
  const fields = requireRecord(value, "Type");
  if (fields["Type"] !== "Session") throw malformedError("Type");
  if (fields["Version"] !== 1) throw badInput("The session in the input was made by another version of Tandem.");
  const address = requireRecord(fields["Address"], "Address");
  const port = address["PortNumber"];
  if (port !== null && !isPort(port)) throw malformedError("PortNumber");
  const options = Object.entries(requireRecord(fields["Options"], "Options"));
  const pins = address["Pins"];
  if (!Array.isArray(pins)) throw malformedError("Pins");
  return {
    Type: "Session",
    Version: 1,
    Address: {
      Scheme: requireCleanText(address, "Scheme", NO_SCHEME),
      UserName: address["UserName"] === null ? null : requireText(address, "UserName"),
      HostName: requireCleanText(address, "HostName", NO_HOST),
      PortNumber: port,
      Path: requireCleanText(address, "Path", CONTROL),
      Pins: pins.map((pin) => requireString(pin, "Pins")),
    },
    Options: Object.fromEntries(options.map(([name, option]) => [name, requireString(option, name)])),
    HostKey: fields["HostKey"] === null ? null : requireText(fields, "HostKey"),
    Created: requireTime(fields, "Created"),
    Expires: requireTime(fields, "Expires"),
    Seal: requireText(fields, "Seal"),
    ...(fields["Secret"] === undefined ? {} : { Secret: requireText(fields, "Secret") }),
  };
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const NO_SCHEME = /[^a-z0-9+.-]/;
// deno-lint-ignore no-control-regex
const NO_HOST = /[\u0000-\u001f\u007f-\u009f/\\]/;

type Fields = Readonly<Record<string, unknown>>;

function requireRecord(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformedError(name);
  return value as Fields;
}

function requireText(fields: Fields, name: string): string {
  return requireString(fields[name], name);
}

function requireString(value: unknown, name: string): string {
  if (typeof value !== "string") throw malformedError(name);
  return value;
}

/**
 * Returns a text field that is used before the seal is verified, for a folder's name or a message. Throws if it matches
 * `bad`.
 */
function requireCleanText(fields: Fields, name: string, bad: RegExp): string {
  const value = requireText(fields, name);
  if (bad.test(value)) throw malformedError(name);
  return value;
}

function requireTime(fields: Fields, name: string): string {
  const value = requireText(fields, name);
  if (Number.isNaN(Date.parse(value))) throw malformedError(name);
  return value;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}

function malformedError(name: string): SyncError {
  return badInput(
    `The session in the input is damaged at "${name}": make it with New-Session.`,
    "CannotConvertArgument",
  );
}
