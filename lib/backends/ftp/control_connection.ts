import type net from "node:net";
import tls from "node:tls";
// @ts-types="npm:basic-ftp@6.2.3"
import { FTPContext, FTPError, type FTPResponse } from "npm:basic-ftp@6.2.3";
import { SyncError } from "../../core/errors.ts";
import { epsvPort, pasvPort, type Reply, type Waiter } from "./reply.ts";
import { dialData } from "./data_connection.ts";
import { dial, SAID_NOTHING, secure, secureFirst, SILENT_MS, wholeLines } from "../../net/tcp.ts";
import { toLatin1 } from "../../net/latin1.ts";
import { withProgress } from "./progress.ts";
import { fingerprintOf, type TlsTrust } from "../../net/tls.ts";
import { late, lost, ON_WIRE, Watch, type Wire } from "../../net/transport.ts";

export interface LinkSettings {
  readonly host: string;
  readonly port: number;
  /** ms without a reply after which a connection counts as dead. */
  readonly timeout: number;
  readonly trust: TlsTrust;
}

/** One control connection. Replies come in order. A refusal is a reply; only a broken connection rejects. One character per byte. */
export class FtpLink {
  readonly #ftp: FTPContext;
  readonly #settings: LinkSettings;
  readonly #waiting: Waiter[] = [];
  readonly #silence: Watch;
  #closed: SyncError | undefined;
  #hasEpsv = true;
  #newest = false;
  #hasSpoken = false;
  #preliminaryReplies = 0;
  /** The port of a data connection that was requested ahead, and until when it is used. */
  #ahead: { readonly port: Promise<number | undefined>; readonly until: number } | undefined;
  /** Whether commands may be pipelined. True for servers that are known to read one line after the other. */
  pipelines = false;
  /**
   * Whether the server delays small segments (Nagle's algorithm) and reads no command during a transfer. vsftpd does
   * both.
   */
  holdsBack = false;
  /** Whether the latency is so high that saving round trips pays. */
  isFar = false;
  /** Called when a reply arrived, or data in either direction. */
  onProgress: () => void = () => {};
  /** The text of the server's greeting; it often names its software. */
  greeting = "";

  private constructor(socket: net.Socket, settings: LinkSettings) {
    this.#settings = settings;
    this.#ftp = new FTPContext(0, "latin1");
    const { timeout } = settings;
    this.#silence = new Watch(timeout, () => this.close(late("no answer", timeout)));
    this.#use(socket);
  }

