import { Buffer } from "node:buffer";
import { SyncError } from "../core/errors.ts";
import { kindOfKey } from "./agent.ts";
import { type KeyFile, type KeyFiles, unlock } from "./key_files.ts";
import { type GivenAnswers, keyboardInteractive } from "./keyboard_interactive.ts";
import { fingerprint } from "./known_hosts.ts";
import type { AuthMethod } from "./types.ts";
import type { ConnectContext } from "../core/protocol.ts";

/**
 * The credentials that a login may use. `account`: "user@host". `isDestination`: the command's password and passphrase are for
 * this server, not for a jump host.
 */
export interface AuthOptions {
  readonly account: string;
  readonly isDestination: boolean;
  readonly files: KeyFiles;
  /** The agent's socket, and the only public keys that it may offer. */
  readonly agent: string | undefined;
  readonly agentKeys: readonly Uint8Array[] | undefined;
  /** The keys that the agent holds; undefined if they cannot be listed: then it offers all of them itself. */
  readonly heldKeys?: readonly Uint8Array[] | undefined;
  /** Methods that the configuration disables. */
  readonly disabledMethods: readonly string[];
  readonly context: Pick<ConnectContext, "secret" | "prompt" | "keepSecret">;
}

/** An authentication attempt: its name in the final message, and how to repeat it on another connection. */
interface AuthAttempt {
  readonly name: string | undefined;
  repeat(): AuthMethod;
  /** Called when the server accepted it. */
  onAccepted?(): void;
}

/**
 * The authentication attempts for one server, in this order: the key that the user named, the password that the user
 * gave, the agent's keys (those first that the configuration names), the other keys, then the user's answers to prompts.
 * A given password is sent once. Successful attempts are stored for further connections.
 */
