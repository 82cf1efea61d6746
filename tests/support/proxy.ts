import { Buffer } from "node:buffer";
import net from "node:net";

export type Direction = "up" | "down";

export interface ProxyOptions {
  /** ms that every byte is under way, in each direction; the order and the throughput stay. */
  readonly delay?: number;
}

/** A TCP proxy on 127.0.0.1 whose links can be delayed and broken. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that were made through it so far. */
  readonly made: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Bytes that came from the clients so far. */
  readonly sent: number;
  /** Bytes that came from the server so far. */
  readonly received: number;
  /** Ends every link there is as a lost peer does: with a FIN on both sides. */
  cut(): void;
  /** Ends every link with a RST on both sides. */
  reset(): void;
  /** Breaks every link, and every one that is made from now on; `false` lets new ones through again. */
  refuse(refused: boolean): void;
  /** Keeps links open and carries nothing any more; `false` carries what comes from then on. */
  silence(silent?: boolean): void;
  /** Answers whatever clients send from now on with this text, and closes; the server hears nothing of it. */
  answer(text: string): void;
  /** Calls back once, when so many more bytes came from that direction; they are carried, later ones only if the callback lets them. */
  after(bytes: number, then: () => void, direction?: Direction): void;
}

/** Starts a proxy to a port of this machine. */
export async function startProxy(targetPort: number, options: ProxyOptions = {}): Promise<Proxy> {
  const links = new Set<Link>();
  /** Those whose sockets are not closed yet. */
  const open = new Set<Link>();
  const state: State = { made: 0, refused: false, silent: false, answer: undefined };
  const meters: Record<Direction, Meter> = { up: newMeter(), down: newMeter() };
  const server = net.createServer({ noDelay: true }, (client) => {
    state.made++;
    // A refused client, or one that goes at once, is no error of this proxy.
    client.on("error", () => client.destroy());
    if (state.refused) return void client.destroy();
    const target = net.connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    const link: Link = { client, target };
    links.add(link);
    open.add(link);
    const carried = { delay: options.delay ?? 0, state };
    carry(client, target, { ...carried, meter: meters.up, isClient: true });
    carry(target, client, { ...carried, meter: meters.down, isClient: false });
    target.on("close", () => {
      links.delete(link);
      open.delete(link);
    });
  });
  const listening = Promise.withResolvers<void>();
  server.on("error", listening.reject);
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const endAll = (how: "destroy" | "resetAndDestroy") => {
    for (const { client, target } of links) {
      client[how]();
      target[how]();
    }
    links.clear();
  };
  return {
    port,
    get made() {
      return state.made;
    },
    get open() {
      return links.size;
    },
    get sent() {
      return meters.up.bytes;
    },
    get received() {
      return meters.down.bytes;
    },
    cut: () => endAll("destroy"),
    reset: () => endAll("resetAndDestroy"),
    refuse(refused) {
      state.refused = refused;
      if (refused) endAll("destroy");
    },
    silence(silent = true) {
      state.silent = silent;
    },
    answer(text) {
      state.answer = text;
    },
    after(bytes, then, direction = "up") {
      const meter = meters[direction];
      meter.at = meter.bytes + bytes;
      meter.then = then;
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      const targets = Array.from(open, ({ target }) => target);
      endAll("destroy");
      await Promise.all([closed.promise, ...targets.map(closing)]);
    },
  };
}

interface Link {
  readonly client: net.Socket;
  readonly target: net.Socket;
}

interface Meter {
  bytes: number;
  at: number;
  then(): void;
}

interface State {
  made: number;
  refused: boolean;
  silent: boolean;
  /** What clients get instead of the server's answers. */
  answer: string | undefined;
}

interface Carrying {
  readonly delay: number;
  readonly meter: Meter;
  readonly state: Readonly<State>;
  readonly isClient: boolean;
}

function closing(socket: net.Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  return promise;
}

function newMeter(): Meter {
  return { bytes: 0, at: Infinity, then: () => {} };
}

/** Carries what one socket sends to the other, each chunk `delay` ms after it came. */
function carry(from: net.Socket, to: net.Socket, { delay, meter, state, isClient }: Carrying): void {
  const queue: { readonly due: number; readonly bytes: Buffer }[] = [];
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let isOver = false;
  const later = (work: () => void, ms: number) => {
    if (isOver) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
  };
  const flush = () => {
    const now = performance.now();
    const due: Buffer[] = [];
    for (let head = queue[0]; head !== undefined && head.due <= now; head = queue[0]) {
      due.push(head.bytes);
      queue.shift();
    }
    if (due.length > 0 && !to.destroyed) write(to, Buffer.concat(due), from);
    if (queue[0] !== undefined) later(flush, Math.max(1, queue[0].due - now));
  };
  from.on("data", (bytes: Buffer) => {
    meter.bytes += bytes.length;
    if (isClient && state.answer !== undefined) return void from.end(state.answer);
    if (!state.silent && !to.destroyed) {
      if (delay === 0) write(to, bytes, from);
      else if (queue.push({ due: performance.now() + delay, bytes }) === 1) later(flush, delay);
    }
    if (meter.bytes < meter.at) return;
    meter.at = Infinity;
    meter.then();
  });
  from.on("end", () => state.silent ? undefined : later(() => to.end(), delay === 0 ? 0 : delay + 1));
  // A broken link is what this proxy is for.
  from.on("error", () => from.destroy());
  from.on("close", () => state.silent ? undefined : later(() => to.destroy(), delay === 0 ? 0 : delay + 1));
  to.on("close", () => {
    isOver = true;
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  });
}

/** Without a delay the sender is held back while the receiver does not keep up. */
function write(to: net.Socket, bytes: Buffer, from: net.Socket): void {
  if (to.write(bytes)) return;
  from.pause();
  to.once("drain", () => from.resume());
}
