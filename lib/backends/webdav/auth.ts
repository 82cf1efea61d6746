import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";

export type AuthScheme = "Basic" | "Digest" | "Bearer";

/** An authentication challenge of a server (RFC 9110, section 11.6.1). Parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly params: ReadonlyMap<string, string>;
}

/** A user name and password. With Bearer the password is the token. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Creates the Authorization header of each request. */
export interface Authorizer {
  readonly scheme: AuthScheme;
  /** The server's nonce in use; "" without one. */
  readonly nonce: string;
  header(method: string, uri: string): string;
}

/** Parses WWW-Authenticate headers, each with one or more challenges. Malformed ones are left out. */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap((header) => parseHeader(header.slice(0, MAX_HEADER)));
}

/**
 * Returns the best challenge that can be answered: Digest, with SHA-256 before MD5, then Basic, then Bearer. `wanted`
 * limits it to one scheme.
 */
export function chooseChallenge(
  challenges: readonly Challenge[],
  wanted: AuthScheme | undefined,
): Challenge | undefined {
  const ranked = challenges.map((challenge) => ({ challenge, rank: rankOf(challenge) })).filter(({ challenge, rank }) =>
    rank > 0 && (wanted === undefined || challenge.scheme === wanted.toLowerCase())
  );
  return ranked.sort((a, b) => b.rank - a.rank)[0]?.challenge;
}

/** Returns an authorizer that answers the challenge in every request. */
export function toAuthorizer({ scheme, params }: Challenge, credentials: Credentials): Authorizer {
  if (scheme === "digest") return new DigestAuthorizer(params, credentials);
  const { user, password } = credentials;
  const value = scheme === "bearer"
    ? `Bearer ${password}`
    : `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  return { scheme: scheme === "bearer" ? "Bearer" : "Basic", nonce: "", header: () => value };
}

/**
 * Returns the reason to refuse a later challenge of the same server, or undefined if it may be answered. A session that
 * logged in by one challenge answers none that is weaker, of another scheme or for another realm: a man in the middle
 * may have sent it to get the password.
 */
export function explainDowngrade(before: Challenge, now: Challenge | undefined): string | undefined {
  if (now === undefined) return "it no longer offers a login that can be answered";
  if (now.scheme !== before.scheme) return `it asks for ${now.scheme} now and asked for ${before.scheme} before`;
  if (rankOf(now) < rankOf(before)) return "it asks for a weaker form of digest than before";
  return now.params.get("realm") === before.params.get("realm") ? undefined : "it names another realm than before";
}

const MAX_HEADER = 16_384;
const [BEARER, BASIC, MD5, SHA256, WITH_QOP] = [1, 2, 3, 5, 1];
const HASHES: Readonly<Record<string, string>> = { "md5": "md5", "sha-256": "sha256" };

function rankOf({ scheme, params }: Challenge): number {
  if (scheme === "bearer") return BEARER;
  if (scheme === "basic") return BASIC;
  if (scheme !== "digest" || (params.get("nonce") ?? "") === "") return 0;
  const qop = params.get("qop");
  if (qop !== undefined && !/(?:^|,)\s*auth\s*(?:,|$)/i.test(qop)) return 0;
  const hash = HASHES[algorithmOf(params).replace(/-sess$/, "")];
  if (hash === undefined) return 0;
  // Without qop the answer contains no nonce of the client: RFC 2069.
  return (hash === "sha256" ? SHA256 : MD5) + (qop === undefined ? 0 : WITH_QOP);
}

function algorithmOf(params: ReadonlyMap<string, string>): string {
  return (params.get("algorithm") ?? "MD5").toLowerCase();
}

/** Digest authentication (RFC 7616, with RFC 2069 for servers without qop). Each request increments the nonce count. */
class DigestAuthorizer implements Authorizer {
  readonly scheme = "Digest";
  readonly nonce: string;
  readonly #params: ReadonlyMap<string, string>;
  readonly #credentials: Credentials;
  #count = 0;

  constructor(params: ReadonlyMap<string, string>, credentials: Credentials) {
    this.#params = params;
    this.#credentials = credentials;
    this.nonce = params.get("nonce") ?? "";
  }

  header(method: string, uri: string): string {
    const { user, password } = this.#credentials;
    const algorithm = algorithmOf(this.#params);
    const hash = (text: string) =>
      createHash(HASHES[algorithm.replace(/-sess$/, "")] ?? "md5").update(text).digest("hex");
    const realm = this.#params.get("realm") ?? "";
    const cnonce = randomBytes(16).toString("hex");
    const count = (++this.#count).toString(16).padStart(8, "0");
    const secret = hash(`${user}:${realm}:${password}`);
    const first = algorithm.endsWith("-sess") ? hash(`${secret}:${this.nonce}:${cnonce}`) : secret;
    const second = hash(`${method}:${uri}`);
    const hasQop = this.#params.has("qop");
    const middle = hasQop ? `${this.nonce}:${count}:${cnonce}:auth` : this.nonce;
    const opaque = this.#params.get("opaque");
    const parts = [
      `username=${quotedString(user)}`,
      `realm=${quotedString(realm)}`,
      `nonce=${quotedString(this.nonce)}`,
      `uri=${quotedString(uri)}`,
      `response="${hash(`${first}:${middle}:${second}`)}"`,
      ...(this.#params.has("algorithm") ? [`algorithm=${this.#params.get("algorithm")}`] : []),
      ...(hasQop ? ["qop=auth", `nc=${count}`] : []),
      ...(hasQop || algorithm.endsWith("-sess") ? [`cnonce="${cnonce}"`] : []),
      ...(opaque === undefined ? [] : [`opaque=${quotedString(opaque)}`]),
    ];
    // A header holds bytes: names that are not ASCII are sent as UTF-8.
    return Buffer.from(`Digest ${parts.join(", ")}`).toString("latin1");
  }
}

function quotedString(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

function parseHeader(header: string): readonly Challenge[] {
  const found: { scheme: string; params: Map<string, string> }[] = [];
  const part = new RegExp(
    `[\\s,]*(?:(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN})(?=\\s*(?:,|$)))|(${TOKEN})(?=\\s|,|$)(?: +[A-Za-z0-9._~+/-]+=*(?=\\s*(?:,|$)))?)`,
    "y",
  );
  for (let match = part.exec(header); match !== null; match = part.exec(header)) {
    const [, name, text, word, scheme] = match;
    if (scheme !== undefined) found.push({ scheme: scheme.toLowerCase(), params: new Map() });
    else if (name !== undefined) {
      const params = found.at(-1)?.params;
      const key = name.toLowerCase();
      // The first value of a parameter counts; a second cannot override it.
      if (params?.has(key) === false) params.set(key, stripControls(text?.replace(/\\(.)/g, "$1") ?? word ?? ""));
    }
  }
  return found;
}

/** Removes control characters, because the text is sent back in a header. */
function stripControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f]/g, "");
}