  /** Connects, over TLS from the first byte if `implicit`. Returns the greeting too. `newest`: TLS 1.3 is allowed. */
  static async connect(
    settings: LinkSettings,
    { implicit, newest, signal }: {
      readonly implicit: boolean;
      readonly newest: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly link: FtpLink; readonly greeting: Reply }> {
    const socket = await dial(settings, { timeout: settings.timeout, signal });
    let link: FtpLink | undefined;
    let stirring: ReturnType<typeof setTimeout> | undefined;
    const stop = () => {
      link?.close();
      socket.destroy();
    };
    signal.addEventListener("abort", stop);
    try {
      const ready = implicit ? await secureFirst(socket, { ...settings, newest }) : socket;
      const made = link = new FtpLink(ready, settings);
      made.#newest = newest;
      const greeting = made.#next();
      // One handler for all later replies: a handler for each command costs a stack trace each.
      made.#ftp.handle(undefined, (reply) => made.#onReply(reply)).catch(() => {});
      stirring = setTimeout(() => made.#stir(), Math.min(SILENT_MS, settings.timeout / 2));
      return { link: made, greeting: await greeting };
    } finally {
      clearTimeout(stirring);
      signal.removeEventListener("abort", stop);
    }
  }

  get closed(): boolean {
    return this.#closed !== undefined || this.#ftp.closed;
  }

  get isSecure(): boolean {
    return this.#ftp.hasTLS;
  }

  /** The certificate's SHA-256 in hex; undefined without TLS. */
  get fingerprint(): string | undefined {
    const { socket } = this.#ftp;
    return socket instanceof tls.TLSSocket ? fingerprintOf(socket) : undefined;
  }

  /** Whether the connection is open and no reply is outstanding, so that it can be reused. */
  get isIdle(): boolean {
    return !this.closed && this.#waiting.every(({ idle }) => idle === true);
  }

  /** Upgrades the connection to TLS. Data that came in clear text before is discarded. */
  async startTls(newest: boolean): Promise<void> {
    const { socket } = this.#ftp;
    socket.removeAllListeners("data");
    this.#newest = newest;
    this.#use(await secure(socket, { ...this.#settings, newest }));
  }

  /** Sends one command. Rejects when the connection breaks or the reply times out. */
  async ask(command: string, options: { readonly patient?: boolean } = {}): Promise<Reply> {
    const [reply] = this.#send([command], options);
    return await (reply ?? Promise.reject(lost("connection", "the connection is closed")));
  }

  /** Sends several commands, pipelined if the server is known to support that. Returns their replies in order. */
  async batch<const C extends readonly string[]>(commands: C): Promise<{ readonly [I in keyof C]: Reply }> {
    const replies: Reply[] = [];
    if (this.pipelines) {
      const sent = this.#send(commands);
      for (const [index, one] of sent.entries()) {
        replies.push(await one);
        if (index === 0) this.#fetchRest(sent.length);
      }
    } else {
      for (const command of commands) replies.push(await this.ask(command));
    }
    return replies as { readonly [I in keyof C]: Reply };
  }

  /**
   * Finishes a transfer whose data was sent or received to its end: sends the next commands, together with the request
   * for the next data connection's port. They are sent at once if the server delays its reply to the transfer until it
   * receives something, and reads no command before; other servers refuse commands that come before their reply.
   * Returns that reply and, unless it is a refusal, those to the commands.
   */
  async conclude(
    transfer: Promise<Reply>,
    commands: readonly string[],
  ): Promise<{ readonly reply: Reply; readonly replies: readonly Reply[] }> {
    this.hurry();
    const asked = this.holdsBack && !this.closed ? this.#askAhead(commands) : undefined;
    const reply = await transfer;
    if (asked !== undefined) this.#fetchRest(commands.length);
    if (reply.code >= 300) return { reply, replies: [] };
    const following = asked ?? (this.pipelines ? this.#askAhead(commands) : await this.batch(commands));
    return { reply, replies: await Promise.all(following) };
  }

  /**
   * Opens a data connection to the host of the control connection. Rejects with the server's reply if it offers none.
   */
  async openData(): Promise<Wire> {
    return withProgress(await this.#openData(), () => this.onProgress());
  }

  async #openData(): Promise<Wire> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const isFresh = ahead !== undefined && performance.now() < ahead.until;
    const port = (isFresh ? await ahead.port : undefined) ?? await this.#passivePort();
    const { socket, tlsSessionStore: session } = this.#ftp;
    const host = socket.remoteAddress;
    if (host === undefined) throw this.#closed ?? lost("connection", "the connection is closed");
    return await dialData({ host, port }, socket, { ...this.#settings, newest: this.#newest, session });
  }

  /** Arms the reply timeout: the transfer's data is complete, so the final reply is due. */
  hurry(): void {
    for (const waiter of this.#waiting) waiter.patient = false;
    this.#watch();
  }

  close(why = lost("connection", "the connection is closed")): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    this.#silence[Symbol.dispose]();
    this.#ftp.close();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(why);
  }

  /** Sends the request for the port of the next data connection, and the commands after it. */
  #askAhead(commands: readonly string[]): readonly Promise<Reply>[] {
    const [port, ...replies] = this.#send([this.#hasEpsv ? "EPSV" : "NOOP", ...commands], { ahead: true });
    if (this.#hasEpsv && port !== undefined) {
      this.#ahead = { port: port.then(epsvPort, () => undefined), until: performance.now() + AHEAD_MS };
    }
    return replies;
  }

  async #passivePort(): Promise<number> {
    if (this.#hasEpsv) {
      const reply = await this.ask("EPSV");
      const port = epsvPort(reply);
      if (port !== undefined) return port;
      if (reply.code === 421 || reply.code === 425) {
        throw lost("busy", `the server opens no data connection: ${reply.text}`);
      }
      this.#hasEpsv = false;
    }
    const reply = await this.ask("PASV");
    const port = pasvPort(reply);
    if (port !== undefined) return port;
    throw lost("connection", `the server opens no data connection: ${reply.text.slice(0, 200)}`);
  }

  /**
   * Sends a NOOP so that a server that delays small segments sends its remaining replies. It would send the second one
   * only after the first is acknowledged, which takes 40 ms unless something is sent to it. Does nothing if all replies
   * came at once.
   */
  #fetchRest(count: number): void {
    if (this.holdsBack && count >= 2 && this.#waiting.length > 0 && !this.closed) this.#stir();
  }

  /** Sends a NOOP whose reply is discarded. */
  #stir(): void {
    this.#waiting.push({ resolve: () => {}, reject: () => {}, patient: false, idle: true });
    this.#ftp.socket.write(toLatin1("NOOP\r\n"));
  }

  /**
   * Writes commands to the socket; all commands of callers pass here. They are written as bytes, because text over TLS
   * does not keep its encoding.
   */
  #send(commands: readonly string[], { patient = false, ahead = false } = {}): readonly Promise<Reply>[] {
    if (this.#closed !== undefined) throw this.#closed;
    // deno-lint-ignore no-control-regex
    if (commands.some((one) => /[\u0000-\u001f\u007f]|[^\u0000-\u00ff]/.test(one))) {
      const why = "A name with a control character cannot be sent over FTP";
      throw new SyncError("badInput", why, { operation: ON_WIRE });
    }
    // The reply to the port requested ahead does not keep the connection busy.
    const replies = commands.map((command, index) =>
      this.#next({ patient, idle: ahead && index === 0, forPort: /^(?:EPSV|PASV)$/.test(command) })
    );
    for (const one of replies) one.catch(() => {});
    this.#ftp.socket.write(toLatin1(commands.map((one) => `${one}\r\n`).join("")));
    return replies;
  }

  #next({ patient = false, idle = false, forPort = false } = {}): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting.push({ resolve, reject, patient, idle, forPort });
    this.#watch();
    return promise;
  }

  /** Starts or stops the timeout for the first pending reply. */
  #watch(): void {
    const [first] = this.#waiting;
    if (first === undefined || first.patient) this.#silence.end();
    else this.#silence.begin();
  }

