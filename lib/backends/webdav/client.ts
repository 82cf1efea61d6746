import { SyncError } from "../../core/errors.ts";
import type { Target } from "../../core/backend.ts";
import type { Http, Reply, Sending } from "../../http/client.ts";
import { isLoopback } from "../../net/loopback.ts";
import {
  type Authorizer,
  type AuthScheme,
  type Challenge,
  chooseChallenge,
  type Credentials,
  parseChallenges,
  steppedDown,
  toAuthorizer,
} from "./auth.ts";
import { refusal } from "./errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

export interface LoginRules {
  /** "http://host:port", for messages. */
  readonly shown: string;
  readonly host: string;
  readonly secure: boolean;
  readonly user: string | undefined;
  /** The required scheme; undefined: the best that the server offers. */
  readonly scheme: AuthScheme | undefined;
  readonly allowInsecure: boolean;
}

/**
 * An authenticated HTTP client. The server's challenge to a request without credentials decides how to log in; an
 * expired nonce is replaced only by one of the same kind. Credentials never go over plain HTTP to another machine
 * unless that was allowed, and no redirect is followed with them.
 */
export class Link {
  readonly #http: Http;
  readonly #rules: LoginRules;
  readonly #target: Target;
  #authorizer: Authorizer | undefined;
  /** The first challenge answered: no later challenge may ask for less. */
  #challenge: Challenge | undefined;
  #credentials: Promise<Credentials> | undefined;
  #isProven = false;

  constructor(http: Http, rules: LoginRules, target: Target) {
    this.#http = http;
    this.#rules = rules;
    this.#target = target;
  }

  /** The scheme this session logged in with; undefined before the login. */
  get scheme(): AuthScheme | undefined {
    return this.#authorizer?.scheme;
  }

  /** Sends a request and returns the reply, whatever its status except 401. Rejects with auth if the login fails. */
  async send(sending: Sending, ask: OperationContext): Promise<Reply> {
    for (let attempt = 1;; attempt++) {
      const used = this.#authorizer;
      const reply = await this.#http.exchange(this.#signed(sending, used), ask);
      if (reply.status !== 401) {
        if (used !== undefined) this.#isProven = true;
        return reply;
      }
      await reply.drop();
      if (this.#authorizer !== used && attempt <= ATTEMPTS) continue;
      const challenges = parseChallenges(list(reply.headers["www-authenticate"]));
      if (attempt > ATTEMPTS) throw refusal(ask, reply);
      await this.#answer(challenges, { used, ask, reply });
    }
  }

  /** Sends a request like send(), but rejects unless the status is a success or in `also`. */
  async done(sending: Sending, ask: OperationContext & { readonly also?: readonly number[] }): Promise<Reply> {
    const reply = await this.send(sending, ask);
    if (Math.floor(reply.status / 100) === 2 || ask.also?.includes(reply.status)) return reply;
    await reply.drop();
    throw refusal(ask, reply);
  }

  #signed(sending: Sending, authorizer: Authorizer | undefined): Sending {
    if (authorizer === undefined) return sending;
    const authorization = authorizer.header(sending.method, sending.uri);
    return { ...sending, headers: { ...sending.headers, authorization } };
  }

  async #answer(challenges: readonly Challenge[], { used, ask, reply }: Answering): Promise<void> {
    const { scheme, shown } = this.#rules;
    const before = this.#challenge;
    // The best challenge of the kind answered before: another kind beside it is no reason to refuse.
    const same = challenges.filter((one) => before !== undefined && steppedDown(before, one) === undefined);
    const challenge = chooseChallenge(same.length > 0 ? same : challenges, scheme);
    const lower = before === undefined || challenges.length === 0 ? undefined : steppedDown(before, challenge);
    if (lower !== undefined) {
      const why = `${shown} wants another login than the one that this session began with: ${lower}; ` +
        "the password was not sent again. Open a new session if you know that the server was changed";
      throw operationError(ask, "auth", { why });
    }
    if (challenge === undefined) {
      const offered = challenges.map((one) => one.scheme).join(", ") || "nothing";
      throw operationError(ask, "auth", {
        why: `${shown} offers no login that fits -Auth ${scheme ?? "Auto"}, but ${offered}`,
      });
    }
    const isStale = used?.scheme === "Digest" && challenge.params.get("nonce") !== used.nonce &&
      (challenge.params.get("stale")?.toLowerCase() === "true" || this.#isProven);
    if (used !== undefined && !isStale) throw refusal(ask, reply);
    this.#mustBeSafe(ask);
    this.#credentials ??= this.#fetchCredentials(challenge, ask);
    const credentials = await this.#credentials;
    // Another request may have been challenged meanwhile: its answer is kept.
    if (this.#authorizer !== used) return;
    this.#challenge ??= challenge;
    this.#authorizer = toAuthorizer(challenge, credentials);
  }

  #mustBeSafe(ask: OperationContext): void {
    const { secure, host, allowInsecure, shown } = this.#rules;
    if (secure || allowInsecure || isLoopback(host)) return;
    throw insecure(shown, ask.operation);
  }

  async #fetchCredentials({ scheme }: Challenge, ask: OperationContext): Promise<Credentials> {
    const { user, shown } = this.#rules;
    const isToken = scheme === "bearer";
    const name = user ?? (isToken ? "" : await this.#target.ask(`User name for ${shown}: `, true));
    if (name === undefined || (name === "" && !isToken)) {
      throw operationError(ask, "auth", { why: `${shown} wants a login: write user@ before the host, or -UserName` });
    }
    const given = await this.#target.secret("password");
    if (given !== undefined) return { user: name, password: given };
    const what = isToken ? "Token" : `Password of ${name}`;
    const typed = await this.#target.ask(`${what} at ${shown}: `, false);
    if (typed === undefined) {
      throw operationError(ask, "auth", { why: `${shown} wants a password: give -PasswordFile or TANDEM_PASSWORD` });
    }
    this.#target.keep("password", typed);
    return { user: name, password: typed };
  }
}

/** Returns the refusal to send a password in clear text. */
export function insecure(shown: string, operation: string): SyncError {
  const message = `Refused to log in at ${shown}: the password would travel in clear; write davs://, or -AllowInsecure`;
  return new SyncError("refused", message, { operation });
}

/** One attempt for the challenge, one for a stale nonce, one for requests that ran concurrently with both. */
const ATTEMPTS = 3;

interface Answering {
  readonly used: Authorizer | undefined;
  readonly ask: OperationContext;
  readonly reply: Reply;
}

function list(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}
