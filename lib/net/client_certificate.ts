import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { badInput } from "../core/errors.ts";
import { escapeForDisplay } from "../core/path.ts";
import type { ConnectContext, ProtocolOption } from "../core/protocol.ts";

/** A TLS client certificate and its private key, both in PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The parameters for it, which every protocol over TLS has. */
export const clientCertificateOptions = [
  {
    name: "TlsClientCertificatePath",
    kind: "text",
    help: "A PEM file with the certificate and the private key that log this side in over TLS.",
  },
  {
    name: "SshPrivateKeyPassphrase",
    kind: "secret",
    aliases: ["PrivateKeyPassphrase", "SecurePrivateKeyPassphrase"],
    help: "The passphrase of an encrypted private key; asked for at a terminal when it is missing.",
  },
] as const satisfies readonly ProtocolOption[];

/**
 * Reads the certificate that the target names; returns undefined if it names none. Rejects with badInput for a file
 * that is not a certificate, or a key that does not match it.
 */
export async function readClientCertificate(target: ConnectContext): Promise<ClientCertificate | undefined> {
  const path = target.options.TlsClientCertificatePath;
  if (path === undefined || path === "") return undefined;
  const text = await readFile(path, "utf8").catch(() => {
    throw invalidCertificate(path, "cannot be read");
  });
  const cert = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  const key = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^-]+-----END \1PRIVATE KEY-----/.exec(text)?.[0];
  const [first] = cert ?? [];
  if (cert === null || first === undefined || key === undefined) {
    throw invalidCertificate(
      path,
      "must hold a certificate and its private key in PEM (openssl pkcs12 -in FILE -nodes makes one)",
    );
  }
  const passphrase = /ENCRYPTED/.test(key) ? await readPassphrase(target, path) : undefined;
  const privateKey = tryOrUndefined(() => createPrivateKey(passphrase === undefined ? key : { key, passphrase }));
  if (privateKey === undefined) {
    throw invalidCertificate(path, "holds a private key that cannot be read: is the passphrase right?");
  }
  const belongs = tryOrUndefined(() => new X509Certificate(first).checkPrivateKey(privateKey));
  if (belongs !== true) throw invalidCertificate(path, "holds a private key that is not the certificate's");
  return { cert: cert.join("\n"), key: String(privateKey.export({ type: "pkcs8", format: "pem" })) };
}

/**
 * Whether the server ended TLS because of the client certificate or its absence. Recognised by the alert, in the
 * runtime's wording.
 */
export function isClientCertificateRejected(message: string): boolean {
  return /received fatal alert: (?:CertificateRequired|BadCertificate|UnknownCA|CertificateUnknown|CertificateExpired|UnsupportedCertificate)/
    .test(message);
}

/** The error text for that case. */
export const CLIENT_CERTIFICATE_ADVICE =
  "the server requires a client certificate that it knows: give -TlsClientCertificatePath";

async function readPassphrase(target: ConnectContext, path: string): Promise<string> {
  const name = "SshPrivateKeyPassphrase";
  const given = await target.secret(name);
  if (given !== undefined) return given;
  const typed = await target.prompt(`Passphrase of ${escapeForDisplay(path)}: `, false);
  if (typed === undefined) throw invalidCertificate(path, "is encrypted, and no passphrase was given");
  target.keepSecret(name, typed);
  return typed;
}

function tryOrUndefined<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function invalidCertificate(path: string, why: string): Error {
  return badInput(`-TlsClientCertificatePath "${escapeForDisplay(path)}" ${why}`);
}