  #onReply(reply: Error | FTPResponse): void {
    const answer = reply instanceof FTPError || !(reply instanceof Error)
      ? { code: reply.code, text: reply.message }
      : undefined;
    if (answer === undefined) {
      const why = reply instanceof Error ? reply.message : "the connection broke";
      return this.close(lost("connection", this.#hasSpoken ? why : SAID_NOTHING, reply));
    }
    this.#hasSpoken = true;
    this.onProgress();
    if (answer.code < 200 && ++this.#preliminaryReplies > MOST_PRELIMINARY) {
      this.close(lost("connection", "the server's replies never end"));
    }
    if (answer.code < 200) return;
    this.#preliminaryReplies = 0;
    const first = this.#waiting.shift();
    const isPort = answer.code === 227 || answer.code === 229;
    if (answer.code !== 421 && (first === undefined || (isPort && first.forPort !== true))) {
      // One reply too many: from here on each reply would be matched with the wrong command.
      const why = lost("connection", "the server's answers are out of step with what it was asked");
      first?.reject(why);
      return this.close(why);
    }
    this.#watch();
    first?.resolve(answer);
    if (answer.code === 421) this.close(lost("busy", `the server ends the connection: ${answer.text.slice(0, 200)}`));
  }

  #use(socket: net.Socket): void {
    socket.removeAllListeners("error");
    this.#ftp.socket = socket;
    this.#ftp.socket.setNoDelay(true);
    wholeLines(socket, (why) => this.close(why));
  }
}

const MOST_PRELIMINARY = 1000;
/** How long a port requested ahead is used: servers close a port to which no client connects. */
const AHEAD_MS = 5_000;
