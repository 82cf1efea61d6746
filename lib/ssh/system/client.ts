import { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../../core/errors.ts";
import type { CallOptions } from "../../core/backend.ts";
import { labelOf } from "../../net/host.ts";
import type { ConnectSystemSsh, SystemClientOptions } from "../client_choice.ts";
import type { SshSettings } from "../config.ts";
import { PausableDeadline } from "../handshake.ts";
import { assertSameKey, tryKeyTypes } from "../host_key_policy.ts";
import { keyType } from "../known_hosts.ts";
import type { SshConnection } from "../types.ts";
import { type LoginAnswers, SystemAnswers } from "./answers.ts";
import { fixedArgs, preferTypes, userArgs } from "./args.ts";
import {
  assertPlainAddress,
  configText,
  destination,
  parseSettings,
  systemEnv,
  type SystemSettings,
} from "./command.ts";
import { SystemConnection } from "./connection.ts";
import { toLoginError } from "./errors.ts";
import { type HelperQuestion, SshHelper } from "./helper.ts";
import { reportOf, SshProcess, type SshReport } from "./process.ts";

/**
 * Logs in with the system's ssh, as a child process for each connection, whose input and output carry SFTP. The verifier
 * decides about the host key: ssh asks it by KnownHostsCommand, with the key that the server showed, before it sends
 * anything.
 * Rejects as connectSsh() does.
 */
export const connectSystemSsh: ConnectSystemSsh = async (options, call) => {
  assertPlainAddress(options.target.address);
  const client = new SystemClient(options);
  const first = await client.connect(call);
  return {
    first,
    label: client.label,
    host: client.settings.hostName,
    runsCommands: false,
    connect: (more) => client.connect(more),
  };
};

/** The parts of one login. */
interface Login extends CallOptions {
  readonly helper: SshHelper;
  readonly answers: LoginAnswers;
  readonly args: readonly string[];
  verify(key: Uint8Array): Promise<void>;
}

class SystemClient {
  readonly #options: SystemClientOptions;
  #system: SystemSettings | undefined;
  #answers: SystemAnswers | undefined;
  #hostKey: Uint8Array | undefined;
  #usesMaster = false;

  constructor(options: SystemClientOptions) {
    this.#options = options;
  }

  get settings(): SshSettings {
    if (this.#system === undefined) throw new RangeError("the settings are read by connect()");
    return this.#system.settings;
  }

  get label(): string {
    const { user, port } = this.settings;
    const { host } = this.#options.target.address;
    return labelOf({ scheme: "sftp", host, user: encodeURIComponent(user), port }, 22);
  }

  /** Opens a connection. The first one reads the configuration, and may prompt. */
  async connect({ signal }: CallOptions): Promise<SshConnection> {
    const { target, configFiles, policy } = this.#options;
    await using helper = await SshHelper.create(configText(configFiles, policy));
    const base = ["-F", helper.configFile, ...userArgs(this.#options)];
    if (this.#system === undefined) {
      const report = await this.#report(["-G", ...base], signal);
      this.#system = parseSettings(report, { ...this.#options, ...target, env: (name) => target.env(name) });
    }
    const { settings, values } = this.#system;
    // The oldest ssh that has all options that are given to it prints this one.
    if (!values.has("stdinnull")) throw tooOldError();
    this.#answers ??= new SystemAnswers({
      account: `${settings.user}@${target.address.host}`,
      user: settings.user,
      host: settings.hostKeyAlias ?? settings.hostName,
      context: target,
    });
    const answers = this.#answers.begin(this.#hostKey !== undefined);
    const args = (types: readonly string[], isShared: boolean) => [
      `-oHostKeyAlgorithms=${preferTypes(values.get("hostkeyalgorithms") ?? "", types).join(",")}`,
      ...(isShared ? [] : ["-oControlPath=none"]),
      ...fixedArgs(helper, this.#timing()),
      ...base,
    ];
    const login = { helper, answers, signal };
    const trusted = this.#hostKey;
    if (trusted !== undefined) {
      const verify = (key: Uint8Array) => assertSameKey(settings.hostName, { trusted, key });
      return await this.#login({ ...login, args: args([keyType(trusted)], this.#usesMaster), verify });
    }
    this.#usesMaster = await this.#hasMaster(base, signal);
    const connection = await tryKeyTypes(await this.#options.createVerifier(settings), async (types, verify) => {
      if (this.#usesMaster) await this.#verifyOnly({ ...login, args: args(types, false), verify });
      return await this.#login({ ...login, args: args(types, this.#usesMaster), verify });
    });
    answers.onSuccess();
    return connection;
  }

  /**
   * Whether a master of ControlMaster is running. Its host key cannot be seen, so that none is used where a key is
   * pinned. The key that the server shows to a connection of its own is verified all the same.
   */
  async #hasMaster(base: readonly string[], signal: AbortSignal): Promise<boolean> {
    const path = this.#system?.values.get("controlpath") ?? "none";
    if (path === "none" || this.#options.isPinned) return false;
    const { isSuccess } = await this.#report(["-O", "check", ...base], signal);
    if (isSuccess) {
      const { target } = this.#options;
      target.warn(
        `The connection to ${target.address.host} goes through the ControlMaster that is running: the ssh that opened it checked its host key.`,
      );
    }
    return isSuccess;
  }

  async #report(args: readonly string[], signal: AbortSignal): Promise<SshReport> {
    const { target, program, timeout, defaultTimeout } = this.#options;
    const process = new SshProcess(program, [...args, ...destination(target.address)], systemEnv(target));
    return await reportOf(process, { signal, timeout: timeout ?? defaultTimeout });
  }

  #timing(): { readonly timeout: number; readonly keepAlive: number } {
    const { timeout, defaultTimeout, keepAlive } = this.#options;
    const { connectTimeout, keepAlive: configured } = this.settings;
    return { timeout: timeout ?? connectTimeout ?? defaultTimeout, keepAlive: configured ?? keepAlive };
  }

  async #login(login: Login): Promise<SshConnection> {
    const connection = await this.#run(login, async (process, explainEnd) => {
      const opened = new SystemConnection(process);
      await opened.open(login.signal, explainEnd);
      return opened;
    });
    if (this.#hostKey !== undefined) return connection.setHostKey(this.#hostKey);
    await connection[Symbol.asyncDispose]();
    throw new SyncError("hostKey", "ssh asked about no host key; nothing was written", { operation: "connect" });
  }

  /** Verifies the host key, and ends the connection before anything is sent. */
  async #verifyOnly(login: Login): Promise<void> {
    const { promise: verified, resolve: onVerified } = Promise.withResolvers<void>();
    const verify = async (key: Uint8Array) => {
      await login.verify(key);
      this.#hostKey = key;
      onVerified();
      // Not answered: ssh would go on with the login.
      await new Promise(() => {});
    };
    const process = await this.#run({ ...login, verify }, async (started, explainEnd) => {
      await Promise.race([verified, started.ended.then(() => Promise.reject(explainEnd()))]);
      return started;
    });
    process.kill();
    await process.ended;
  }

  /**
   * Starts ssh and answers its questions while `proceed` uses it; `explainEnd` returns why ssh ended by itself. If
   * `proceed` fails, the process is ended.
   */
  async #run<T>(
    login: Login,
    proceed: (process: SshProcess, explainEnd: () => SyncError) => Promise<T>,
  ): Promise<T> {
    const { helper, answers, signal, args } = login;
    const { target, program } = this.#options;
    const { user, hostName: host, port } = this.settings;
    const account = `${user}@${target.address.host}`;
    const { timeout } = this.#timing();
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    failed.catch(() => {});
    const process = new SshProcess(program, [...args, "-s", ...destination(target.address), "sftp"], {
      ...systemEnv(target),
      SSH_ASKPASS: helper.askpass,
      SSH_ASKPASS_REQUIRE: "force",
    });
    const deadline = new PausableDeadline(timeout, () => fail(timeoutError(account, timeout)));
    const onAbort = () => fail(cancelled(signal, "connect"));
    const stopServing = helper.serve(async (question) => {
      deadline.pause();
      const isOwn = question.pid === process.pid;
      const isHostKey = question.kind === "host-key";
      const text = await (isHostKey ? this.#judge(question, login, isOwn) : answers.answer(question, isOwn));
      deadline.resume(question.hint === "none" ? TOUCH_MS : 0);
      return text;
    }, fail);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    deadline.resume(0);
    const explainEnd = () => toLoginError(process.log, { account, host, port, facts: answers.facts });
    try {
      return await Promise.race([proceed(process, explainEnd), failed]);
    } catch (error) {
      process.kill();
      await process.ended;
      throw error;
    } finally {
      stopServing();
      deadline.stop();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Returns the known_hosts line of a key that is trusted, for ssh; "" for questions that are of no use here. */
  async #judge({ text }: HelperQuestion, login: Login, isOwn: boolean): Promise<string> {
    const [reason, type = "", base64 = ""] = text.split(" ");
    if (!isOwn || reason !== "HOSTNAME") return "";
    const key = new Uint8Array(Buffer.from(base64, "base64"));
    await login.verify(key);
    this.#hostKey = key;
    return `* ${type} ${base64}`;
  }
}

/** Additional ms for a security key, which waits for its user's touch. */
const TOUCH_MS = 120_000;

function timeoutError(account: string, timeout: number): SyncError {
  const message = `Cannot log in to ${account}: no answer in ${timeout / 1000} s (-Timeout)`;
  return new SyncError("timeout", message, { operation: "connect", transient: true });
}

function tooOldError(): SyncError {
  const message =
    'The program "ssh" is older than OpenSSH 8.7, so that its host key check cannot be taken over; update it.';
  return new SyncError("unsupported", message, { operation: "connect" });
}
