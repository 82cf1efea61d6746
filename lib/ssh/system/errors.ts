import { badInput, type ErrorKind, SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";

/** The lines that ssh wrote on stderr, and the facts that its debug lines reveal. Bounded. */
export class SshLog {
  /** The server's software: "OpenSSH_9.2p1"; "" while it is not known. */
  software = "";
  readonly #lines: string[] = [];
  readonly #offered: string[] = [];
  #open = "";

  /** Adds a piece of the output. */
  add(text: string): void {
    const lines = (this.#open + text).split(/\r?\n/);
    this.#open = (lines.pop() ?? "").slice(0, MAX_LINE);
    for (const line of lines) this.#addLine(line);
  }

  /** The keys that were offered to the server: `key "/home/ann/.ssh/id_ed25519"`. */
  get offered(): readonly string[] {
    return [...new Set(this.#offered)];
  }

  /** The last lines that are no debug output, escaped. */
  get lines(): readonly string[] {
    return [...this.#lines, ...(this.#open === "" ? [] : [this.#open])].map((line) => escapeForDisplay(line.trim()));
  }

  #addLine(line: string): void {
    const software = /^debug1: Remote protocol version \S+, remote software version (\S+)/.exec(line)?.[1];
    if (software !== undefined) this.software = software;
    const key = /^debug1: Offering public key: (.+) \S+ SHA256:\S+/.exec(line)?.[1];
    if (key !== undefined) this.#offered.push(`key "${escapeForDisplay(key)}"`);
    if (/^debug\d: |^OpenSSH_\d|^Authenticated to |^Transferred: |^Bytes per second: |^\s*$/.test(line)) return;
    this.#lines.push(line.slice(0, MAX_LINE));
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }
}

/** The server that a message names. `account`: "user@host". */
export interface LoginNames {
  readonly account: string;
  readonly host: string;
  readonly port: number;
  /** Reasons that are known beside ssh's own words. */
  readonly facts: readonly string[];
}

/** Returns the error of an ssh that ended before SFTP began. Only this function interprets ssh's words. */
export function toLoginError(log: SshLog, names: LoginNames): SyncError {
  const { lines } = log;
  const text = lines.join("\n");
  const last = lines.slice(-3).join("; ").slice(0, 400) || "it ended without a word";
  const server = `${names.host}:${names.port}`;
  const methods = /Permission denied(?:, please try again\.| \(([^)]*)\))/.exec(text);
  if (methods !== null) return authError(log, names, methods[1]);
  if (/Too many authentication failures/.test(text)) return authError(log, names, undefined);
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|revoked/i.test(text)) {
    // The server's own key is judged by the verifier: what is unknown to ssh is a jump host.
    const hint = /requested strict checking/.test(text) ? "; connect to it with ssh once, which stores its key" : "";
    return sshError("hostKey", `Cannot trust ${server}, or a jump host before it: ${last}${hint}.`);
  }
  if (/Bad configuration option|^command-line: line /m.test(text)) {
    return badInput(`ssh refuses its configuration: ${last}; correct it.`);
  }
  if (/subsystem request failed/.test(text)) {
    return sshError("unsupported", `The server refuses to open SFTP: ${last}`);
  }
  const isTimeout = /timed out/i.test(text);
  const isPermanent = /Could not resolve hostname|Unable to negotiate|no matching/.test(text);
  return new SyncError(
    isTimeout ? "timeout" : "connection",
    `The connection to ${server} failed: ssh reports: ${last}`,
    {
      operation: OPERATION,
      transient: !isPermanent,
    },
  );
}

/** Returns the error of an ssh that ended while SFTP was used. */
export function toLostError(log: SshLog): SyncError {
  const why = log.lines.at(-1)?.slice(0, 300) ?? "the server ended it";
  return new SyncError("connection", `The SFTP connection closed: ${why}`, { operation: "use SFTP", transient: true });
}

const OPERATION = "connect";
const MAX_LINES = 20;
const MAX_LINE = 1_000;

function authError(log: SshLog, { account, facts }: LoginNames, methods: string | undefined): SyncError {
  // The summary itself is said in other words; the rest says why a key was not used.
  const reasons = log.lines.filter((line) => !/Permission denied|Disconnected from|Connection closed/.test(line));
  const all = [
    ...(log.offered.length > 0 ? [`it refused ${log.offered.join(", ")}`] : []),
    ...facts,
    ...reasons.slice(-3).map((line) => line.slice(0, 200)),
    ...(methods === undefined ? [] : [`the server accepts ${methods.replaceAll(",", ", ")}`]),
  ];
  const list = all.length === 0 ? "there was nothing to try" : all.join("; ");
  const message =
    `Cannot log in to ${account} with ssh: ${list}; give -SshPrivateKeyPath, -PasswordFile or a key in the agent.`;
  return new SyncError("auth", message, { operation: "log in" });
}

function sshError(kind: ErrorKind, message: string): SyncError {
  return new SyncError(kind, message, { operation: OPERATION });
}
