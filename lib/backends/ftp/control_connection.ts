import type net from "node:net";
import tls from "node:tls";
// @ts-types="npm:basic-ftp@6.2.3"
import { FTPContext, FTPError, type FTPResponse } from "npm:basic-ftp@6.2.3";
import { SyncError } from "../../core/errors.ts";
import { serverMessage } from "./errors.ts";
import type { DataRoute, DataSettings } from "./data_route.ts";
import { explainSilence, parseEpsvPort, type Reply, ReplyQueue, StrayLines } from "./replies.ts";
import {
  deliverWholeLines,
  GREETING_WAIT_MS,
  NO_GREETING,
  startImplicitTls,
  startTlsOnSocket,
} from "./control_socket.ts";
import { dialSocket, type Proxy } from "../../net/tcp.ts";
import { toLatin1 } from "../../net/latin1.ts";
import { fingerprintOf, type TlsTrust } from "../../net/tls.ts";
import { NETWORK_OPERATION, networkError } from "../../net/net_error.ts";

export interface ControlSettings {
  readonly host: string;
  readonly port: number;
  /** ms without a reply after which a connection counts as dead. */
  readonly timeout: number;
  readonly trust: TlsTrust;
  readonly proxy?: Proxy | undefined;
  /** The ways of opening data connections, common to all control connections. */
  readonly route: DataRoute;
}

/** One control connection. Replies come in order. A refusal is a reply; only a broken connection rejects. One character per byte. */
export class ControlConnection {
  readonly #ftp: FTPContext;
  readonly settings: ControlSettings;
  readonly #replies: ReplyQueue;
  readonly #localHost: string | undefined;
  #strayLines = new StrayLines();
  #closed: SyncError | undefined;
  #allowTls13 = false;
  #hasReplied = false;
  #preliminaryReplies = 0;
  /** The port of the next data connection, requested in advance, and the time until which it is used. */
  #nextPort: { readonly port: Promise<number | undefined>; readonly until: number } | undefined;
  /** Whether commands may be pipelined. True for servers that are known to read one line after the other. */
  pipelines = false;
  /**
   * Whether the server delays small segments (Nagle's algorithm) and reads no command during a transfer. vsftpd does
   * both.
   */
  delaysReplies = false;
  /** Whether the latency is so high that saving round trips pays. */
  highLatency = false;
  #onBegin: () => void = () => {};
  /** Called when a reply arrived, or data in either direction. */
  onProgress: () => void = () => {};
  /** The text of the server's greeting; it often names its software. */
  greeting = "";

  private constructor(socket: net.Socket, settings: ControlSettings) {
    this.settings = settings;
    this.#localHost = socket.localAddress;
    this.#ftp = new FTPContext(0, "latin1");
    const { timeout } = settings;
    this.#replies = new ReplyQueue(timeout, () => this.close(explainSilence(this.#strayLines, timeout)));
    this.#attach(socket);
  }

