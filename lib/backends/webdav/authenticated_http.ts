import { cancelled, SyncError } from "../../core/errors.ts";
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
  /** The one attempt to log in although the server asked for no login. */
  #unasked: Promise<void> | undefined;

  constructor(http: HttpClient, options: LoginOptions, target: ConnectContext) {
    this.#http = http;
    this.#options = options;
    this.#target = target;
  }

  /** The scheme this session logged in with; undefined before the login. */
  get scheme(): AuthScheme | undefined {
    return this.#authorizer?.scheme;
  }

  get user(): string | undefined {
    return this.#options.user;
  }

  /** Whether a user was given and the server never asked for the login. */
  get withholdsLogin(): boolean {
    return this.#options.user !== undefined && this.#authorizer === undefined;
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
    if (this.#sendsFirst) await this.#loginUnasked(context);
    for (let attempt = 1;; attempt++) {
      const used = this.#authorizer;
      const response = await this.#http.send(this.#authorize(request, used), context);
      if (response.status !== 401) {
        if (used !== undefined) this.#isProven = true;
        if (used !== undefined || !this.#mayHideChallenge(request, response)) return response;
        await this.#loginUnasked(context);
        if (this.#authorizer === undefined) return response;
        return await this.#retryWithLogin(request, { context, revert, response });
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

  /** Whether the login goes with the first request: the user chose Basic, and the line may carry it. */
  get #sendsFirst(): boolean {
    const { scheme, user } = this.#options;
    return scheme === "Basic" && user !== undefined && this.#authorizer === undefined && this.#maySend;
  }

  get #maySend(): boolean {
    const { secure, allowInsecure, host } = this.#options;
    return secure || allowInsecure || isLoopback(host);
  }

  /** Whether a server that should answer 401 may have hidden it: some refuse, or show a login page, at once. */
  #mayHideChallenge(request: HttpRequest, response: HttpResponse): boolean {
    const { scheme, user, secure, origin } = this.#options;
    const { status, headers } = response;
    if (scheme !== undefined || user === undefined || !secure) return false;
    const isPage = request.method === "PROPFIND" && status === 200 &&
      /html/i.test(String(headers["content-type"] ?? ""));
    return isPage ||
      (HIDDEN_CHALLENGES.includes(status) && redirectTarget({ ...request, origin }, response) === undefined);
  }

  /** Prepares a login by Basic, once, if there is a password. */
  async #loginUnasked(context: OperationContext): Promise<void> {
    this.#unasked ??= (async () => {
      const { user = "" } = this.#options;
      const password = await this.#target.secret("password") ?? await this.#promptPassword(`Password of ${user}`);
      if (password === undefined || this.#authorizer !== undefined) return;
      this.#credentials = Promise.resolve({ user, password });
      this.#authorizer = toAuthorizer({ scheme: "basic", params: new Map() }, { user, password });
    })();
    await this.#unasked;
    if (context.signal.aborted) throw cancelled(context.signal, context.operation);
  }

  /** Sends the request again with the login. If that changes nothing, the session goes on without one. */
  async #retryWithLogin(
    request: HttpRequest,
    { context, revert, response }: {
      readonly context: OperationContext;
      revert(): void;
      readonly response: HttpResponse;
    },
  ): Promise<HttpResponse> {
    await response.discard();
    revert();
    const used = this.#authorizer;
    const again = await this.#http.send(this.#authorize(request, used), context);
    if (again.status === 401) {
      await again.discard();
      throw toSyncError(context, again);
    }
    if (again.status === response.status && this.#authorizer === used) {
      [this.#authorizer, this.#credentials] = [undefined, undefined];
    } else this.#isProven = true;
    return again;
  }

  #authorize(request: HttpRequest, authorizer: Authorizer | undefined): HttpRequest {
    // Some firewalls refuse a request without Accept.
    const headers = { accept: "*/*", ...request.headers };
    if (authorizer === undefined) return { ...request, headers };
    return { ...request, headers: { ...headers, authorization: authorizer.header(request.method, request.uri) } };
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
    if (!this.#maySend) throw insecureLoginError(this.#options.origin, context.operation);
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
    const typed = await this.#promptPassword(isToken ? "Token" : `Password of ${name}`);
    if (typed === undefined) {
      throw operationError(context, "auth", {
        why: `${shown} requires a password: give -PasswordFile or TANDEM_PASSWORD`,
      });
    }
    return { user: name, password: typed };
  }

  async #promptPassword(what: string): Promise<string | undefined> {
    const typed = await this.#target.prompt(`${what} at ${this.#options.origin}: `, false);
    if (typed !== undefined) this.#target.keepSecret("password", typed);
    return typed;
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

/** The statuses with which servers answer a request without a login, although 401 would ask for one. */
const HIDDEN_CHALLENGES: readonly number[] = [302, 303, 307, 403, 404];
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
