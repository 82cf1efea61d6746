import { SyncError } from "../core/errors.ts";
import type { Target } from "../core/backend.ts";
import { type KeyFile, type KeyFiles, unlock } from "./key_files.ts";
import { interactiveLogin, type Said } from "./keyboard_interactive.ts";
import type { Login } from "./types.ts";

/**
 * The credentials that a login may use. `shown`: "user@host". `given`: the command's password and passphrase are for
 * this server, not for a jump host.
 */
export interface LoginSetup {
  readonly shown: string;
  readonly given: boolean;
  readonly files: KeyFiles;
  /** The agent's socket, and the only public keys that it may offer. */
  readonly agent: string | undefined;
  readonly agentKeys: readonly Uint8Array[] | undefined;
  /** Methods that the configuration disables. */
  readonly refused: readonly string[];
  readonly world: Pick<Target, "secret" | "ask" | "keep">;
}

/** An authentication attempt: its name in the final message, and how to repeat it on another connection. */
interface Attempt {
  readonly name: string | undefined;
  again(): Login;
  /** Called when the server accepted it. */
  taken?(): void;
}

/**
 * The authentication attempts for one server, in this order: the key that the user named, the password that the user
 * gave, the agent, the other keys, then the user's answers to prompts. A given password is sent once. Successful
 * attempts are stored for further connections.
 */
export class Logins {
  readonly #setup: LoginSetup;
  readonly #used = new Set<string>();
  readonly #tried: string[] = [];
  readonly #skipped: string[];
  readonly #steps: Attempt[] = [];
  #attempts: AsyncGenerator<Attempt & { readonly login: Login }>;
  #last: Attempt | undefined;
  #methods: readonly string[] | undefined;

  constructor(setup: LoginSetup) {
    this.#setup = setup;
    this.#skipped = [...setup.files.skipped];
    this.#attempts = this.#all();
  }

  /** DialOptions.authenticate of the first connection. Throws kind "auth", naming all attempts, when none is left. */
  async authenticate(methods: readonly string[] | undefined, partial: boolean): Promise<Login> {
    if (methods !== undefined) this.#methods = methods;
    if (partial) {
      this.#accept();
      this.#attempts = this.#all();
    } else this.#giveUp();
    const next = await this.#attempts.next();
    if (next.done === true) throw this.#failure();
    this.#last = next.value;
    return next.value.login;
  }

  /** Called after a successful login: the last attempt was accepted. */
  succeed(): void {
    this.#accept();
  }

  /**
   * Called when the server closed the connection after an attempt, as it does after too many. Returns true if the next
   * attempt may be made on a new connection.
   */
  hungUp(): boolean {
    if (this.#last === undefined || this.#steps.length > 0) return false;
    this.#giveUp();
    return true;
  }

  /**
   * Returns DialOptions.authenticate for a further connection: the successful attempts in their order, without a
   * prompt.
   */
  replay(): (methods: readonly string[] | undefined, partial: boolean) => Promise<Login> {
    let index = 0;
    return (methods, partial) => {
      if (methods === undefined) index = 0;
      const step = methods === undefined || partial ? this.#steps[index++] : undefined;
      if (step !== undefined) return Promise.resolve(step.again());
      return Promise.reject(
        authError(`${this.#setup.shown} refused on a further connection what it had taken before.`),
      );
    };
  }

  #accept(): void {
    if (this.#last === undefined) return;
    this.#last.taken?.();
    this.#steps.push(this.#last);
    this.#last = undefined;
  }

  #giveUp(): void {
    if (this.#last?.name !== undefined) this.#tried.push(this.#last.name);
    this.#last = undefined;
  }

  async *#all(): AsyncGenerator<Attempt & { readonly login: Login }> {
    const { keys } = this.#setup.files;
    const others = keys.filter((key) => !key.explicit);
    for (const key of keys.filter((one) => one.explicit)) yield* this.#key(key);
    yield* this.#password();
    yield* this.#agent();
    for (const key of others.filter((one) => !one.encrypted)) yield* this.#key(key);
    for (const key of others.filter((one) => one.encrypted)) yield* this.#key(key);
    yield* this.#person();
  }

