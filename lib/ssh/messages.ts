import { Buffer } from "node:buffer";
import { SyncError } from "../core/errors.ts";
import { wrongServer } from "./errors.ts";
import { describeKey, fingerprint } from "./known_hosts.ts";
import type { DialOptions } from "./types.ts";

/** Private parts of the client library's protocol object; the library's version is pinned because of them. */
export interface RawProtocol {
  _strictMode?: boolean;
  _compatFlags: number;
  /** Methods of the login requests that are not answered yet. */
  readonly _authsQueue: readonly string[];
  /** Called with every message outside a key exchange. */
  _onPayload(payload: Uint8Array): unknown;
  service(name: string): void;
  authInfoRes(answers?: readonly string[]): void;
}

/**
 * The state of one connection. The client library dispatches every message in every state, so a server could declare a
 * login successful before its host key was verified. This state machine admits a message only in the states in which
 * RFC 4252 to 4254 allow it.
 *
 * | state    | begins with                                              | admits, beside DISCONNECT, IGNORE, DEBUG, UNIMPLEMENTED, EXT_INFO |
 * |----------|----------------------------------------------------------|-------------------------------------------------------------------|
 * | exchange | the connection                                           | the library's own check: key exchange messages only                |
 * | verify   | NEWKEYS, after the library proved the exchange's signature | nothing; a banner is dropped. Nothing is sent, not even SERVICE_REQUEST |
 * | service  | verify() resolved, SERVICE_REQUEST is sent                 | SERVICE_ACCEPT, KEXINIT, a banner                                   |
 * | login    | SERVICE_ACCEPT, once                                       | KEXINIT, a banner; FAILURE, SUCCESS and 60 while a login request is unanswered |
 * | open     | SUCCESS                                                    | KEXINIT and the connection protocol, 80 to 100                      |
 * | ended    | any other message, or a key exchange with another host key | nothing                                                             |
 *
 * In `login`, a SUCCESS or a further question is also refused while a question of the server is unanswered. Messages that
 * only a client sends are never admitted: the library counts a server's USERAUTH_REQUEST as a login request of the client.
 * The library performs a key exchange in a later state and admits no other message during it; its host key must be the
 * verified one.
 */
type State = "exchange" | "verify" | "service" | "login" | "open" | "ended";

export class MessageFilter {
  readonly #protocol: RawProtocol;
  readonly #options: Pick<DialOptions, "host" | "port">;
  readonly #onRefused: (why: SyncError) => void;
  #state: State = "exchange";
  #shown: Uint8Array | undefined;
  #verified: Uint8Array | undefined;
  #requestService: (() => void) | undefined;
  #isAsked = false;
  #idleBytes = 0;
  #idleSince = performance.now();

