import { SyncError } from "../../core/errors.ts";
import type { HttpClient, HttpRequest, HttpResponse, RequestBody } from "../../http/client.ts";
import { isLoopback } from "../../net/host.ts";
import {
  type Authorizer,
  type AuthScheme,
  type Challenge,
  chooseChallenge,
  type Credentials,
  explainDowngrade,
  parseChallenges,
  toAuthorizer,
} from "./auth.ts";
import { toSyncError } from "./errors.ts";
import { redirectTarget } from "./redirects.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import type { ConnectContext } from "../../core/protocol.ts";

export interface LoginOptions {
  /** "http://host:port", for messages. */
  readonly origin: string;
  readonly host: string;
  readonly secure: boolean;
  readonly user: string | undefined;
  /** The required scheme; undefined: the best that the server offers. */
  readonly scheme: AuthScheme | undefined;
  readonly allowInsecure: boolean;
}

/** A reply, and the path that a redirect led to, if one was followed. */
export interface DavReply extends HttpResponse {
  readonly redirectedUri?: string;
}

/**
 * An authenticated HTTP client. The server's challenge to a request without credentials decides how to log in; an
 * expired nonce is replaced only by one of the same kind. Credentials never go over plain HTTP to another machine
 * unless that was allowed, and no redirect leads to another server.
 */
export class AuthenticatedHttp {
  readonly #http: HttpClient;
  readonly #options: LoginOptions;
  readonly #target: ConnectContext;
  #authorizer: Authorizer | undefined;
  /** The first challenge answered: no later challenge may ask for less. */
  #challenge: Challenge | undefined;
  #credentials: Promise<Credentials> | undefined;
  #isProven = false;

  constructor(http: HttpClient, options: LoginOptions, target: ConnectContext) {
    this.#http = http;
    this.#options = options;
    this.#target = target;
  }

  /** The scheme this session logged in with; undefined before the login. */
  get scheme(): AuthScheme | undefined {
    return this.#authorizer?.scheme;
  }

  /** The server's "https://host:port". */
  get origin(): string {
    return this.#options.origin;
  }

  /** Sends a request and returns the reply, whatever its status except 401. Rejects with auth if the login fails. */
  async send(request: HttpRequest, context: OperationContext): Promise<DavReply> {
    const { origin } = this.#options;
    const progress = countProgress(request);
    let uri = request.uri;
    for (let hops = 0;; hops++) {
      const response = await this.#sendAuthorized({ ...progress.request, uri }, context, progress.revert);
      const target = hops < MAX_REDIRECTS ? redirectTarget({ ...request, uri, origin }, response) : undefined;
      if (target === undefined) return hops === 0 ? response : { ...response, redirectedUri: uri };
      await response.discard();
      progress.revert();
      uri = target;
    }
  }

  async #sendAuthorized(request: HttpRequest, context: OperationContext, revert: () => void): Promise<HttpResponse> {
    for (let attempt = 1;; attempt++) {
      const used = this.#authorizer;
      const response = await this.#http.send(this.#authorize(request, used), context);
      if (response.status !== 401) {
        if (used !== undefined) this.#isProven = true;
        return response;
      }
      await response.discard();
      revert();
      if (this.#authorizer !== used && attempt <= MAX_ATTEMPTS) continue;
      const challenges = parseChallenges(toArray(response.headers["www-authenticate"]));
      if (attempt > MAX_ATTEMPTS) throw toSyncError(context, response);
      await this.#answerChallenge(challenges, { used, context, response });
    }
  }

  /** Sends a request like send(), but rejects unless the status is a success or in `acceptedStatuses`. */
  async sendOk(
    request: HttpRequest,
    context: OperationContext & { readonly acceptedStatuses?: readonly number[] },
  ): Promise<DavReply> {
    const response = await this.send(request, context);
    if (Math.floor(response.status / 100) === 2 || context.acceptedStatuses?.includes(response.status)) return response;
    await response.discard();
    throw toSyncError(context, response);
  }

