import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { dialTransport, MinimumRate } from "../../../lib/net/transport.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { assertRejects } from "../../contract/assertions.ts";

/** A server that is served by the script, once. */
function serve(script: (conn: Deno.Conn) => Promise<void>) {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = server.accept().then(async (conn) => {
    await script(conn).catch(() => undefined);
    conn.close();
  });
  return {
    peer: { host: "127.0.0.1", port: server.addr.port },
    async [Symbol.asyncDispose]() {
      await serving;
      server.close();
    },
  };
}

const drips = async (conn: Deno.Conn) => {
  for (;;) {
    await conn.write(new Uint8Array(1));
    await pause(20);
  }
};

Deno.test("without TLS too, a peer that sends a byte now and then is given up", async () => {
  await using server = serve(drips);
  const wire = await dialTransport(server.peer, 400);
  const drain = async () => {
    for (let reads = 0; reads < 300; reads++) await wire.read(new Uint8Array(64));
  };
  const error = await assertRejects(drain().finally(() => wire.destroy()), "timeout");
  assert.match(error.message, /^only \d+ bytes came in 0.4 s; -Timeout waits longer$/);
});

Deno.test("a patient reader takes a trickle", async () => {
  await using server = serve(drips);
  const wire = await dialTransport(server.peer, 200);
  for (let i = 0; i < 25; i++) await wire.read(new Uint8Array(1), { untimed: true });
  wire.destroy();
});

Deno.test("a reader that comes late is not taken for a slow peer without TLS either", async () => {
  await using server = serve(async (conn) => void await conn.write(new Uint8Array(20)));
  const wire = await dialTransport(server.peer, 200);
  for (let i = 0; i < 20; i++) {
    assert.equal(await wire.read(new Uint8Array(1)), 1);
    await pause(20);
  }
  wire.destroy();
});

Deno.test("a peer that is silent is given up in words that name -Timeout", async () => {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  await using server = serve(() => over);
  const wire = await dialTransport(server.peer, 200);
  const error = await assertRejects(wire.read(new Uint8Array(1)), "timeout");
  assert.equal(error.message, "no byte came in 0.2 s; -Timeout waits longer");
  await assertRejects(wire.read(new Uint8Array(1)), "timeout");
  resolve();
});

Deno.test("LeastRate wants 256 bytes of each stretch of waiting, and begins a new one when they came", () => {
  const rate = new MinimumRate(1000);
  rate.count(999, 0);
  rate.count(1, 256);
  rate.count(999, 255);
  rate.reset();
  rate.count(900, 255);
  assert.throws(() => rate.count(100, 0), (error) => error instanceof SyncError && error.kind === "timeout");
});
