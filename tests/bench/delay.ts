/**
 * A TCP proxy on 127.0.0.1 that holds back each direction: `delay.ts TARGET_PORT ONE_WAY_MS [HOST FIRST_PORT LAST_PORT]`. Run as a
 * process of its own it takes no turn of anybody's event loop. It prints its port once it listens. With HOST (127.0.0.2) it listens
 * there, on the target's own port and on those from first to last too: a server that opens further ports is behind it with all of them.
 */

/** What is on its way in one direction; beyond it the sender has to wait, as with a full link. */
const inFlightBytes = 64 * 1024 * 1024;
const readBytes = 256 * 1024;

/** Starts the proxy as a process; gives its port. */
export async function startDelay(
  targetPort: number,
  oneWayMs: number,
  further: readonly string[] = [],
): Promise<AsyncDisposable & { readonly port: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "-A",
      "--no-check",
      import.meta.filename ?? "",
      String(targetPort),
      String(oneWayMs),
      ...further,
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).values().next();
  const port = Number(value);
  if (!(port > 0)) throw new Error("The delaying proxy did not start.");
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

if (import.meta.main) {
  const [targetPort = 0, oneWayMs = 0] = Deno.args.map(Number);
  const [, , hostname, first, last] = Deno.args;
  const serve = async (listener: Deno.TcpListener, target: number) => {
    for await (const client of listener) void join(client, target, oneWayMs);
  };
  if (hostname !== undefined) {
    const more = Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index);
    for (const port of [targetPort, ...more]) void serve(Deno.listen({ hostname, port }), port);
    Deno.stdout.writeSync(new TextEncoder().encode(`${targetPort}\n`));
  } else {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    Deno.stdout.writeSync(new TextEncoder().encode(`${listener.addr.port}\n`));
    await serve(listener, targetPort);
  }
}

async function join(client: Deno.TcpConn, targetPort: number, oneWayMs: number): Promise<void> {
  try {
    using server = await Deno.connect({ hostname: "127.0.0.1", port: targetPort });
    using _client = client;
    server.setNoDelay(true);
    client.setNoDelay(true);
    await Promise.all([pump(client, server, oneWayMs), pump(server, client, oneWayMs)]);
  } catch {
    // One end went away: both are closed by now, and that is all a link does.
  }
}

/** Pieces on their way in one direction; `wake` is called when one came or the sender failed. */
interface Lane {
  readonly pieces: { readonly due: number; readonly bytes: Uint8Array | undefined }[];
  bytes: number;
  failure: unknown;
  wake(): void;
}

/** Carries bytes one way, each piece `oneWayMs` late and the end too. */
async function pump(from: Deno.TcpConn, to: Deno.TcpConn, oneWayMs: number): Promise<void> {
  const lane: Lane = { pieces: [], bytes: 0, failure: undefined, wake() {} };
  const sending = send(from, lane, oneWayMs).catch((error) => {
    lane.failure = error;
    lane.wake();
  });
  await Promise.all([sending, deliver(lane, to)]);
}

async function send(from: Deno.TcpConn, lane: Lane, oneWayMs: number): Promise<void> {
  for (;;) {
    const buffer = new Uint8Array(readBytes);
    const count = await from.read(buffer);
    const bytes = count === null ? undefined : buffer.subarray(0, count);
    lane.pieces.push({ due: performance.now() + oneWayMs, bytes });
    lane.bytes += count ?? 0;
    lane.wake();
    if (bytes === undefined) return;
    while (lane.bytes > inFlightBytes) await sleep(1);
  }
}

async function deliver(lane: Lane, to: Deno.TcpConn): Promise<void> {
  for (;;) {
    const piece = lane.pieces.shift();
    if (piece === undefined) {
      if (lane.failure !== undefined) throw lane.failure;
      await new Promise<void>((resolve) => lane.wake = resolve);
      continue;
    }
    const wait = piece.due - performance.now();
    if (wait > 0) await sleep(wait);
    if (piece.bytes === undefined) return await to.closeWrite();
    lane.bytes -= piece.bytes.length;
    for (let sent = 0; sent < piece.bytes.length;) sent += await to.write(piece.bytes.subarray(sent));
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
