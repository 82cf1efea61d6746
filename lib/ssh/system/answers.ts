import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import { asksForPassword } from "../keyboard_interactive.ts";
import type { HelperQuestion } from "./helper.ts";

/** The account that the command's password is for. `host`: the name that ssh shows in its prompts. */
export interface AnswerOptions {
  readonly account: string;
  readonly user: string;
  readonly host: string;
  readonly context: Pick<ConnectContext, "secret" | "prompt" | "keepSecret" | "warn">;
}

/**
 * The answers to ssh's prompts, for all connections to one server. A given password is sent once in a login, and to no
 * jump host; without a terminal a login ends rather than send an empty one.
 */
export class SystemAnswers {
  readonly #options: AnswerOptions;
  /** The answers of the first login that can be given again, by prompt. */
  readonly #accepted = new Map<string, string>();

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /** Begins a login. `isRepeat`: a further one, which prompts nobody. */
  begin(isRepeat: boolean): LoginAnswers {
    return new LoginAnswers(this.#options, this.#accepted, isRepeat);
  }
}

/** The answers within one login. */
export class LoginAnswers {
  /** Reasons for the final message. */
  readonly facts: string[] = [];
  readonly #options: AnswerOptions;
  readonly #accepted: Map<string, string>;
  readonly #isRepeat: boolean;
  readonly #used = new Set<string>();
  readonly #given = new Map<string, string>();
  #typed: { readonly name: string; readonly value: string }[] = [];

  constructor(options: AnswerOptions, accepted: Map<string, string>, isRepeat: boolean) {
    this.#options = options;
    this.#accepted = accepted;
    this.#isRepeat = isRepeat;
  }

  /**
   * Returns the answer to a prompt; undefined for a passphrase that is not known, after which ssh tries its next key.
   * `isOwn`: the ssh of the server itself asks, not that of a jump host. Rejects with auth if there is no answer.
   */
  async answer({ hint, text }: HelperQuestion, isOwn: boolean): Promise<string | undefined> {
    if (hint === "none") {
      this.#options.context.warn(`ssh: ${shown(text)}`);
      return undefined;
    }
    const passphraseOf = /^Enter passphrase for (?:key )?'?(.*?)'?: ?$/s.exec(text)?.[1];
    const kind = passphraseOf !== undefined ? "passphrase" : isOwn && this.#isPassword(text) ? "password" : "other";
    const known = await this.#known(kind, text);
    if (known !== undefined) return known;
    const { account } = this.#options;
    if (this.#isRepeat) {
      if (kind === "passphrase") return undefined;
      throw loginError(`${account} asks "${shown(text)}" for each connection; Tandem continues with the first one.`);
    }
    const typed = await this.#options.context.prompt(`${shown(text)} `, false);
    if (typed !== undefined && !(typed === "" && kind === "passphrase")) return this.#take(kind, text, typed);
    if (kind !== "passphrase") throw this.#unanswered(text);
    this.facts.push(
      `not tried: key "${escapeForDisplay(passphraseOf ?? "")}": it is encrypted, and no passphrase was given`,
    );
    return undefined;
  }

  /** Called after the login: its answers serve further ones. */
  onSuccess(): void {
    for (const [text, value] of this.#given) this.#accepted.set(text, value);
    for (const { name, value } of this.#typed) this.#options.context.keepSecret(name, value);
    this.#typed = [];
  }

  /** Whether a prompt of the server's own login asks for the permanent password. */
  #isPassword(text: string): boolean {
    const [user, host] = [this.#options.user.slice(0, 30), this.#options.host.slice(0, 128)];
    if (text.trimEnd() === `${user}@${host}'s password:`) return true;
    const interactive = `(${user}@${host}) `;
    return text.startsWith(interactive) && asksForPassword(text.slice(interactive.length));
  }

  /** Returns an answer that is known without a prompt, each once in a login: a second question means that it is wrong. */
  async #known(kind: string, text: string): Promise<string | undefined> {
    const key = kind === "password" ? kind : text;
    if (kind === "other" || this.#used.has(key)) return undefined;
    this.#used.add(key);
    const before = this.#accepted.get(key);
    if (before !== undefined) return before;
    const name = kind === "password" ? "password" : "SshPrivateKeyPassphrase";
    const given = await this.#options.context.secret(name);
    if (given !== undefined) this.#given.set(key, given);
    return given;
  }

  #take(kind: string, text: string, typed: string): string {
    if (kind === "other") return typed;
    const isPassword = kind === "password";
    this.#given.set(isPassword ? kind : text, typed);
    this.#typed.push({ name: isPassword ? "password" : "SshPrivateKeyPassphrase", value: typed });
    return typed;
  }

  #unanswered(text: string): SyncError {
    const refused = this.#used.has("password") && this.#given.has("password") ? ["it refused the given password"] : [];
    const facts = [...refused, ...this.facts, `ssh asks "${shown(text)}" and there is no terminal to answer at`];
    return loginError(
      `Cannot log in to ${this.#options.account}: ${
        facts.join("; ")
      }; give -SshPrivateKeyPath, -PasswordFile or a key in the agent.`,
    );
  }
}

function shown(text: string): string {
  return escapeForDisplay(text.trim()).slice(0, 300);
}

function loginError(message: string): SyncError {
  return new SyncError("auth", message, { operation: "log in" });
}
