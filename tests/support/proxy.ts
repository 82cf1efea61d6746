/** A TCP proxy on 127.0.0.1 whose links can be broken. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that were made through it so far. */
  readonly made: number;
  /** Bytes that went from the clients to the server so far. */
  readonly sent: number;
  /** Breaks every link there is. */
  cut(): void;
  /** Breaks every link, and every one that is made from now on; `false` lets new ones through again. */
  refuse(refused: boolean): void;
  /** Keeps links open and carries nothing any more. */
  silence(): void;
  /** Calls back once, when so many bytes went to the server. */
  after(bytes: number, then: () => void): void;
}

/** Starts a proxy to a port of this machine. */
export function startProxy(targetPort: number): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const links = new Set<Deno.TcpConn>();
  const state = { made: 0, sent: 0, refused: false, silent: false, at: Infinity, then: () => {} };
  const cut = () => {
    for (const one of links) close(one);
    links.clear();
  };
  const pump = async (from: Deno.TcpConn, to: Deno.TcpConn, count: boolean) => {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const read = await from.read(buffer);
        if (read === null) break;
        if (count) tell(state, read);
        for (let at = 0; at < read && !state.silent;) at += await to.write(buffer.subarray(at, read));
      }
    } catch {
      // A broken link is what this proxy is for.
    }
    close(from);
    close(to);
  };
  const accept = async () => {
    const pumps: Promise<void>[] = [];
    for await (const client of listener) {
      state.made++;
      if (state.refused) {
        close(client);
        continue;
      }
      const server = await Deno.connect({ hostname: "127.0.0.1", port: targetPort });
      links.add(client).add(server);
      pumps.push(pump(client, server, true), pump(server, client, false));
    }
    await Promise.all(pumps);
  };
  const accepting = accept();
  return {
    port: listener.addr.port,
    get made() {
      return state.made;
    },
    get sent() {
      return state.sent;
    },
    cut,
    refuse(refused) {
      state.refused = refused;
      if (refused) cut();
    },
    silence() {
      state.silent = true;
    },
    after(bytes, then) {
      state.at = state.sent + bytes;
      state.then = then;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      cut();
      await accepting;
    },
  };
}

function tell(state: { sent: number; at: number; then: () => void }, bytes: number): void {
  state.sent += bytes;
  if (state.sent < state.at) return;
  state.at = Infinity;
  state.then();
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