export class AuthSequence {
  readonly #options: AuthOptions;
  readonly #attempted = new Set<string>();
  readonly #refused: string[] = [];
  readonly #skipped: string[];
  readonly #accepted: AuthAttempt[] = [];
  #attempts: AsyncGenerator<AuthAttempt & { readonly login: AuthMethod }>;
  #last: AuthAttempt | undefined;
  #methods: readonly string[] | undefined;

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#skipped = [...options.files.skipped, ...explainUnusableKeys(options)];
    this.#attempts = this.#attemptsInOrder();
  }

  /** DialOptions.authenticate of the first connection. Throws kind "auth", naming all attempts, when none is left. */
  async authenticate(methods: readonly string[] | undefined, partial: boolean): Promise<AuthMethod> {
    if (methods !== undefined) this.#methods = methods;
    if (partial) {
      this.#recordSuccess();
      this.#attempts = this.#attemptsInOrder();
    } else this.#recordFailure();
    const next = await this.#attempts.next();
    if (next.done === true) throw this.#failure();
    this.#last = next.value;
    return next.value.login;
  }

  /** Called after a successful login: the last attempt was accepted. */
  onSuccess(): void {
    this.#recordSuccess();
  }

  /**
   * Called when the server closed the connection after an attempt, as it does after too many. Returns true if the next
   * attempt may be made on a new connection.
   */
  onDisconnect(): boolean {
    if (this.#last === undefined || this.#accepted.length > 0) return false;
    this.#recordFailure();
    return true;
  }

  /**
   * Returns DialOptions.authenticate for a further connection: the successful attempts in their order, without a
   * prompt.
   */
  replay(): (methods: readonly string[] | undefined, partial: boolean) => Promise<AuthMethod> {
    let index = 0;
    return (methods, partial) => {
      if (methods === undefined) index = 0;
      const step = methods === undefined || partial ? this.#accepted[index++] : undefined;
      if (step !== undefined) return Promise.resolve(step.repeat());
      return Promise.reject(
        loginError(`${this.#options.account} refused a login on a further connection that it accepted on the first.`),
      );
    };
  }

  #recordSuccess(): void {
    if (this.#last === undefined) return;
    this.#last.onAccepted?.();
    this.#accepted.push(this.#last);
    this.#last = undefined;
  }

  #recordFailure(): void {
    if (this.#last?.name !== undefined) this.#refused.push(this.#last.name);
    this.#last = undefined;
  }

  async *#attemptsInOrder(): AsyncGenerator<AuthAttempt & { readonly login: AuthMethod }> {
    const { keys } = this.#options.files;
    const others = keys.filter((key) => !key.isExplicit);
    const { explicitPublicKey } = this.#options.files;
    for (const key of keys.filter((one) => one.isExplicit)) yield* this.#key(key);
    if (explicitPublicKey !== undefined) yield* this.#agent([explicitPublicKey]);
    yield* this.#password();
    yield* this.#agent(this.#agentKeys());
    for (const key of others.filter((one) => !one.isEncrypted)) yield* this.#key(key);
    for (const key of others.filter((one) => one.isEncrypted)) yield* this.#key(key);
    yield* this.#prompts();
  }

  /** Whether the server accepts a method, as far as is known, and the configuration allows it. */
  #isAllowed(method: string): boolean {
    return !this.#options.disabledMethods.includes(method) &&
      (this.#methods === undefined || this.#methods.includes(method));
  }

  /** Whether the attempt of this name has not been made yet. Records it as made. */
  #markAttempted(name: string): boolean {
    if (this.#attempted.has(name)) return false;
    this.#attempted.add(name);
    return true;
  }

  /**
   * Requests the server's methods before a password is sent: a wasted attempt may be the one that locks the account.
   */
  *#probe(): Generator<AuthAttempt & { readonly login: AuthMethod }> {
    if (this.#methods === undefined) yield toAttempt(undefined, { method: "none" });
  }

  async *#key(file: KeyFile): AsyncGenerator<AuthAttempt & { readonly login: AuthMethod }> {
    const name = `key "${file.path}"`;
    if (!this.#isAllowed("publickey") || !this.#markAttempted(name)) return;
    const opened = await unlock(file, this.#passphrases(file));
    if ("why" in opened) {
      this.#skipped.push(`${name}: ${opened.why}`);
      return;
    }
    const { key, passphrase } = opened;
    const attempt = toAttempt(name, { method: "publickey", privateKey: key.privateKey });
    const { keepSecret: keep } = this.#options.context;
    yield passphrase === undefined
      ? attempt
      : { ...attempt, onAccepted: () => keep("SshPrivateKeyPassphrase", passphrase) };
  }

  async *#passphrases(file: KeyFile): AsyncGenerator<string> {
    const { isDestination: given, context } = this.#options;
    const known = given ? await context.secret("SshPrivateKeyPassphrase") : undefined;
    if (known !== undefined) yield known;
    for (let round = 0; round < MAX_PROMPTS; round++) {
      const typed = await context.prompt(`Passphrase of the key "${file.path}": `, false);
      if (typed === undefined || typed === "") return;
      yield typed;
    }
  }

  async *#password(): AsyncGenerator<AuthAttempt & { readonly login: AuthMethod }> {
    if (!this.#options.isDestination || !(this.#isAllowed("password") || this.#isAllowed("keyboard-interactive"))) {
      return;
    }
    const password = this.#attempted.has(GIVEN) ? undefined : await this.#options.context.secret("password");
    if (password === undefined) return;
    yield* this.#probe();
    if (this.#isAllowed("password") && this.#markAttempted(GIVEN)) {
      yield toAttempt(GIVEN, { method: "password", password });
    } else if (this.#isAllowed("keyboard-interactive") && this.#markAttempted(GIVEN)) {
      yield this.#interactive(GIVEN, password);
    }
  }

  /**
   * Returns the agent's keys in the order to offer them; undefined if it offers them itself. Each is an attempt of its
   * own, so that a server that counts attempts sees the named one first, and a second factor may follow any of them.
   */
  #agentKeys(): readonly Uint8Array[] | undefined {
    const { heldKeys, agentKeys, files } = this.#options;
    if (heldKeys === undefined) return undefined;
    const isHeld = (key: Uint8Array) => heldKeys.some((held) => Buffer.compare(held, key) === 0);
    const named = (agentKeys ?? files.publicKeys).filter(isHeld);
    return agentKeys === undefined ? [...named, ...heldKeys] : named;
  }

  *#agent(keys: readonly Uint8Array[] | undefined): Generator<AuthAttempt & { readonly login: AuthMethod }> {
    const { agent: socket, agentKeys: allowed } = this.#options;
    if (socket === undefined) return;
    const attempts = keys === undefined
      ? [{ name: AGENT, only: allowed }]
      : keys.filter((key) => kindOfKey(key) === "plain").map((key) => ({ name: fingerprint(key), only: [key] }));
    for (const { name, only } of attempts) {
      if (!this.#isAllowed("publickey") || !this.#markAttempted(name)) continue;
      yield toAttempt(AGENT, { method: "agent", socket, ...(only === undefined ? {} : { keys: only }) });
    }
  }

  async *#prompts(): AsyncGenerator<AuthAttempt & { readonly login: AuthMethod }> {
    yield* this.#probe();
    const { account, context } = this.#options;
    for (let round = 0; round < MAX_PROMPTS; round++) {
      if (this.#isAllowed("keyboard-interactive")) {
        yield this.#interactive(TYPED, undefined);
        continue;
      }
      if (!this.#isAllowed("password")) return;
      const password = await context.prompt(`Password of ${account}: `, false);
      if (password === undefined) return;
      const taken = () => context.keepSecret("password", password);
      yield { ...toAttempt(TYPED, { method: "password", password }), onAccepted: taken };
    }
  }

  #interactive(name: string, password: string | undefined): AuthAttempt & { readonly login: AuthMethod } {
    const { account, context } = this.#options;
    const answers: GivenAnswers = { password: undefined, hasOneTimeCode: false };
    const login = keyboardInteractive({
      account,
      password,
      prompt: (prompt, echo) => context.prompt(prompt, echo),
      noAnswerError: (question) => this.#failure(`the server asks "${question}" and there is no terminal to answer at`),
    }, answers);
    const once = () =>
      loginError(`${account} requires a one-time code for each connection; Tandem continues with the first one.`);
    const again = () => {
      const repeat = {
        account,
        password: answers.password,
        prompt: () => Promise.resolve(undefined),
        noAnswerError: once,
      };
      if (answers.hasOneTimeCode) throw once();
      return keyboardInteractive(repeat, { password: undefined, hasOneTimeCode: false });
    };
    const taken = () => {
      if (answers.password !== undefined && answers.password !== password && !answers.hasOneTimeCode) {
        context.keepSecret("password", answers.password);
      }
    };
    return { name, login, repeat: again, onAccepted: taken };
  }

  #failure(open?: string): SyncError {
    const facts = [
      this.#refused.length > 0 ? `it refused ${[...new Set(this.#refused)].join(", ")}` : "there was nothing to try",
      ...(open === undefined ? [] : [open]),
      ...(this.#skipped.length > 0 ? [`not tried: ${this.#skipped.join("; ")}`] : []),
      ...(this.#methods === undefined ? [] : [`the server accepts ${this.#methods.join(", ")}`]),
    ];
    const wayOut = this.#options.isDestination
      ? "give -SshPrivateKeyPath, -PasswordFile or a key in the agent"
      : "give it a key in ~/.ssh/config";
    return loginError(`Cannot log in to ${this.#options.account}: ${facts.join("; ")}; ${wayOut}.`);
  }
}

/** The number of password prompts, as with ssh. */
const MAX_PROMPTS = 3;
const GIVEN = "the given password";
const TYPED = "the typed password";
const AGENT = "the agent's keys";

/** Returns the agent's keys that the built-in client cannot sign with, as clauses. */
function explainUnusableKeys({ heldKeys = [] }: AuthOptions): readonly string[] {
  const kinds = new Set(heldKeys.map(kindOfKey));
  return [
    ...(kinds.has("certificate") ? ["the agent's certificate: -SshClient System uses it"] : []),
    ...(kinds.has("securityKey") ? ["the agent's security key: -SshClient System uses it"] : []),
  ];
}

function toAttempt(name: string | undefined, login: AuthMethod): AuthAttempt & { readonly login: AuthMethod } {
  return { name, login, repeat: () => login };
}

function loginError(message: string): SyncError {
  return new SyncError("auth", message, { operation: "log in" });
}
