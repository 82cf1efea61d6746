import { Buffer } from "node:buffer";
import type { Duplex, Readable } from "node:stream";
import type * as ssh2 from "npm:@types/ssh2@1.15.6";
import { cancelled } from "../core/errors.ts";
import { limitAgent } from "./agent.ts";
import { needsStrict, offers } from "./algorithms.ts";
import { authError, linkError, tooLate, wrongServer } from "./errors.ts";
import { watchGreeting } from "./greeting.ts";
import { MessageFilter, type RawProtocol } from "./messages.ts";
import { Countdown } from "./write_batching.ts";
import type { DialOptions, Login } from "./types.ts";

export interface Handshake {
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
export async function shakeHands(handshake: Handshake): Promise<Uint8Array | undefined> {
  const { client, stream, options, strict } = handshake;
  const { signal, user } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
  const clock = new Countdown(options.timeout, () => reject(tooLate(options)));
  const onAbort = () => reject(cancelled(signal, OPERATION));
  const offer = async (methods: readonly string[] | null, partial: boolean | null, next: (auth: unknown) => void) => {
    clock.pause();
    const login = await options.authenticate(methods ?? undefined, partial ?? false);
    if (login === undefined) {
      throw authError(options, `it takes ${methods?.join(", ") ?? "nothing that is left to try"}`);
    }
    clock.run(login.method === "agent" ? CONFIRM_MS : 0);
    next(toAuth(login, { user, clock, reject, createAgent: handshake.createAgent }));
  };
  client.on("close", () => reject(linkError(options, "the server closed the connection")));
  client.on("error", (error: Error & { level?: string }) => {
    // After these errors the library makes the next login attempt.
    if (error.level !== "agent" && error.level !== "client-authentication") reject(linkError(options, error));
  });
  client.on("change password", () => reject(authError(options, "the server wants a new password to be set first")));
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  clock.run(0);
  watchGreeting(stream, (why) => reject(wrongServer(options, why)));
  client.connect({
    algorithms: offers({ legacy: options.legacy, strict, hostKeyTypes: options.hostKeyTypes ?? [] }),
    sock: stream as Readable,
    username: user,
    readyTimeout: 0,
    keepaliveInterval: options.keepAlive,
    keepaliveCountMax: 3,
    // The key is not verified here: the filter does that once the exchange proved that the server holds it.
    hostVerifier: (key: Buffer) => filter.sees(key),
    authHandler: (methods: unknown, partial: unknown, next: unknown) => {
      offer(methods as string[] | null, partial as boolean | null, next as (auth: unknown) => void).catch(reject);
    },
  } as ssh2.ConnectConfig);
  const protocol = privateParts(client);
  const filter = new MessageFilter(protocol, options, (why) => {
    reject(why);
    client.emit("error", why);
    stream.destroy();
  });
  client.on("ready", () => resolve(filter.hostKey));
  client.on("handshake", (agreed: ssh2.NegotiatedAlgorithms) => {
    if (!options.legacy) protocol._compatFlags |= IMPLY_RSA_SHA2;
    if (strict && !protocol._strictMode && needsStrict(agreed.cs.cipher, agreed.cs.mac)) return resolve(undefined);
    clock.pause();
    filter.verify((key) => options.verify(key)).then(() => clock.run(0)).catch(reject);
  });
  try {
    return await promise;
  } finally {
    clock.stop();
    signal.removeEventListener("abort", onAbort);
  }
}

const OPERATION = "connect";
/** Additional ms for an agent, which may ask its user to confirm. */
const CONFIRM_MS = 120_000;
/** The client library's flag for "signs RSA with SHA-2", also for a server that does not say which it takes: never SHA-1. */
const IMPLY_RSA_SHA2 = 1 << 4;

function privateParts(client: ssh2.Client): RawProtocol {
  return (client as unknown as { _protocol: RawProtocol })._protocol;
}

interface LoginWorld extends Pick<Handshake, "createAgent"> {
  readonly user: string;
  readonly clock: Countdown;
  reject(error: unknown): void;
}

/** Converts a login to the client library's format. */
function toAuth(login: Login, { user: username, clock, reject, createAgent }: LoginWorld): unknown {
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
            clock.run(0);
            finish([...answers]);
          }).catch(reject);
        },
      };
    default:
      return login satisfies never;
  }
}
