import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { NETWORK_OPERATION } from "../../net/net_error.ts";
import { Watchdog } from "../../net/transport.ts";

/** A final reply of the server. `text` holds every line, one character per byte. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** The error of a command to which the server sent no final reply in time. */
export class NoReply extends SyncError {
  constructor(readonly seconds: number) {
    super("timeout", `no answer in ${seconds} s; -Timeout waits longer`, {
      operation: NETWORK_OPERATION,
      transient: true,
    });
  }
}

/**
 * The error of a transfer whose bytes are all there, and whose final reply did not come: the connection broke, or the
 * server was silent for too long. The file itself shows whether it is whole.
 */
export class FinalReplyLost extends Error {
  /** The error of the connection. */
  override readonly cause: unknown;

  constructor(cause: unknown) {
    super("the final reply was lost");
    this.cause = cause;
  }
}

/** The refusal of REST: transfers begin at the first byte. */
export class RestRefused extends Error {
  constructor() {
    super("REST was refused");
  }
}

/** A detector of lines that belong to no reply. The library skips them, so that only a timeout would show. */
export class StrayLines {
  /** The last such line since the last reply. */
  last: string | undefined;
  #openCode: string | undefined;

  /** Takes whole lines. */
  push(text: string): void {
    if (this.#openCode === undefined && SINGLE_LINES.test(text)) return void (this.last = undefined);
    for (const line of text.split(/\r?\n/)) {
      if (this.#openCode !== undefined) {
        if (line === this.#openCode || line.startsWith(`${this.#openCode} `)) this.#openCode = undefined;
        continue;
      }
      if (line.trim() === "") continue;
      const [, code, end] = /^(\d{3})( |-|$)/.exec(line) ?? [];
      this.last = code === undefined ? line.slice(0, 100) : undefined;
      if (end === "-") this.#openCode = code;
    }
  }
}

/** Replies of one line each, as most are: they need not be split. */
const SINGLE_LINES = /^(?:\d{3} [^\n]*\n)+$/;

/** Returns the error of a server that sent no final reply within `timeout` ms, or something that is no reply. */
export function explainSilence({ last }: StrayLines, timeout: number): SyncError {
  if (last === undefined) return new NoReply(timeout / 1000);
  const why = `the server answers "${escapeForDisplay(last)}", which is no FTP reply`;
  return new SyncError("unexpected", why, { operation: NETWORK_OPERATION });
}

/** A command whose reply is awaited. */
interface PendingReply {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: SyncError) => void;
  /** Whether the reply has no time limit: a transfer is running, and its data connection is watched instead. */
  untimed: boolean;
  /** Whether the reply is discarded. */
  readonly isDiscarded: boolean;
  /** Whether the command asked for a port. */
  readonly isForPort: boolean;
}

/** The replies that are awaited, in the order of their commands, with one time limit for the first of them. */
export class ReplyQueue {
  readonly #pending: PendingReply[] = [];
  readonly #watchdog: Watchdog;

  constructor(timeout: number, onTimeout: () => void) {
    this.#watchdog = new Watchdog(timeout, onTimeout);
  }

  /** Whether every awaited reply is discarded, so that the connection can be reused. */
  get isIdle(): boolean {
    return this.#pending.every(({ isDiscarded }) => isDiscarded);
  }

  get size(): number {
    return this.#pending.length;
  }

  /** Appends a command; resolves with its reply. */
  expect({ untimed = false, isDiscarded = false, isForPort = false } = {}): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    promise.catch(() => {});
    this.#pending.push({ resolve, reject, untimed, isDiscarded, isForPort });
    this.#updateWatchdog();
    return promise;
  }

  /** Starts the time limit of all awaited replies. */
  armTimeout(): void {
    for (const one of this.#pending) one.untimed = false;
    this.#updateWatchdog();
  }

  /**
   * Passes a reply to the first command. Returns false, and passes nothing, if no command expects it: each later reply
   * would be matched with the wrong command. 421 comes without being asked for.
   */
  resolveNext(reply: Reply): boolean {
    const [first] = this.#pending;
    const isPort = reply.code === 227 || reply.code === 229;
    if (reply.code !== 421 && (first === undefined || (isPort && !first.isForPort))) return false;
    this.#pending.shift();
    this.#updateWatchdog();
    first?.resolve(reply);
    return true;
  }

  /** Rejects all awaited replies. */
  rejectAll(why: SyncError): void {
    this.#watchdog[Symbol.dispose]();
    for (const one of this.#pending.splice(0)) one.reject(why);
  }

  #updateWatchdog(): void {
    const [first] = this.#pending;
    if (first === undefined || first.untimed) this.#watchdog.stop();
    else this.#watchdog.start();
  }
}

/** Returns the port of "229 … (|||6446|)", or undefined if there is none. RFC 2428. */
export function parseEpsvPort({ code, text }: Reply): number | undefined {
  return code === 229 ? parsePort(/\(([!-~])\1\1(\d{1,5})\1\)/.exec(text)?.[2]) : undefined;
}

/**
 * Returns the port of "227 … (h1,h2,h3,h4,p1,p2)". The host in it is ignored: data connections go to the host of the
 * control connection.
 */
export function parsePasvPort({ code, text }: Reply): number | undefined {
  if (code !== 227) return undefined;
  const [, high, low] = /\d{1,3},\d{1,3},\d{1,3},\d{1,3},(\d{1,3}),(\d{1,3})(?!\d)/.exec(text) ?? [];
  return parsePort(high === undefined ? undefined : String(Number(high) * 256 + Number(low)));
}

/**
 * Returns the folder of `257 "/a ""quoted"" one" is …`, also without quotes or with odd ones; undefined if there is none
 * that is absolute in the form of Unix. "C:/" is none: such servers count from "/" all the same.
 */
export function parsePwdFolder({ code, text }: Reply): string | undefined {
  if (code !== 257) return undefined;
  const quoted = /"((?:[^"]|"")*)"/.exec(text)?.[1]?.replaceAll('""', '"');
  const folder = quoted?.startsWith("/") === true ? quoted : ODD_PWD.exec(text.slice(4))?.[1];
  // deno-lint-ignore no-control-regex
  return folder === undefined || /[\u0000-\u001f\u007f]/.test(folder) ? undefined : folder;
}

/** A folder within odd quotes, or without any if nothing but the usual words follow. */
const ODD_PWD = /^\s*["'`]*(\/[^"'`\s]*)["'`]*(?:\s+(?:is|as)\b.*|\s*[.]?)$/i;

/** Parses the reply to FEAT: feature names in capitals, each with the rest of its line. */
export function parseFeatures({ code, text }: Reply): ReadonlyMap<string, string> {
  const features = new Map<string, string>();
  if (code >= 300) return features;
  for (const line of text.split("\n").slice(1, -1)) {
    const [, name = "", more = ""] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
    // SITE UTIME and SITE CHMOD are one feature each.
    const [, sub = ""] = /^(\S+)/.exec(more) ?? [];
    features.set(name.toUpperCase() === "SITE" ? `SITE ${sub.toUpperCase()}` : name.toUpperCase(), more);
  }
  return features;
}

function parsePort(digits: string | undefined): number | undefined {
  const port = Number(digits);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
}
