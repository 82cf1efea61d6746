import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { RawConnection } from "../../../lib/net/connection_stream.ts";
import { startTls, type TlsSettings } from "../../../lib/net/tls_transport.ts";
import { parseTlsPins } from "../../../lib/net/tls.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { testCertificate } from "../../support/servers/small_dav.ts";

const trust = { host: "127.0.0.1", pins: parseTlsPins([testCertificate.fingerprint]) };
const versions = ["TLSv1.2", "TLSv1.3"] as const;

/** A server that is served by the script, once, and a connection to it that counts what was read of it and closes it in the end. */
async function serve(script: (conn: Deno.TlsConn) => Promise<void>) {
  const server = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...testCertificate });
  const serving = server.accept().then(async (conn) => {
    await script(conn).catch(() => undefined);
    conn.close();
  });
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const seen = { read: 0 };
  const connection: RawConnection = {
    read: async (into) => {
      const count = await tcp.read(into);
      seen.read += count ?? 0;
      return count;
    },
    write: (bytes) => tcp.write(bytes),
    closeWrite: () => tcp.closeWrite(),
    close: () => tcp.close(),
  };
  const start = (more: Partial<TlsSettings> = {}) =>
    startTls(connection, { trust, timeout: 5_000, expected: "https", ...more });
  return {
    seen,
    start,
    served: serving,
    async [Symbol.asyncDispose]() {
      await serving;
      server.close();
    },
  };
}

async function send(conn: Deno.TlsConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Waits until the count stays what it is. */
async function settled(count: () => number): Promise<number> {
  for (let before = -1;;) {
    const now = count();
    if (now === before && now > 0) return now;
    before = now;
    await pause(300);
  }
}

const MIB = 1 << 20;

for (const version of versions) {
  const options = { minVersion: version, maxVersion: version };
  Deno.test(`over ${version} a peer is read no further than a reader takes, and all comes in the end`, async () => {
    const whole = 24 * MIB;
    await using server = await serve(async (conn) => {
      const part = new Uint8Array(MIB);
      for (let at = 0; at < whole; at += MIB) await send(conn, part.fill(at / MIB));
    });
    const wire = server.start({ options });
    const into = new Uint8Array(4096);
    let got = await wire.read(into) ?? 0;
    const ahead = await settled(() => server.seen.read);
    assert.ok(ahead < MIB, `${ahead} bytes were read ahead`);
    const large = new Uint8Array(256 * 1024);
    for (let count = await wire.read(large); count !== undefined; count = await wire.read(large)) {
      assert.equal(large[0], Math.floor(got / MIB));
      got += count;
    }
    assert.equal(got, whole);
    assert.equal(wire.endedCleanly?.(), true);
    wire.destroy();
  });
}

Deno.test("a peer that ends while nobody reads loses nothing, however late the reader comes", async () => {
  await using server = await serve((conn) => send(conn, new Uint8Array(8 * MIB).fill(7)));
  const wire = server.start();
  const into = new Uint8Array(64 * 1024);
  let got = 0;
  for (let count = await wire.read(into); count !== undefined; count = await wire.read(into)) {
    if (got % 16 === 0) await pause(2);
    got += count;
  }
  assert.equal(got, 8 * MIB);
  assert.equal(wire.endedCleanly?.(), true);
  wire.destroy();
});

Deno.test("a peer that sends a byte now and then is given up, and -Timeout is named", async () => {
  await using server = await serve(async (conn) => {
    for (;;) {
      await send(conn, new Uint8Array(1));
      await pause(20);
    }
  });
  const wire = server.start({ timeout: 400 });
  const drain = async () => {
    for (let reads = 0; reads < 300; reads++) await wire.read(new Uint8Array(64));
  };
  const error = await assertRejects(drain().finally(() => wire.destroy()), "timeout");
  assert.match(error.message, /^only \d+ bytes came in 0.4 s; -Timeout waits longer$/);
});

Deno.test("a slow reader is not taken for a slow peer", async () => {
  await using server = await serve((conn) => send(conn, new Uint8Array(20)));
  const wire = server.start({ timeout: 200 });
  for (let i = 0; i < 20; i++) {
    assert.equal(await wire.read(new Uint8Array(1)), 1);
    await pause(20);
  }
  assert.equal(await wire.read(new Uint8Array(1)), undefined);
  wire.destroy();
});

Deno.test("a peer that is silent is given up after -Timeout, unless the reader is patient", async () => {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  await using server = await serve(async (conn) => {
    await conn.handshake();
    await over;
  });
  const wire = server.start({ timeout: 300 });
  const patient = wire.read(new Uint8Array(1), { untimed: true });
  const first = await Promise.race([patient.catch(() => "given up"), pause(700).then(() => "waits")]);
  assert.equal(first, "waits");
  wire.destroy();
  await assertRejects(patient, "connection");
  resolve();
});

Deno.test("nothing is sent to a peer that is not the pinned one", async () => {
  let heard = 0;
  await using server = await serve(async (conn) => {
    heard += await conn.read(new Uint8Array(10)) ?? 0;
  });
  const wire = server.start({ trust: { host: "127.0.0.1", pins: ["0".repeat(64)] } });
  await assertRejects(wire.write(new Uint8Array(10)), "hostKey");
  await assertRejects(wire.read(new Uint8Array(10)), "hostKey");
  await server.served;
  assert.equal(heard, 0);
});

for (
  const [first, why] of [
    ["SSH-2.0-x\r\n", /^an SSH server answers on this port/],
    ["220 welcome\r\n", /^an FTP server answers/],
    ["HTTP/1.1 400 Bad Request\r\n\r\n", /^an HTTP server answers without TLS: write dav:/],
  ] as const
) {
  Deno.test(`where ${JSON.stringify(first)} answers instead of TLS, the error says so at once`, async () => {
    using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = server.accept().then(async (conn) => {
      await conn.write(new TextEncoder().encode(first));
      while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
      conn.close();
    });
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    const wire = startTls(connection, { trust, timeout: 60_000, expected: "https" });
    const error = await assertRejects(wire.read(new Uint8Array(1)), "connection");
    assert.match(error.message, why);
    assert.equal(error.facts.transient, undefined);
    await serving;
  });
}
