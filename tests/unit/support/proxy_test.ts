import assert from "node:assert/strict";
import net from "node:net";
import { pattern } from "../../support/content.ts";
import { startHttp } from "../../support/servers/http.ts";
import { startProxy } from "../../support/proxy.ts";

Deno.test("startProxy() carries every byte both ways and counts them", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port);
  const bytes = pattern(1_000_000, 3);
  using client = await Deno.connect({ port: proxy.port });
  const [echo] = await Promise.all([readAll(client, bytes.length), writeAll(client, bytes)]);
  assert.deepEqual(echo, bytes);
  assert.deepEqual([proxy.sent, proxy.received, proxy.made, proxy.open], [bytes.length, bytes.length, 1, 1]);
});

Deno.test("startProxy() with a delay keeps the order, and an answer takes two delays", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port, { delay: 40 });
  const bytes = pattern(300_000, 4);
  using client = await Deno.connect({ port: proxy.port });
  const start = performance.now();
  const [echo] = await Promise.all([readAll(client, bytes.length), writeAll(client, bytes)]);
  assert.deepEqual(echo, bytes);
  assert.ok(performance.now() - start >= 79);
});

Deno.test("Proxy.cut() ends the link on both sides", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port);
  using client = await Deno.connect({ port: proxy.port });
  await writeAll(client, pattern(10));
  await readAll(client, 10);
  proxy.cut();
  assert.equal(await client.read(new Uint8Array(10)), null);
  await server.isAlone();
});

Deno.test("Proxy.reset() gives the client ECONNRESET", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port);
  using client = await Deno.connect({ port: proxy.port });
  await writeAll(client, pattern(10));
  await readAll(client, 10);
  proxy.reset();
  await assert.rejects(client.read(new Uint8Array(10)), Deno.errors.ConnectionReset);
});

Deno.test("Proxy.after() calls back once, when so many bytes came", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port);
  using client = await Deno.connect({ port: proxy.port });
  const seen: number[] = [];
  proxy.after(5000, () => {
    seen.push(proxy.sent);
    proxy.cut();
  });
  await writeAll(client, pattern(4000));
  await readAll(client, 4000);
  assert.deepEqual(seen, []);
  await writeAll(client, pattern(4000));
  await client.read(new Uint8Array(10));
  assert.equal(seen.length, 1);
});

Deno.test("Proxy.refuse() ends new links at once until it is taken back", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port);
  proxy.refuse(true);
  using refused = await Deno.connect({ port: proxy.port });
  assert.equal(await refused.read(new Uint8Array(1)).catch(() => null), null);
  proxy.refuse(false);
  using client = await Deno.connect({ port: proxy.port });
  await writeAll(client, pattern(10));
  assert.deepEqual(await readAll(client, 10), pattern(10));
});

Deno.test("Proxy.silence() keeps the link open and carries nothing", async () => {
  await using server = await startEcho();
  await using proxy = await startProxy(server.port);
  using client = await Deno.connect({ port: proxy.port });
  await writeAll(client, pattern(10));
  await readAll(client, 10);
  proxy.silence();
  await writeAll(client, pattern(10, 2));
  const answer = client.read(new Uint8Array(10));
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve("nothing"), 50);
  assert.equal(await Promise.race([answer, promise]), "nothing");
  clearTimeout(timer);
  assert.equal(proxy.open, 1);
  proxy.cut();
  assert.equal(await answer, null);
});

async function startEcho() {
  const sockets = new Set<net.Socket>();
  const gone = Promise.withResolvers<void>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) gone.resolve();
    });
    socket.pipe(socket);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    isAlone: () => gone.promise,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      await closed.promise;
    },
  };
}

async function writeAll(client: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await client.write(bytes.subarray(at));
}

async function readAll(client: Deno.Conn, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const read = await client.read(bytes.subarray(at));
    if (read === null) return bytes.slice(0, at);
    at += read;
  }
  return bytes;
}

Deno.test("answer() replies in the server's place, and the server hears nothing of it", async () => {
  await using server = startHttp(() => new Response("truth"));
  await using proxy = await startProxy(server.port);
  const get = async () => {
    const response = await fetch(`http://127.0.0.1:${proxy.port}/`, { headers: { connection: "close" } });
    return `${response.status} ${await response.text()}`;
  };
  assert.equal(await get(), "200 truth");
  proxy.answer("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  assert.equal(await get(), "503 ");
  assert.equal(server.requests.length, 1);
});
