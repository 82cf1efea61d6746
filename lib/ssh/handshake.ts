import { Buffer } from "node:buffer";
import type { Duplex, Readable } from "node:stream";
import type * as ssh2 from "npm:@types/ssh2@1.15.6";
import { cancelled } from "../core/errors.ts";
import { detectProtocol, explainWrongProtocol } from "../net/peer_protocol.ts";
import { needsStrict, offeredAlgorithms } from "./algorithms.ts";
import { authError, connectionError, loginTimeoutError, permanentConnectionError } from "./errors.ts";
import { MessageFilter, type RawProtocol } from "./messages.ts";
import { explainMismatch, parseOffer } from "./server_offer.ts";
import type { AuthMethod, DialOptions } from "./types.ts";

export interface HandshakeOptions {
  readonly client: ssh2.Client;
  readonly stream: Duplex;
  readonly options: DialOptions;
  /** Whether ciphers are offered that are safe only with strict key exchange. */
  readonly strict: boolean;
  createAgent(socket: string): ssh2.BaseAgent;
}

/**
 * Exchanges keys, verifies the host key, then logs in. Returns the verified host key; undefined if the negotiated
 * cipher is not safe with this server. Nothing is sent before the key is verified, and a success counts only as the
 * answer to a login that was sent (MessageFilter).
 */
export async function performHandshake(handshake: HandshakeOptions): Promise<Uint8Array | undefined> {
  const { client, stream, options, strict } = handshake;
  const { signal, user } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
  const deadline = new PausableDeadline(options.timeout, () => reject(loginTimeoutError(options)));
  const onAbort = () => reject(cancelled(signal, OPERATION));
  let confirmMs = AGENT_CONFIRM_MS;
  const nextMethod = async (
    methods: readonly string[] | null,
    partial: boolean | null,
    next: (auth: unknown) => void,
  ) => {
    deadline.pause();
    const failure = messageFilter.takeFailure() ?? { methods: methods ?? undefined, isPartial: partial ?? false };
    const method = await options.authenticate(failure.methods, failure.isPartial);
    if (method === undefined) {
      throw authError(options, `it accepts ${failure.methods?.join(", ") ?? "nothing that is left to try"}`);
    }
    deadline.resume(method.method === "agent" ? confirmMs : 0);
    if (method.method === "agent") confirmMs = 0;
    next(toLibraryAuth(method, { user, deadline, reject, createAgent: handshake.createAgent }));
  };
  client.on("close", () => reject(connectionError(options, "the server closed the connection")));
  client.on("error", (error: Error & { level?: string }) => {
    // After these errors the library makes the next login attempt.
    if (error.level === "agent" || error.level === "client-authentication") return;
    const offer = parseOffer(greeting());
    reject(connectionError(options, error, offer === undefined ? undefined : explainMismatch(offer, options.legacy)));
  });
  client.on(
    "change password",
    () => reject(authError(options, "the server requires a new password; set it with ssh first")),
  );
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  deadline.resume(0);
  const greeting = watchGreeting(stream, (why) => reject(permanentConnectionError(options, why)));
  client.connect({
    algorithms: offeredAlgorithms({ legacy: options.legacy, strict, hostKeyTypes: options.hostKeyTypes ?? [] }),
    sock: stream as Readable,
    username: user,
    readyTimeout: 0,
    keepaliveInterval: options.keepAlive,
    keepaliveCountMax: 3,
    // The key is not verified here: the filter does that once the exchange proved that the server holds it.
    hostVerifier: (key: Buffer) => messageFilter.acceptsKey(key),
    authHandler: (methods: unknown, partial: unknown, next: unknown) => {
      nextMethod(methods as string[] | null, partial as boolean | null, next as (auth: unknown) => void).catch(reject);
    },
  } as ssh2.ConnectConfig);
  const protocol = protocolOf(client);
  const messageFilter = new MessageFilter(protocol, options, (why) => {
    reject(why);
    client.emit("error", why);
    stream.destroy();
  });
  client.on("ready", () => resolve(messageFilter.hostKey));
  client.on("handshake", (agreed: ssh2.NegotiatedAlgorithms) => {
    if (!options.legacy) protocol._compatFlags |= IMPLY_RSA_SHA2;
    if (strict && !protocol._strictMode && needsStrict(agreed.cs.cipher, agreed.cs.mac)) return resolve(undefined);
    deadline.pause();
    messageFilter.verify((key) => options.verify(key)).then(() => deadline.resume(0)).catch(reject);
  });
  try {
    return await promise;
  } finally {
    deadline.stop();
    signal.removeEventListener("abort", onAbort);
  }
}

const OPERATION = "connect";
/** Additional ms for an agent, which may ask its user to confirm. */
const AGENT_CONFIRM_MS = 120_000;
/** The client library's flag for "signs RSA with SHA-2", also for a server that does not say which it takes: never SHA-1. */
const IMPLY_RSA_SHA2 = 1 << 4;

