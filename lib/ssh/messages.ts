import { Buffer } from "node:buffer";
import { SyncError } from "../core/errors.ts";
import { permanentConnectionError } from "./errors.ts";
import { describeKey, fieldsOf, fingerprint } from "./known_hosts.ts";
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

/** The answers of a server to login attempts that did not suffice. `isPartial`: one succeeded, another factor is due. */
export interface AuthFailure {
  readonly methods: readonly string[];
  readonly isPartial: boolean;
}

export class MessageFilter {
  readonly #protocol: RawProtocol;
  readonly #options: Pick<DialOptions, "host" | "port">;
  readonly #onRefused: (why: SyncError) => void;
  #state: State = "exchange";
  #offeredKey: Uint8Array | undefined;
  #verifiedKey: Uint8Array | undefined;
  #requestService: (() => void) | undefined;
  #hasOpenQuestion = false;
  #failure: AuthFailure | undefined;
  #uselessBytes = 0;
  #countedAt = performance.now();

  /** `onRefused` is called once, with the reason why the connection must end. */
  constructor(protocol: RawProtocol, options: Pick<DialOptions, "host" | "port">, onRefused: (why: SyncError) => void) {
    this.#protocol = protocol;
    this.#options = options;
    this.#onRefused = onRefused;
    const { _onPayload: dispatch } = protocol;
    const service = protocol.service.bind(protocol);
    const answer = protocol.authInfoRes.bind(protocol);
    protocol._onPayload = (payload) => {
      if (this.#isAdmitted(payload)) return dispatch(payload);
      return this.#isIn("ended") ? STOP : undefined;
    };
    protocol.service = (name) => this.#requestService = () => service(name);
    protocol.authInfoRes = (answers) => {
      if (!this.#hasOpenQuestion || this.#state !== "login") return;
      this.#hasOpenQuestion = false;
      answer(answers);
    };
  }

  /** The raw host key that was verified on this connection. Throws if none was. */
  get hostKey(): Uint8Array {
    if (this.#verifiedKey === undefined) throw this.#untrusted("was used before its host key was verified");
    return this.#verifiedKey;
  }

  /**
   * Returns the server's answers to the attempts since the last call. The library forgets those to an agent's key, and
   * tries a key whose login succeeded in part once more with another algorithm.
   */
  takeFailure(): AuthFailure | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** Whether a key exchange may go on with this host key: any in the first exchange, the same in later ones. */
  acceptsKey(key: Uint8Array): boolean {
    this.#offeredKey ??= new Uint8Array(key);
    if (Buffer.compare(this.#offeredKey, key) === 0) return true;
    const other = `${describeKey(key)} ${fingerprint(key)}`;
    this.#refuse(this.#untrusted(`showed another host key in a later key exchange, ${other}`));
    return false;
  }

  /**
   * Verifies the key that signed the first exchange, then requests the login service. Rejects with the error of
   * `judge`.
   */
  async verify(verifyKey: (key: Uint8Array) => Promise<void>): Promise<void> {
    if (this.#state !== "exchange") return;
    if (this.#offeredKey === undefined || this.#offeredKey.length === 0) throw this.#untrusted("showed no host key");
    this.#state = "verify";
    await verifyKey(this.#offeredKey);
    if (!this.#isIn("verify")) return;
    this.#verifiedKey = this.#offeredKey;
    this.#state = "service";
    this.#requestService?.();
  }

  /** Whether the library may handle the message; one that does not belong to the state ends the connection. */
  #isAdmitted(payload: Uint8Array): boolean {
    if (this.#isIn("ended")) return false;
    const type = payload[0] ?? IGNORE;
    if (isUseless(type)) this.#countUseless(payload.length);
    else this.#uselessBytes = Math.max(0, this.#uselessBytes - CREDIT_BYTES);
    if (this.#isIn("ended")) return false;
    const isAlways = (type >= DISCONNECT && type <= DEBUG) || type === EXT_INFO;
    if (isAlways || this.#isExpected(type, payload)) {
      return type !== BANNER || this.#isIn("service") || this.#isIn("login");
    }
    this.#refuse(this.#unexpected(type));
    return false;
  }

  /** Whether the message belongs to the state. Moves to the next state with it. */
  #isExpected(type: number, payload: Uint8Array): boolean {
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
        this.#hasOpenQuestion = false;
        if (isLogin) this.#recordFailure(payload);
        return isLogin;
      case USERAUTH_SUCCESS:
        if (!isLogin || this.#hasOpenQuestion) return false;
        this.#state = "open";
        return true;
      case USERAUTH_QUESTION: {
        const [method] = this.#protocol._authsQueue;
        if (!isLogin || this.#hasOpenQuestion || method === "none") return false;
        this.#hasOpenQuestion = method === "keyboard-interactive";
        return true;
      }
      default:
        return this.#state === "open" && (type >= GLOBAL_REQUEST && type <= CHANNEL_FAILURE || type >= PRIVATE);
    }
  }

  /** Records the methods that can continue and whether the attempt succeeded in part (RFC 4252, section 5.1). */
  #recordFailure(payload: Uint8Array): void {
    const [names = new Uint8Array()] = fieldsOf(payload.subarray(1), 1);
    const methods = new TextDecoder().decode(names).split(",").filter((name) => name !== "");
    const isPartial = payload[1 + 4 + names.length] === 1;
    this.#failure = { methods, isPartial: isPartial || this.#failure?.isPartial === true };
  }

  /** Counts messages without use for the client: a server that sends only those would keep a run busy for ever. */
  #countUseless(bytes: number): void {
    const now = performance.now();
    this.#uselessBytes = Math.max(0, this.#uselessBytes - (now - this.#countedAt) * DECAY_BYTES_PER_MS);
    this.#countedAt = now;
    this.#uselessBytes += Math.max(bytes, MIN_MESSAGE_BYTES);
    if (this.#uselessBytes <= MAX_USELESS_BYTES) return;
    const why = `the server sends a flood of banners or other messages that carry no data, over ${
      MAX_USELESS_BYTES >> 20
    } MiB`;
    this.#refuse(permanentConnectionError(this.#options, why));
  }

  #isIn(state: State): boolean {
    return this.#state === state;
  }

  #refuse(why: SyncError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#onRefused(why);
  }

  #unexpected(type: number): SyncError {
    const what = NAMES[type] ?? `message ${type}`;
    if (this.#verifiedKey === undefined) return this.#untrusted(`sent ${what} before its host key was verified`);
    const why = `the server sent ${what}, which answers no request`;
    return permanentConnectionError(this.#options, why);
  }

  #untrusted(what: string): SyncError {
    const { host, port } = this.#options;
    const key = this.#offeredKey === undefined || this.#offeredKey.length === 0
      ? ""
      : ` (it showed ${describeKey(this.#offeredKey)} ${fingerprint(this.#offeredKey)})`;
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
const MAX_USELESS_BYTES = 1 << 20;
const DECAY_BYTES_PER_MS = 16;
const MIN_MESSAGE_BYTES = 64;
/** Bytes subtracted for each useful message: some servers send an IGNORE message before each. */
const CREDIT_BYTES = 256;

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
function isUseless(type: number): boolean {
  if (type >= PRIVATE || type === BANNER || type === EXT_INFO) return true;
  if (type >= IGNORE && type <= DEBUG) return true;
  return (type >= GLOBAL_REQUEST && type <= REQUEST_FAILURE) || type === CHANNEL_OPEN || type === CHANNEL_REQUEST;
}