  #authorize(request: HttpRequest, authorizer: Authorizer | undefined): HttpRequest {
    if (authorizer === undefined) return request;
    const authorization = authorizer.header(request.method, request.uri);
    return { ...request, headers: { ...request.headers, authorization } };
  }

  async #answerChallenge(
    challenges: readonly Challenge[],
    { used, context, response }: ChallengeContext,
  ): Promise<void> {
    const { scheme, origin: shown } = this.#options;
    const before = this.#challenge;
    // The best challenge of the kind answered before: another kind beside it is no reason to refuse.
    const same = challenges.filter((one) => before !== undefined && explainDowngrade(before, one) === undefined);
    const challenge = chooseChallenge(same.length > 0 ? same : challenges, scheme);
    const lower = before === undefined || challenges.length === 0 ? undefined : explainDowngrade(before, challenge);
    if (lower !== undefined) {
      const why = `${shown} asks for another login than the one that this session began with: ${lower}; ` +
        "the password was not sent again. Open a new session if you know that the server was changed";
      throw operationError(context, "auth", { why });
    }
    if (challenge === undefined) {
      const offered = challenges.map((one) => one.scheme).join(", ") || "nothing";
      throw operationError(context, "auth", {
        why: `${shown} offers no login that fits -Auth ${scheme ?? "Auto"}; it offers ${offered}`,
      });
    }
    const isStale = used?.scheme === "Digest" && challenge.params.get("nonce") !== used.nonce &&
      (challenge.params.get("stale")?.toLowerCase() === "true" || this.#isProven);
    if (used !== undefined && !isStale) throw toSyncError(context, response);
    this.#assertSecure(context);
    this.#credentials ??= this.#fetchCredentials(challenge, context);
    const credentials = await this.#credentials;
    // Another request may have been challenged meanwhile: its answer is kept.
    if (this.#authorizer !== used) return;
    this.#challenge ??= challenge;
    this.#authorizer = toAuthorizer(challenge, credentials);
  }

  #assertSecure(context: OperationContext): void {
    const { secure, host, allowInsecure, origin: shown } = this.#options;
    if (secure || allowInsecure || isLoopback(host)) return;
    throw insecureLoginError(shown, context.operation);
  }

  async #fetchCredentials({ scheme }: Challenge, context: OperationContext): Promise<Credentials> {
    const { user, origin: shown } = this.#options;
    const isToken = scheme === "bearer";
    const name = user ?? (isToken ? "" : await this.#target.prompt(`User name for ${shown}: `, true));
    if (name === undefined || (name === "" && !isToken)) {
      throw operationError(context, "auth", {
        why: `${shown} requires a login: write user@ before the host, or -UserName`,
      });
    }
    const given = await this.#target.secret("password");
    if (given !== undefined) return { user: name, password: given };
    const what = isToken ? "Token" : `Password of ${name}`;
    const typed = await this.#target.prompt(`${what} at ${shown}: `, false);
    if (typed === undefined) {
      throw operationError(context, "auth", {
        why: `${shown} requires a password: give -PasswordFile or TANDEM_PASSWORD`,
      });
    }
    this.#target.keepSecret("password", typed);
    return { user: name, password: typed };
  }
}

/** Returns the refusal to send a password in clear text. */
export function insecureLoginError(shown: string, operation: string): SyncError {
  const message =
    `Refused to log in to "${shown}": the password would be sent in clear text; write davs://, or -AllowInsecure`;
  return new SyncError("refused", message, { operation });
}

/** One attempt for the challenge, one for a stale nonce, one for requests that ran concurrently with both. */
const MAX_ATTEMPTS = 3;

const MAX_REDIRECTS = 3;

/** Counts the bytes of an upload, so that those of a reply that asks for another request can be taken back. */
function countProgress(request: HttpRequest): { readonly request: HttpRequest; revert(): void } {
  const { body } = request;
  if (typeof body !== "object") return { request, revert: () => {} };
  let sent = 0;
  const counted: RequestBody = {
    ...body,
    onBytes: (bytes) => {
      sent += bytes;
      body.onBytes?.(bytes);
    },
  };
  const revert = () => {
    if (sent > 0) body.onBytes?.(-sent);
    sent = 0;
  };
  return { request: { ...request, body: counted }, revert };
}

interface ChallengeContext {
  readonly used: Authorizer | undefined;
  readonly context: OperationContext;
  readonly response: HttpResponse;
}

function toArray(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}