  /** `onRefused` is called once, with the reason why the connection must end. */
  constructor(protocol: RawProtocol, options: Pick<DialOptions, "host" | "port">, onRefused: (why: SyncError) => void) {
    this.#protocol = protocol;
    this.#options = options;
    this.#onRefused = onRefused;
    const { _onPayload: dispatch } = protocol;
    const service = protocol.service.bind(protocol);
    const answer = protocol.authInfoRes.bind(protocol);
    protocol._onPayload = (payload) => {
      if (this.#admits(payload)) return dispatch(payload);
      return this.#is("ended") ? STOP : undefined;
    };
    protocol.service = (name) => this.#requestService = () => service(name);
    protocol.authInfoRes = (answers) => {
      if (!this.#isAsked || this.#state !== "login") return;
      this.#isAsked = false;
      answer(answers);
    };
  }

  /** The raw host key that was verified on this connection. Throws if none was. */
  get hostKey(): Uint8Array {
    if (this.#verified === undefined) throw this.#untrusted("was used before its host key was verified");
    return this.#verified;
  }

  /** Whether a key exchange may go on with this host key: any in the first exchange, the same in later ones. */
  sees(key: Uint8Array): boolean {
    this.#shown ??= new Uint8Array(key);
    if (Buffer.compare(this.#shown, key) === 0) return true;
    const other = `${describeKey(key)} ${fingerprint(key)}`;
    this.#refuse(this.#untrusted(`showed another host key in a later key exchange, ${other}`));
    return false;
  }

  /**
   * Verifies the key that signed the first exchange, then requests the login service. Rejects with the error of
   * `judge`.
   */
  async verify(judge: (key: Uint8Array) => Promise<void>): Promise<void> {
    if (this.#state !== "exchange") return;
    if (this.#shown === undefined || this.#shown.length === 0) throw this.#untrusted("showed no host key");
    this.#state = "verify";
    await judge(this.#shown);
    if (!this.#is("verify")) return;
    this.#verified = this.#shown;
    this.#state = "service";
    this.#requestService?.();
  }

  /** Whether the library may handle the message; one that does not belong to the state ends the connection. */
  #admits(payload: Uint8Array): boolean {
    if (this.#is("ended")) return false;
    const type = payload[0] ?? IGNORE;
    if (isIdle(type)) this.#countIdle(payload.length);
    else this.#idleBytes = Math.max(0, this.#idleBytes - FORGIVEN);
    if (this.#is("ended")) return false;
    const isAlways = (type >= DISCONNECT && type <= DEBUG) || type === EXT_INFO;
    if (isAlways || this.#belongs(type)) return type !== BANNER || this.#is("service") || this.#is("login");
    this.#refuse(this.#unexpected(type));
    return false;
  }

  /** Whether the message belongs to the state. Moves to the next state with it. */
  #belongs(type: number): boolean {
    const isLogin = this.#state === "login" && this.#protocol._authsQueue.length > 0;
    switch (type) {
      case BANNER:
        return true;
      case KEXINIT:
        return this.#state !== "verify" && this.#state !== "exchange";
      case SERVICE_ACCEPT:
        if (this.#state !== "service") return false;
        this.#state = "login";
        return true;
      case USERAUTH_FAILURE:
        this.#isAsked = false;
        return isLogin;
      case USERAUTH_SUCCESS:
        if (!isLogin || this.#isAsked) return false;
        this.#state = "open";
        return true;
      case USERAUTH_QUESTION: {
        const [method] = this.#protocol._authsQueue;
        if (!isLogin || this.#isAsked || method === "none") return false;
        this.#isAsked = method === "keyboard-interactive";
        return true;
      }
      default:
        return this.#state === "open" && (type >= GLOBAL_REQUEST && type <= CHANNEL_FAILURE || type >= PRIVATE);
    }
  }

  /** Counts messages without use for the client: a server that sends only those would keep a run busy for ever. */
  #countIdle(bytes: number): void {
    const now = performance.now();
    this.#idleBytes = Math.max(0, this.#idleBytes - (now - this.#idleSince) * IDLE_BYTES_A_MS);
    this.#idleSince = now;
    this.#idleBytes += Math.max(bytes, SMALLEST);
    if (this.#idleBytes <= MOST_IDLE_BYTES) return;
    const why = `the server sends a flood of banners or other messages that carry no data, over ${
      MOST_IDLE_BYTES >> 20
    } MiB`;
    this.#refuse(wrongServer(this.#options, why));
  }

  #is(state: State): boolean {
    return this.#state === state;
  }

  #refuse(why: SyncError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#onRefused(why);
  }

  #unexpected(type: number): SyncError {
    const what = NAMES[type] ?? `message ${type}`;
    if (this.#verified === undefined) return this.#untrusted(`sent ${what} before its host key was verified`);
    const why = `the server sent ${what}, which answers nothing that was asked`;
    return wrongServer(this.#options, why);
  }

  #untrusted(what: string): SyncError {
    const { host, port } = this.#options;
    const key = this.#shown === undefined || this.#shown.length === 0
      ? ""
      : ` (it showed ${describeKey(this.#shown)} ${fingerprint(this.#shown)})`;
    const message = `Cannot trust ${host}:${port}: the server ${what}${key}; the connection was ended.`;
    return new SyncError("hostKey", message, { operation: "check the host key" });
  }
}

/** The value that ends the library's loop over the received bytes. */
const STOP = Infinity;
/**
 * The most bytes of useless messages in a burst, and the rate at which the count decays: a keepalive each second is
 * acceptable.
 */
const MOST_IDLE_BYTES = 1 << 20;
const IDLE_BYTES_A_MS = 16;
const SMALLEST = 64;
/** Bytes subtracted for each useful message: some servers send an IGNORE message before each. */
const FORGIVEN = 256;

/** Message numbers of RFC 4250, section 4.1.2. */
const DISCONNECT = 1;
const IGNORE = 2;
const DEBUG = 4;
const SERVICE_ACCEPT = 6;
const EXT_INFO = 7;
const KEXINIT = 20;
const USERAUTH_FAILURE = 51;
const USERAUTH_SUCCESS = 52;
const BANNER = 53;
/** Its meaning depends on the method: the public key is accepted, the password must be changed, or questions follow. */
const USERAUTH_QUESTION = 60;
const GLOBAL_REQUEST = 80;
const REQUEST_FAILURE = 82;
const CHANNEL_OPEN = 90;
const CHANNEL_REQUEST = 98;
const CHANNEL_FAILURE = 100;
/** The first message number for extensions. */
const PRIVATE = 192;
const NAMES: Readonly<Record<number, string>> = {
  5: "SERVICE_REQUEST",
  6: "SERVICE_ACCEPT",
  20: "KEXINIT",
  50: "USERAUTH_REQUEST",
  51: "USERAUTH_FAILURE",
  52: "USERAUTH_SUCCESS",
  60: "a question about the login",
  80: "GLOBAL_REQUEST",
  90: "CHANNEL_OPEN",
};

/** Whether a message has no use for the client: notices, and requests of the server, which are all refused. */
function isIdle(type: number): boolean {
  if (type >= PRIVATE || type === BANNER || type === EXT_INFO) return true;
  if (type >= IGNORE && type <= DEBUG) return true;
  return (type >= GLOBAL_REQUEST && type <= REQUEST_FAILURE) || type === CHANNEL_OPEN || type === CHANNEL_REQUEST;
}