function protocolOf(client: ssh2.Client): RawProtocol {
  return (client as unknown as { _protocol: RawProtocol })._protocol;
}

interface AuthContext extends Pick<HandshakeOptions, "createAgent"> {
  readonly user: string;
  readonly deadline: PausableDeadline;
  reject(error: unknown): void;
}

/** Converts a login to the client library's format. */
function toLibraryAuth(
  login: AuthMethod,
  { user: username, deadline: clock, reject, createAgent }: AuthContext,
): unknown {
  switch (login.method) {
    case "none":
      return { type: "none", username };
    case "password":
      return { type: "password", username, password: login.password };
    case "publickey":
      return { type: "publickey", username, key: login.privateKey, passphrase: login.passphrase };
    case "agent":
      return { type: "agent", username, agent: limitAgent(createAgent(login.socket), login.keys) };
    case "keyboard-interactive":
      return {
        type: "keyboard-interactive",
        username,
        prompt: (name: string, words: string, _: string, prompts: ssh2.Prompt[], finish: (all: string[]) => void) => {
          clock.pause();
          const questions = prompts.map(({ prompt, echo }) => ({ prompt, echo: echo ?? false }));
          login.answer(name, words, questions).then((answers) => {
            clock.resume(0);
            finish([...answers]);
          }).catch(reject);
        },
      };
    default:
      return login satisfies never;
  }
}

/** A deadline that pauses while the user is prompted. */
export class PausableDeadline {
  readonly #onEnd: () => void;
  #remaining: number;
  #since = 0;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `left` in ms; `onEnd` is called when it expires. */
  constructor(remaining: number, onEnd: () => void) {
    this.#remaining = remaining;
    this.#onEnd = onEnd;
  }

  /** Resumes the countdown, with `more` ms added. */
  resume(extra: number): void {
    this.pause();
    if (this.#isStopped) return;
    this.#remaining += extra;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#onEnd, this.#remaining);
  }

  /** Ends it permanently: a prompt that resolves later does not resume it. */
  stop(): void {
    this.pause();
    this.#isStopped = true;
  }

  pause(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#remaining = Math.max(1, this.#remaining - (performance.now() - this.#since));
  }
}

/**
 * Inspects the server's first bytes in parallel with the client library, which waits for "SSH-" until its deadline.
 * Calls `onRefused` once if they belong to another protocol, or if too much precedes the identification (RFC 4253,
 * section 4.2, allows lines there). Must be called before the library reads from the stream. Returns a function for the
 * bytes up to the server's offer of algorithms.
 */
export function watchGreeting(stream: Duplex, onRefused: (why: string) => void): () => Uint8Array {
  let first = Buffer.alloc(0);
  // Paused: otherwise this listener would start the flow of bytes before the library listens too.
  stream.pause();
  const inspect = (data: Uint8Array) => {
    first = Buffer.concat([first, data]);
    const explanation = explainWrongProtocol(first, "ssh");
    const isSsh = detectProtocol(first) === "SSH" || first.includes("\nSSH-");
    const isTooLong = first.length > MAX_GREETING;
    if ((isSsh && parseOffer(first) !== undefined) || isTooLong || explanation !== undefined) {
      stream.off("data", inspect);
    }
    if (isSsh) return;
    if (explanation !== undefined) return onRefused(explanation);
    if (isTooLong) onRefused(`the server sent ${MAX_GREETING >> 10} KiB without an SSH identification`);
  };
  stream.on("data", inspect);
  return () => first;
}

const MAX_GREETING = 64 * 1024;

/** The part of the client library's agent that is used here: the list of its keys. */
interface Agent<Key> {
  getIdentities(done: (error?: Error | null, keys?: Key[]) => void): void;
}

/** Limits the agent to these public keys, in this order, as IdentitiesOnly requires. Without `keys` it offers all. */
export function limitAgent<Key, A extends Agent<Key>>(
  agent: A & Agent<Key>,
  keys: readonly Uint8Array[] | undefined,
): A {
  if (keys === undefined) return agent;
  const all = agent.getIdentities.bind(agent);
  agent.getIdentities = (done) =>
    all((error, held) => {
      if (held === undefined) return done(error);
      done(error, keys.flatMap((wanted) => held.filter((key) => Buffer.compare(rawKey(key), wanted) === 0)));
    });
  return agent;
}

/** Returns the raw public key of an agent's list entry, in any of the forms that the client library uses. */
function rawKey(key: unknown): Uint8Array {
  if (key instanceof Uint8Array) return key;
  if (typeof key !== "object" || key === null) return new Uint8Array();
  if ("getPublicSSH" in key && typeof key.getPublicSSH === "function") return key.getPublicSSH();
  return "pubKey" in key ? rawKey(key.pubKey) : new Uint8Array();
}