  /** Whether the server accepts a method, as far as is known, and the configuration allows it. */
  #takes(method: string): boolean {
    return !this.#setup.refused.includes(method) && (this.#methods === undefined || this.#methods.includes(method));
  }

  /** Whether the attempt of this name has not been made yet. Records it as made. */
  #once(name: string): boolean {
    if (this.#used.has(name)) return false;
    this.#used.add(name);
    return true;
  }

  /**
   * Requests the server's methods before a password is sent: a wasted attempt may be the one that locks the account.
   */
  *#probe(): Generator<Attempt & { readonly login: Login }> {
    if (this.#methods === undefined) yield toAttempt(undefined, { method: "none" });
  }

  async *#key(file: KeyFile): AsyncGenerator<Attempt & { readonly login: Login }> {
    const name = `key "${file.path}"`;
    if (!this.#takes("publickey") || !this.#once(name)) return;
    const opened = await unlock(file, this.#passphrases(file));
    if ("why" in opened) {
      this.#skipped.push(`${name}: ${opened.why}`);
      return;
    }
    const { key, passphrase } = opened;
    const attempt = toAttempt(name, { method: "publickey", privateKey: key.privateKey });
    const { keep } = this.#setup.world;
    yield passphrase === undefined ? attempt : { ...attempt, taken: () => keep("SshPrivateKeyPassphrase", passphrase) };
  }

  async *#passphrases(file: KeyFile): AsyncGenerator<string> {
    const { given, world } = this.#setup;
    const known = given ? await world.secret("SshPrivateKeyPassphrase") : undefined;
    if (known !== undefined) yield known;
    for (let round = 0; round < ROUNDS; round++) {
      const typed = await world.ask(`Passphrase of the key "${file.path}": `, false);
      if (typed === undefined || typed === "") return;
      yield typed;
    }
  }

  async *#password(): AsyncGenerator<Attempt & { readonly login: Login }> {
    if (!this.#setup.given || !(this.#takes("password") || this.#takes("keyboard-interactive"))) return;
    const password = this.#used.has(GIVEN) ? undefined : await this.#setup.world.secret("password");
    if (password === undefined) return;
    yield* this.#probe();
    if (this.#takes("password") && this.#once(GIVEN)) yield toAttempt(GIVEN, { method: "password", password });
    else if (this.#takes("keyboard-interactive") && this.#once(GIVEN)) yield this.#interactive(GIVEN, password);
  }

  *#agent(): Generator<Attempt & { readonly login: Login }> {
    const { agent: socket, agentKeys: keys } = this.#setup;
    if (socket === undefined || !this.#takes("publickey") || !this.#once(AGENT)) return;
    yield toAttempt(AGENT, { method: "agent", socket, ...(keys === undefined ? {} : { keys }) });
  }

  async *#person(): AsyncGenerator<Attempt & { readonly login: Login }> {
    yield* this.#probe();
    const { shown, world } = this.#setup;
    for (let round = 0; round < ROUNDS; round++) {
      if (this.#takes("keyboard-interactive")) {
        yield this.#interactive(TYPED, undefined);
        continue;
      }
      if (!this.#takes("password")) return;
      const password = await world.ask(`Password of ${shown}: `, false);
      if (password === undefined) return;
      const taken = () => world.keep("password", password);
      yield { ...toAttempt(TYPED, { method: "password", password }), taken };
    }
  }

  #interactive(name: string, password: string | undefined): Attempt & { readonly login: Login } {
    const { shown, world } = this.#setup;
    const said: Said = { password: undefined, oneTime: false };
    const login = interactiveLogin({
      shown,
      password,
      ask: (prompt, echo) => world.ask(prompt, echo),
      unanswered: (question) => this.#failure(`the server asks "${question}" and there is no terminal to answer at`),
    }, said);
    const once = () =>
      authError(`${shown} wants a one-time answer for each connection; Tandem goes on with the first.`);
    const again = () => {
      const repeat = { shown, password: said.password, ask: () => Promise.resolve(undefined), unanswered: once };
      if (said.oneTime) throw once();
      return interactiveLogin(repeat, { password: undefined, oneTime: false });
    };
    const taken = () => {
      if (said.password !== undefined && said.password !== password && !said.oneTime) {
        world.keep("password", said.password);
      }
    };
    return { name, login, again, taken };
  }

  #failure(open?: string): SyncError {
    const facts = [
      this.#tried.length > 0 ? `it refused ${[...new Set(this.#tried)].join(", ")}` : "there was nothing to try",
      ...(open === undefined ? [] : [open]),
      ...(this.#skipped.length > 0 ? [`not tried: ${this.#skipped.join("; ")}`] : []),
      ...(this.#methods === undefined ? [] : [`the server takes ${this.#methods.join(", ")}`]),
    ];
    const wayOut = this.#setup.given
      ? "give -SshPrivateKeyPath, -PasswordFile or a key in the agent"
      : "give it a key in ~/.ssh/config";
    return authError(`Cannot log in to ${this.#setup.shown}: ${facts.join("; ")}; ${wayOut}.`);
  }
}

/** The number of password prompts, as with ssh. */
const ROUNDS = 3;
const GIVEN = "the given password";
const TYPED = "the typed password";
const AGENT = "the agent's keys";

function toAttempt(name: string | undefined, login: Login): Attempt & { readonly login: Login } {
  return { name, login, again: () => login };
}

function authError(message: string): SyncError {
  return new SyncError("auth", message, { operation: "log in" });
}