  /** Connects, over TLS from the first byte if `implicit`. Returns the greeting too. */
  static async connect(
    settings: ControlSettings,
    { implicit, allowTls13, signal }: {
      readonly implicit: boolean;
      readonly allowTls13: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly control: ControlConnection; readonly greeting: Reply }> {
    const socket = await dialSocket(settings, { timeout: settings.timeout, signal });
    let control: ControlConnection | undefined;
    let noopTimer: ReturnType<typeof setTimeout> | undefined;
    const stop = () => {
      control?.close();
      socket.destroy();
    };
    signal.addEventListener("abort", stop);
    try {
      const ready = implicit ? await startImplicitTls(socket, { ...settings, allowTls13 }) : socket;
      const made = control = new ControlConnection(ready, settings);
      made.#allowTls13 = allowTls13;
      const greeting = made.#replies.expect();
      // One handler for all later replies: a handler for each command costs a stack trace each.
      made.#ftp.handle(undefined, (reply) => made.#onReply(reply)).catch(() => {});
      noopTimer = setTimeout(() => made.#sendNoop(), Math.min(GREETING_WAIT_MS, settings.timeout / 2));
      return { control: made, greeting: await greeting };
    } finally {
      clearTimeout(noopTimer);
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
    return !this.closed && this.#replies.isIdle;
  }

  /** Upgrades the connection to TLS. Data that came in clear text before is discarded. */
  async startTls(allowTls13: boolean): Promise<void> {
    const { socket } = this.#ftp;
    socket.removeAllListeners("data");
    this.#allowTls13 = allowTls13;
    this.#attach(await startTlsOnSocket(socket, { ...this.settings, allowTls13 }));
  }

  /** Sends one command. Rejects when the connection breaks or the reply times out. */
  async sendCommand(command: string, options: { readonly untimed?: boolean } = {}): Promise<Reply> {
    const [reply] = this.#send([command], options);
    return await (reply ?? Promise.reject(networkError("connection", "the connection is closed")));
  }

  /** Sends several commands, pipelined if the server is known to support that. Returns their replies in order. */
  async sendCommands<const C extends readonly string[]>(commands: C): Promise<{ readonly [I in keyof C]: Reply }> {
    const replies: Reply[] = [];
    if (this.pipelines) {
      const sent = this.#send(commands);
      for (const [index, one] of sent.entries()) {
        replies.push(await one);
        if (index === 0) this.#flushReplies(sent.length);
      }
    } else {
      for (const command of commands) replies.push(await this.sendCommand(command));
    }
    return replies as { readonly [I in keyof C]: Reply };
  }

  /**
   * Finishes a transfer whose data was sent or received to its end: sends the next commands, together with the request
   * for the next data connection's port. They are sent at once if the server delays its reply to the transfer until it
   * receives something, and reads no command before; other servers refuse commands that come before their reply.
   * Returns that reply and, unless it is a refusal, those to the commands. `untimed`: the caller limits the wait for
   * that reply.
   */
  async finishTransfer(
    transfer: Promise<Reply>,
    commands: readonly string[],
    { untimed = false } = {},
  ): Promise<{ readonly reply: Reply; readonly replies: readonly Reply[] }> {
    if (!untimed) this.armTimeout();
    const asked = this.delaysReplies && !this.closed ? this.#sendWithPort(commands) : undefined;
    const reply = await transfer;
    if (asked !== undefined) this.#flushReplies(commands.length);
    if (reply.code >= 300) return { reply, replies: [] };
    const following = asked ?? (this.pipelines ? this.#sendWithPort(commands) : await this.sendCommands(commands));
    return { reply, replies: await Promise.all(following) };
  }

  get route(): DataRoute {
    return this.settings.route;
  }

  get dataSettings(): DataSettings {
    const { socket, tlsSessionStore } = this.#ftp;
    const host = socket.remoteAddress;
    if (host === undefined) throw this.#closed ?? networkError("connection", "the connection is closed");
    const { timeout, trust, proxy } = this.settings;
    const settings = { host, proxy, localHost: this.#localHost, timeout };
    if (!(socket instanceof tls.TLSSocket)) return settings;
    const session = socket.getSession() ?? tlsSessionStore;
    return { ...settings, tls: { trust, allowTls13: this.#allowTls13, session } };
  }

  /** Returns the port of the next data connection if it was requested in advance and not too long ago. */
  async takeNextPort(): Promise<number | undefined> {
    const ahead = this.#nextPort;
    this.#nextPort = undefined;
    const isFresh = ahead !== undefined && performance.now() < ahead.until;
    return isFresh ? await ahead.port : undefined;
  }

  /** Resolves when a preliminary reply shows that the next transfer begins, or after `limit` ms. */
  untilBegun(limit: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limit);
    this.#onBegin = resolve;
    return promise.finally(() => clearTimeout(timer));
  }

  /** Arms the reply timeout: the transfer's data is complete, so the final reply is due. */
  armTimeout(): void {
    this.#replies.armTimeout();
  }

  close(why = networkError("connection", "the connection is closed")): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    this.#ftp.close();
    this.#onBegin();
    this.#replies.rejectAll(why);
  }

  /** Sends the request for the port of the next data connection, and the commands after it. */
  #sendWithPort(commands: readonly string[]): readonly Promise<Reply>[] {
    const { usesEpsv } = this.route;
    const [port, ...replies] = this.#send([usesEpsv ? "EPSV" : "NOOP", ...commands], { ahead: true });
    if (usesEpsv && port !== undefined) {
      this.#nextPort = { port: port.then(parseEpsvPort, () => undefined), until: performance.now() + NEXT_PORT_MS };
    }
    return replies;
  }

  /**
   * Sends a NOOP so that a server that delays small segments sends its remaining replies. It would send the second one
   * only after the first is acknowledged, which takes 40 ms unless something is sent to it. Does nothing if all replies
   * came at once.
   */
  #flushReplies(count: number): void {
    if (this.delaysReplies && count >= 2 && this.#replies.size > 0 && !this.closed) this.#sendNoop();
  }

  /** Sends a NOOP whose reply is discarded. */
  #sendNoop(): void {
    void this.#replies.expect({ isDiscarded: true });
    this.#ftp.socket.write(toLatin1("NOOP\r\n"));
  }

  /**
   * Writes commands to the socket; all commands of callers pass here. They are written as bytes, because text over TLS
   * does not keep its encoding.
   */
  #send(commands: readonly string[], { untimed = false, ahead = false } = {}): readonly Promise<Reply>[] {
    if (this.#closed !== undefined) throw this.#closed;
    // deno-lint-ignore no-control-regex
    if (commands.some((one) => /[\u0000-\u001f\u007f]|[^\u0000-\u00ff]/.test(one))) {
      const why = "FTP cannot transfer a name with a control character";
      throw new SyncError("badInput", why, { operation: NETWORK_OPERATION });
    }
    // The reply to a port requested in advance does not keep the connection busy.
    const replies = commands.map((command, index) =>
      this.#replies.expect({ untimed, isDiscarded: ahead && index === 0, isForPort: /^(?:EPSV|PASV)$/.test(command) })
    );
    this.#ftp.socket.write(toLatin1(commands.map((one) => `${one}\r\n`).join("")));
    return replies;
  }

  #onReply(reply: Error | FTPResponse): void {
    const answer = reply instanceof FTPError || !(reply instanceof Error)
      ? { code: reply.code, text: reply.message }
      : undefined;
    if (answer === undefined) {
      const why = reply instanceof Error ? reply.message : "the connection broke";
      return this.close(networkError("connection", this.#hasReplied ? why : NO_GREETING, reply));
    }
    this.#hasReplied = true;
    this.onProgress();
    if (answer.code < 200 && ++this.#preliminaryReplies > MAX_PRELIMINARY) {
      this.close(networkError("connection", "the server sends preliminary replies without end"));
    }
    if (answer.code < 200) return this.#onBegin();
    this.#preliminaryReplies = 0;
    if (answer.code >= 400) this.#onBegin();
    if (!this.#replies.resolveNext(answer)) {
      return this.close(networkError("connection", "the server's replies are out of step with the commands"));
    }
    if (answer.code === 421) {
      this.close(networkError("busy", `the server ends the connection: ${serverMessage(answer)}`));
    }
  }

  #attach(socket: net.Socket): void {
    socket.removeAllListeners("error");
    this.#ftp.socket = socket;
    this.#ftp.socket.setNoDelay(true);
    const strayLines = this.#strayLines = new StrayLines();
    socket.on("data", (lines: string) => strayLines.push(lines));
    deliverWholeLines(socket, (why) => this.close(why));
  }
}

const MAX_PRELIMINARY = 1000;
/** How long a port requested in advance is used: servers close a port to which no client connects. */
const NEXT_PORT_MS = 5_000;
