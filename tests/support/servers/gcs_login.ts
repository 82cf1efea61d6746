import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, randomBytes, verify } from "node:crypto";

/** What the double's login server knows: one service account, one refresh token, the machine's own account. */
export class GcsLogin {
  readonly email = "ci@project.iam.gserviceaccount.com";
  readonly #publicKey: KeyObject;
  readonly #pem: string;
  readonly #tokens = new Map<string, number>();
  /** Seconds that a token lives. */
  lifetime = 3600;
  /** Tokens that were handed out. */
  given = 0;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    this.#publicKey = publicKey;
    this.#pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  }

  /** The file of the service account; `tokenUri` is this double's. */
  keyFile(tokenUri: string, more: Readonly<Record<string, unknown>> = {}): string {
    return JSON.stringify({
      type: "service_account",
      project_id: "project",
      private_key_id: "k1",
      private_key: this.#pem,
      client_email: this.email,
      client_id: "1",
      token_uri: tokenUri,
      ...more,
    });
  }

  /** The private key, to look for in what must not hold it. */
  get secret(): string {
    return this.#pem;
  }

  /** Every token that is good now. */
  get tokens(): readonly string[] {
    return [...this.#tokens.keys()];
  }

  isGood(authorization: string | undefined): boolean {
    const until = this.#tokens.get(authorization?.replace(/^Bearer /, "") ?? "");
    return until !== undefined && Date.now() < until;
  }

  /** No token is good any more. */
  revoke(): void {
    this.#tokens.clear();
  }

  /** The answer to a form posted to the token endpoint at `url`. */
  answer(form: URLSearchParams, url: string): { readonly status: number; readonly body: unknown } {
    const grant = form.get("grant_type");
    const isRight = grant === "refresh_token"
      ? form.get("refresh_token") === REFRESH && form.get("client_id") !== null && form.get("client_secret") !== null
      : grant === "urn:ietf:params:oauth:grant-type:jwt-bearer" && this.#isSigned(form.get("assertion") ?? "", url);
    if (isRight) return { status: 200, body: this.newToken() };
    return { status: 400, body: { error: "invalid_grant", error_description: "Invalid JWT Signature." } };
  }

  newToken(): { readonly access_token: string; readonly expires_in: number; readonly token_type: string } {
    const value = `ya29.${randomBytes(24).toString("base64url")}`;
    this.#tokens.set(value, Date.now() + this.lifetime * 1000);
    this.given++;
    return { access_token: value, expires_in: this.lifetime, token_type: "Bearer" };
  }

  /** RFC 7523: signed by the account's key, for this endpoint, for an hour at most, and not yet over. */
  #isSigned(assertion: string, url: string): boolean {
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    const key = this.#publicKey;
    const signed = Buffer.from(`${header}.${claims}`);
    if (!verify("RSA-SHA256", signed, key, Buffer.from(signature, "base64url"))) return false;
    const { alg } = JSON.parse(Buffer.from(header, "base64url").toString());
    const { iss, aud, iat, exp, scope } = JSON.parse(Buffer.from(claims, "base64url").toString());
    const now = Date.now() / 1000;
    return alg === "RS256" && iss === this.email && aud === url && exp - iat <= 3600 && iat <= now + 60 && exp > now &&
      String(scope).startsWith("https://www.googleapis.com/auth/devstorage.");
  }
}

/** The refresh token that the double takes. */
export const REFRESH = "1//refresh-token-of-the-double";
