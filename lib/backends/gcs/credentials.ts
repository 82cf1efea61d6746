import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { join } from "node:path";
import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { stringField, toRecord } from "./object.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import { isLoopback } from "../../net/host.ts";

/** The credentials, and the request that fetches a token. Secrets stay inside. */
export interface Credentials {
  /** For messages: "the service account ci@project". */
  readonly account: string;
  /** `now` in ms since the epoch. */
  request(now: number): TokenRequest;
}

/** `body` is posted as a form; without one the request is a GET. */
export interface TokenRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A header that the reply must repeat, so that another server's reply is not taken for a token. */
  readonly expectedHeader?: readonly [name: string, value: string];
}

/**
 * Finds the credentials in the order of Google's own programs: the file of -KeyFile, that of
 * GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, otherwise the host's service account (its metadata server). Rejects
 * with badInput for a file that cannot be used.
 */
export async function findCredentials({ options, env }: ConnectContext): Promise<Credentials> {
  const given = options["KeyFile"];
  if (given !== undefined) return parseCredentials(await readNamedFile(expandHome(given, env), "-KeyFile"), given);
  const named = env("GOOGLE_APPLICATION_CREDENTIALS");
  if (named !== undefined && named !== "") {
    return parseCredentials(await readNamedFile(named, "GOOGLE_APPLICATION_CREDENTIALS"), named);
  }
  const file = gcloudFile(env);
  const text = file === undefined ? undefined : await readIfExists(file);
  if (file !== undefined && text !== undefined) return parseCredentials(text, file);
  return metadataServer(env("GCE_METADATA_HOST") || METADATA_HOST);
}

/** Parses a credentials file. Throws badInput with the file's name and never with its content. */
export function parseCredentials(text: string, file: string): Credentials {
  const unusable = (why: string) => badInput(`The credentials in "${escapeForDisplay(file)}" cannot be used: ${why}.`);
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = toRecord(JSON.parse(text.replace(/^\ufeff/, "")), "it");
  } catch {
    throw unusable("the file is no JSON");
  }
  const requireField = (name: string) => {
    const value = stringField(fields, name);
    if (value === undefined || value === "") throw unusable(`it has no ${name}`);
    return value;
  };
  const type = requireField("type");
  switch (type) {
    case "service_account": {
      const key = parseRsaKey(requireField("private_key"));
      if (key === undefined) throw unusable("its private_key is none that RSA can sign with");
      const url = parseTokenUrl(stringField(fields, "token_uri") ?? TOKEN_URL);
      if (url === undefined) throw unusable("its token_uri is no https: address");
      return serviceAccount({
        email: requireField("client_email"),
        keyId: stringField(fields, "private_key_id"),
        key,
        url,
      });
    }
    case "authorized_user": {
      const [id, secret, refresh] = [
        requireField("client_id"),
        requireField("client_secret"),
        requireField("refresh_token"),
      ];
      const url = parseTokenUrl(stringField(fields, "token_uri") ?? TOKEN_URL);
      if (url === undefined) throw unusable("its token_uri is no https: address");
      return userLogin({ id, secret: () => secret, refresh: () => refresh, url });
    }
    default:
      throw unusable(
        `${escapeForDisplay(type).slice(0, 40)} is a type that is not supported; use a service account's key`,
      );
  }
}

const TOKEN_URL = "https://oauth2.googleapis.com/token";
const METADATA_HOST = "metadata.google.internal";
const SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";
const FORM_HEADERS = { "content-type": "application/x-www-form-urlencoded" };
const LIFETIME_SECONDS = 3600;

interface ServiceAccount {
  readonly email: string;
  readonly keyId: string | undefined;
  readonly key: KeyObject;
  readonly url: URL;
}

/** Returns the credentials of a service account. RFC 7523: a claim signed with the account's key. */
function serviceAccount({ email, keyId, key, url }: ServiceAccount): Credentials {
  return {
    account: `the service account ${escapeForDisplay(email).slice(0, 200)}`,
    request(now) {
      const issued = Math.floor(now / 1000);
      const header = { alg: "RS256", typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
      const claims = { iss: email, scope: SCOPE, aud: url.href, iat: issued, exp: issued + LIFETIME_SECONDS };
      const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
      const signature = sign("RSA-SHA256", Buffer.from(signed), key).toString("base64url");
      const body = new URLSearchParams({
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: `${signed}.${signature}`,
      });
      return { url, headers: FORM_HEADERS, body: body.toString() };
    },
  };
}

interface UserLogin {
  readonly id: string;
  readonly url: URL;
  secret(): string;
  refresh(): string;
}

/** Returns the credentials that gcloud auth application-default login stored. RFC 6749, section 6. */
function userLogin({ id, secret, refresh, url }: UserLogin): Credentials {
  return {
    account: "gcloud's login",
    request() {
      const body = new URLSearchParams({
        grant_type: "refresh_token",
        client_id: id,
        client_secret: secret(),
        refresh_token: refresh(),
      });
      return { url, headers: FORM_HEADERS, body: body.toString() };
    },
  };
}

/** Returns the credentials of a host in Google's cloud. Its metadata server is reached over a link-local network. */
function metadataServer(host: string): Credentials {
  const url = new URL("http://localhost/computeMetadata/v1/instance/service-accounts/default/token");
  url.host = host;
  const check = ["metadata-flavor", "Google"] as const;
  return {
    account: "the machine's own account",
    request: () => ({ url, headers: { [check[0]]: check[1] }, expectedHeader: check }),
  };
}

function parseRsaKey(text: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(text);
    return key.asymmetricKeyType === "rsa" ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the token URL, or undefined if it is invalid or would send the credentials unencrypted. */
function parseTokenUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return undefined;
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
  return isSafe ? url : undefined;
}

/** Returns the path of the file that `gcloud auth application-default login` writes. */
function gcloudFile(env: ConnectContext["env"]): string | undefined {
  const name = "application_default_credentials.json";
  const set = env("CLOUDSDK_CONFIG");
  if (set !== undefined && set !== "") return join(set, name);
  const base = Deno.build.os === "windows" ? env("APPDATA") : belowHome(env, ".config");
  return base === undefined ? undefined : join(base, "gcloud", name);
}

function belowHome(env: ConnectContext["env"], below: string): string | undefined {
  const home = Deno.build.os === "windows" ? env("USERPROFILE") ?? env("HOME") : env("HOME");
  return home === undefined || home === "" ? undefined : join(home, below);
}

function expandHome(path: string, env: ConnectContext["env"]): string {
  return /^~[/\\]/.test(path) ? belowHome(env, path.slice(2)) ?? path : path;
}

async function readNamedFile(path: string, by: string): Promise<string> {
  const text = await readIfExists(path);
  if (text !== undefined) return text;
  throw badInput(`The file "${escapeForDisplay(path)}" that ${by} names does not exist.`);
}

/**
 * Returns the file's text, undefined if there is none. Rejects with denied if it cannot be read: an unreadable file is
 * not absent.
 */
async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new SyncError("denied", `Cannot read "${escapeForDisplay(path)}": ${why}`, {
      operation: "read the credentials",
      cause: error,
    });
  }
}
