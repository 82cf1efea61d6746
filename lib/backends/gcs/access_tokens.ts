import { escapeForDisplay } from "../../core/path.ts";
import type { Credentials } from "./credentials.ts";
import { stringField, toRecord } from "./object.ts";
import { HttpClient } from "../../http/client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import { destinationOf } from "../../net/proxy_types.ts";
import type { Proxy } from "../../net/tcp.ts";
import { unlessAborted } from "../../net/abort.ts";

/** `timeout` in ms. */
export interface TokenOptions {
  readonly timeout: number;
  /** Called with each token. */
  conceal(secret: string): void;
  /** Returns the proxy for the address; see findProxy(). */
  proxyFor(url: URL): Promise<Proxy | undefined>;
}

/** Access tokens of one set of credentials: fetched when first needed, and again before they expire. */
export class AccessTokens {
  readonly #credentials: Credentials;
  readonly #timeout: number;
  readonly #conceal: (secret: string) => void;
  readonly #proxyFor: TokenOptions["proxyFor"];
  #current: Promise<Token> | undefined;

  constructor(credentials: Credentials, { timeout, conceal, proxyFor }: TokenOptions) {
    this.#credentials = credentials;
    this.#timeout = timeout;
    this.#conceal = conceal;
    this.#proxyFor = proxyFor;
  }

  /**
   * Returns the token to send now. Rejects with auth if the credentials are refused, with connection or timeout if the
   * server does not answer.
   */
  async get(context: OperationContext): Promise<string> {
    for (;;) {
      const isNew = this.#current === undefined;
      const fetching = this.#current ??= this.#fetch(context);
      try {
        const token = await unlessAborted(fetching, context);
        if (isNew || Date.now() < token.renewAt) return token.value();
        this.#forget(fetching);
      } catch (error) {
        if (!context.signal.aborted) this.#forget(fetching);
        throw error;
      }
    }
  }

  /** Discards a token that the server refused: the next call fetches another. */
  async invalidate(value: string): Promise<void> {
    const fetched = this.#current;
    const token = await fetched?.catch(() => undefined);
    if (token?.value() === value) this.#forget(fetched);
  }

  #forget(fetching: Promise<Token> | undefined): void {
    if (this.#current === fetching) this.#current = undefined;
  }

  /** Fetches a token for all calls that wait for it, so no single caller's signal aborts it. */
  async #fetch(context: OperationContext): Promise<Token> {
    const { account: who, request } = this.#credentials;
    const { url, headers, body, expectedHeader: check } = request(Date.now());
    // The metadata server is part of this machine's host: no proxy reaches it, and none may give tokens instead.
    const proxy = check === undefined ? await this.#proxyFor(url) : undefined;
    await using http = new HttpClient({
      ...destinationOf(url),
      proxy,
      timeout: check === undefined ? this.#timeout : Math.min(this.#timeout, METADATA_TIMEOUT_MS),
      connections: 1,
    });
    const { signal } = new AbortController();
    const asked = { ...context, signal };
    try {
      const reply = await http.send({
        method: body === undefined ? "GET" : "POST",
        uri: url.pathname + url.search,
        headers,
        ...(body === undefined ? {} : { body }),
      }, asked);
      const said = new TextDecoder().decode(await reply.readAll(MAX_REPLY_BYTES));
      const isProven = check === undefined || reply.headers[check[0]] === check[1];
      if (reply.status === 200 && isProven) {
        const token = parseToken(said, context);
        this.#conceal(token.value());
        return token;
      }
      if (reply.status >= 500) {
        throw operationError(context, "busy", {
          why: `${hostOf(url)} gives no token now (${reply.status})`,
          transient: true,
        });
      }
      throw operationError(context, "auth", { why: `${hostOf(url)} does not accept ${who}${oauthReason(said)}` });
    } catch (error) {
      if (check === undefined) throw error;
      throw operationError(context, "auth", { why: NO_CREDENTIALS, cause: error });
    }
  }
}

/** The time limit for the host's own metadata server, in ms. */
const METADATA_TIMEOUT_MS = 2000;
const MAX_REPLY_BYTES = 1 << 16;
/** A token that expires within this time, in ms, is fetched again. */
const RENEW_AHEAD_MS = 300_000;
const NO_CREDENTIALS = "no credentials were found: give -KeyFile, set GOOGLE_APPLICATION_CREDENTIALS, " +
  "or run gcloud auth application-default login";

/** `until` in ms since the epoch. */
interface Token {
  readonly renewAt: number;
  value(): string;
}

function parseToken(said: string, context: OperationContext): Token {
  try {
    const fields = toRecord(JSON.parse(said), "it");
    const value = stringField(fields, "access_token");
    const seconds = fields["expires_in"];
    if (value !== undefined && /^[\x21-\x7e]{1,16384}$/.test(value) && typeof seconds === "number" && seconds > 0) {
      const lifetime = seconds * 1000;
      return { renewAt: Date.now() + lifetime - Math.min(RENEW_AHEAD_MS, lifetime / 10), value: () => value };
    }
  } catch {
    // The reply may contain a secret, so it is not shown.
  }
  throw operationError(context, "auth", { why: "the reply of the login server holds no token" });
}

/** Returns the error code of OAuth (RFC 6749, section 5.2): ": invalid_grant". */
function oauthReason(said: string): string {
  try {
    const word = stringField(toRecord(JSON.parse(said), "it"), "error");
    if (word === undefined || !/^[a-z_]{1,40}$/.test(word)) return "";
    const hint = word === "invalid_grant" ? ": was the key or the login withdrawn, is this machine's clock right?" : "";
    return ` (${word})${hint}`;
  } catch {
    return "";
  }
}

function hostOf(url: URL): string {
  return escapeForDisplay(url.host).slice(0, 100);
}
