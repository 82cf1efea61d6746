import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync } from "node:crypto";
// @ts-types="npm:@types/ssh2@1.15.6"
import ssh2, { type Connection } from "npm:ssh2@1.17.0";

/** What of the library's server side a script uses; none of it has a public name. */
interface RawProtocol {
  readonly _handlers: Record<string, (protocol: unknown, ...given: unknown[]) => void>;
  readonly _authsQueue: string[];
  readonly _cipher: { encrypt(packet: Uint8Array): void };
  readonly _packetRW: {
    readonly write: { readonly allocStart: number; alloc(bytes: number): Buffer; finalize(packet: Buffer): Buffer };
  };
  readonly _kex: { readonly _sentNEWKEYS?: boolean; finish(): void } | undefined;
  _hostKeys: unknown;
  _onPayload(payload: Uint8Array): unknown;
  serviceAccept(name: string): void;
  disconnect(reason: number): void;
  rekey(): void;
}

/** One client of a raw server. */
export interface RawConnection {
  /** The number of this connection, from 1. */
  readonly count: number;
  /** Sends one message: its number and its bytes. */
  send(type: number, ...fields: readonly (number | string | Uint8Array)[]): void;
  /** Sends what `work` sends in one write. */
  together(work: () => void): void;
  accept(): void;
  fail(...methods: readonly string[]): void;
  succeed(): void;
  /** Asks one question of keyboard-interactive. */
  question(prompt: string): void;
  /** Begins a key exchange. */
  rekey(): void;
  /** Shows the other host key from the next key exchange on. */
  otherKey(): void;
  disconnect(): void;
}

/** What a server does at each step; by default it accepts the service and refuses every login. */
export interface RawScript {
  /** Whether the server takes the exchange for done without waiting for the client's NEWKEYS; what the client sends is then unreadable. */
  readonly isHasty?: boolean;
  /** The client said hello; no key exchange has begun. */
  greeted?(client: RawConnection): void;
  /** The first key exchange is over. */
  exchanged?(client: RawConnection): void;
  service?(client: RawConnection): void;
  login?(client: RawConnection, method: string): void;
  answered?(client: RawConnection): void;
}

/** An SSH server on 127.0.0.1 that a test drives message by message. Stopped by dispose. */
export interface RawSsh extends AsyncDisposable {
  readonly port: number;
  readonly hostKey: Uint8Array;
  readonly otherKey: Uint8Array;
  /** Numbers of the messages that came after the key exchange, of all connections in order. */
  readonly received: number[];
}

/** Starts the server. It proves its host key honestly; what it says afterwards is the script's. */
export async function startRawSsh(script: RawScript): Promise<RawSsh> {
  const [own, other] = [makeHostKey(), makeHostKey()];
  const received: number[] = [];
  const open = new Set<Connection>();
  let count = 0;
  const server = new ssh2.Server({ hostKeys: [own.pem] }, (connection) => {
    open.add(connection);
    connection.on("close", () => open.delete(connection));
    connection.on("error", () => {});
    drive(connection, { script, received, other, count: ++count });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    port: address.port,
    hostKey: own.blob,
    otherKey: other.blob,
    received,
    async [Symbol.asyncDispose]() {
      for (const connection of open) connection.end();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

interface HostKey {
  readonly pem: string;
  readonly blob: Uint8Array;
  readonly parsed: unknown;
}

function makeHostKey(): HostKey {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "prime256v1",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "sec1", format: "pem" },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  return { pem: privateKey, blob: new Uint8Array(parsed.getPublicSSH()), parsed };
}

/** "SHA256:…" of a raw host key. */
export function pinOf(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

interface Driving {
  readonly script: RawScript;
  readonly received: number[];
  readonly other: HostKey;
  readonly count: number;
}

function drive(connection: Connection, { script, received, other, count }: Driving): void {
  const inner = connection as unknown as {
    readonly _protocol: RawProtocol;
    readonly _sock: { cork(): void; uncork(): void };
    authenticated: boolean;
  };
  const protocol = inner._protocol;
  const dispatch = protocol._onPayload;
  protocol._onPayload = (payload) => {
    received.push(payload[0] ?? 0);
    return dispatch(payload);
  };
  const send: RawConnection["send"] = (type, ...fields) => {
    const bytes = Buffer.concat([Buffer.from([type]), ...fields.map(toBytes)]);
    const { write } = protocol._packetRW;
    const packet = write.alloc(bytes.length);
    packet.set(bytes, write.allocStart);
    protocol._cipher.encrypt(write.finalize(packet));
  };
  const client: RawConnection = {
    count,
    send,
    together(work) {
      inner._sock.cork();
      work();
      inner._sock.uncork();
    },
    accept: () => protocol.serviceAccept("ssh-userauth"),
    fail: (...methods) => send(51, methods.join(","), new Uint8Array(1)),
    succeed() {
      inner.authenticated = true;
      send(52);
    },
    question: (prompt) => send(60, "", "", "", 1, prompt, new Uint8Array(1)),
    rekey: () => protocol.rekey(),
    otherKey() {
      protocol._hostKeys = { "ecdsa-sha2-nistp256": other.parsed };
    },
    disconnect: () => protocol.disconnect(2),
  };
  Object.assign(protocol._handlers, {
    SERVICE_REQUEST: () => script.service === undefined ? client.accept() : script.service(client),
    USERAUTH_REQUEST: (_: unknown, _user: string, _service: string, method: string) =>
      script.login === undefined ? client.fail("password") : script.login(client, method),
    USERAUTH_INFO_RESPONSE: () => script.answered?.(client),
  });
  connection.once("handshake", () => script.exchanged?.(client));
  script.greeted?.(client);
  if (script.isHasty === true) hurry(protocol);
}

/** Finishes the key exchange as soon as the server's own NEWKEYS is sent. */
function hurry(protocol: RawProtocol): void {
  if (protocol._kex?._sentNEWKEYS === true) return protocol._kex.finish();
  setImmediate(() => hurry(protocol));
}

/** Numbers as 32 bits, texts with their length before them (RFC 4251, section 5), bytes as they are. */
function toBytes(field: number | string | Uint8Array): Uint8Array {
  if (field instanceof Uint8Array) return field;
  const text = typeof field === "string" ? Buffer.from(field) : Buffer.alloc(0);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(typeof field === "number" ? field : text.length);
  return Buffer.concat([head, text]);
}
