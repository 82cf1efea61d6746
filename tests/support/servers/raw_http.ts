/** A connection that a scripted server got. */
export interface RawConnection {
  /** The number of the connection, from 1 on. */
  readonly number: number;
  /** The next request up to the empty line behind its headers; undefined when the client is gone. */
  request(): Promise<string | undefined>;
  /** What comes next, of whatever it is; undefined when the client is gone. */
  more(): Promise<Uint8Array | undefined>;
  send(text: string | Uint8Array): Promise<void>;
  close(): void;
}

/** A server on 127.0.0.1 that says what its script says, byte for byte, for answers that no library would send. */
export interface RawServer extends AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  readonly count: number;
}

/** Starts it. A script that returns closes its connection; one that throws because the client is gone is no error. */
export function startRawServer(script: (connection: RawConnection) => Promise<void>): RawServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const scripts: Promise<void>[] = [];
  let count = 0;
  const accept = async () => {
    for await (const conn of listener) {
      open.add(conn);
      const connection = toConnection(conn, { number: ++count, close: () => shut(open, conn) });
      scripts.push(script(connection).catch(() => undefined).finally(() => shut(open, conn)));
    }
  };
  const accepting = accept();
  return {
    port: listener.addr.port,
    get count() {
      return count;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of open) shut(open, conn);
      await accepting;
      await Promise.all(scripts);
    },
  };
}

function toConnection(conn: Deno.Conn, { number, close }: Pick<RawConnection, "number" | "close">): RawConnection {
  let held = "";
  const more = async () => {
    const bytes = new Uint8Array(64 * 1024);
    const length = await conn.read(bytes);
    return length === null ? undefined : bytes.subarray(0, length);
  };
  return {
    number,
    close,
    more,
    async request() {
      for (let end = held.indexOf("\r\n\r\n");; end = held.indexOf("\r\n\r\n")) {
        if (end >= 0) {
          const text = held.slice(0, end);
          held = held.slice(end + 4);
          return text;
        }
        const bytes = await more();
        if (bytes === undefined) return undefined;
        held += new TextDecoder().decode(bytes);
      }
    },
    async send(text) {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    },
  };
}

function shut(open: Set<Deno.Conn>, conn: Deno.Conn): void {
  if (open.delete(conn)) conn.close();
}
