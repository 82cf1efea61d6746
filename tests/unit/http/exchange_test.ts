import assert from "node:assert/strict";
import type { HttpRequest } from "../../../lib/http/client.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { ask, connect, get, textOf } from "../../support/raw_http_client.ts";
import { type RawConnection, startRawServer } from "../../support/servers/raw_http.ts";

/** Says the same to every request, on every connection. */
function saying(text: string): (connection: RawConnection) => Promise<void> {
  return async (connection) => {
    while (await connection.request() !== undefined) await connection.send(text);
  };
}

/** Says it once, and ends the connection. */
function sayingOnce(text: string): (connection: RawConnection) => Promise<void> {
  return async (connection) => {
    if (await connection.request() !== undefined) await connection.send(text);
  };
}

function upload(...parts: readonly string[]): HttpRequest {
  const all = parts.map((part) => new TextEncoder().encode(part));
  const size = all.reduce((sum, part) => sum + part.length, 0);
  return { method: "PUT", uri: "/", body: { size, open: () => Promise.resolve(ReadableStream.from(all)) } };
}

for (
  const [name, reply] of [
    ["of a told length", "content-length: 5\r\n\r\nhello"],
    ["in chunks", "transfer-encoding: chunked\r\n\r\n2;x=1\r\nhe\r\n03\r\nllo\r\n0\r\ntrailer: x\r\n\r\n"],
    ["that waited for 100 Continue", "content-length: 5\r\n\r\nhello"],
  ] as const
) {
  Deno.test(`send() reads a content ${name}, and its connection serves the next request`, async () => {
    const before = name.includes("100") ? "HTTP/1.1 100 Continue\r\n\r\n" : "";
    await using server = startRawServer(saying(`${before}HTTP/1.1 200 OK\r\n${reply}`));
    await using client = connect(server);
    assert.equal(await textOf(client), "hello");
    assert.equal(await textOf(client), "hello");
    assert.equal(server.count, 1);
  });
}

Deno.test("send() reads a content that ends with its connection", async () => {
  await using server = startRawServer(sayingOnce("HTTP/1.1 200 OK\r\n\r\nhello"));
  await using client = connect(server);
  assert.equal(await textOf(client), "hello");
  assert.equal(await textOf(client), "hello");
  assert.equal(server.count, 2);
});

for (
  const [name, reply] of [
    ["a content that breaks off", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello"],
    ["a chunk that breaks off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello"],
    ["chunks without an end", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    [
      "a chunk that is longer than it says",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
    ],
    ["chunks of no size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"],
    ["chunks whose last line is missing", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"],
    [
      "headers without end behind the chunks",
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${"a: b\r\n".repeat(40_000)}\r\n`,
    ],
    ["headers that break off", "HTTP/1.1 200 OK\r\ncontent-le"],
    ["headers without end", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(20_000)}`],
    ["what is no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    ["nothing at all", ""],
  ] as const
) {
  Deno.test(`send() rejects ${name} with connection`, async () => {
    await using server = startRawServer(sayingOnce(reply));
    await using client = connect(server);
    await assertRejects(textOf(client), "connection");
  });
}

for (
  const [what, piece, first] of [
    ["interim answers", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", ""],
    ["headers", `x-one: ${"y".repeat(1000)}\r\n`, "HTTP/1.1 200 OK\r\n"],
    [
      "extensions of chunks",
      `1;x=${"y".repeat(1000)}\r\na\r\n`,
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
    ["trailers", `x-one: ${"y".repeat(1000)}\r\n`, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"],
  ] as const
) {
  Deno.test(`send() rejects a reply whose ${what} never end`, async () => {
    await using server = startRawServer(async (connection) => {
      if (await connection.request() === undefined) return;
      await connection.send(first);
      for (;;) await connection.send(piece);
    });
    await using client = connect(server, { timeout: 60_000 });
    await assertRejects(textOf(client), "connection");
  });
}

Deno.test("a timeout names the parameter that allows more time", async () => {
  await using server = startRawServer(async (connection) => {
    await connection.request();
    await connection.more();
  });
  await using client = connect(server, { timeout: 200 });
  const error = await assertRejects(textOf(client), "timeout");
  assert.match(error.message, /-Timeout/);
});

Deno.test("collect() rejects a content that is longer than allowed", async () => {
  await using server = startRawServer(saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789"));
  await using client = connect(server);
  const reply = await client.send(get, ask);
  await assertRejects(reply.readAll(8), "unexpected");
});

Deno.test("send() never takes what came behind a reply for the next one", async () => {
  const forged = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
  await using server = startRawServer(async (connection) => {
    await connection.request();
    const honest = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
    await connection.send(connection.number === 1 ? honest + forged : honest);
    await connection.request();
  });
  await using client = connect(server);
  assert.equal(await textOf(client), "true");
  assert.equal(await textOf(client), "true");
  assert.equal(server.count, 2);
});

Deno.test("send() does not use a connection that the server ended meanwhile", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = startRawServer(async (connection) => {
    await connection.request();
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    if (connection.number > 1) return void await connection.request();
    connection.close();
    ended.resolve();
  });
  await using client = connect(server);
  await (await client.send(get, ask)).discard();
  await ended.promise;
  const reply = await client.send({ method: "POST", uri: "/", body: "x" }, ask).catch(() => undefined);
  // Whether the end was seen in time or not: what may change something is sent once.
  assert.ok(server.count <= 2);
  await reply?.discard();
});

Deno.test("send() sends again what changes nothing, where the server ended the connection before it came", async () => {
  await using server = startRawServer(async (connection) => {
    await connection.request();
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    // The second request on the first connection is read and not answered.
    await connection.request();
    if (connection.number === 1) return;
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  });
  await using client = connect(server);
  assert.equal(await textOf(client), "ok");
  assert.equal(await textOf(client), "ok");
  assert.equal(server.count, 2);
});

Deno.test("send() tells what the server says before everything was sent, and leaves that connection", async () => {
  await using server = startRawServer(async (connection) => {
    await connection.request();
    await connection.send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
    while (await connection.more() !== undefined);
  });
  await using client = connect(server);
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({ pull: (c) => c.enqueue(new Uint8Array(64 * 1024)) });
  const body = { size: Number.MAX_SAFE_INTEGER, open: () => Promise.resolve(endless) };
  const reply = await client.send({ method: "PUT", uri: "/", body }, ask);
  await reply.discard();
  assert.equal(reply.status, 413);
  await (await client.send(get, ask)).discard();
  assert.equal(server.count, 2);
});

Deno.test("send() rejects a body of another size than it was said to have, and lets its source go", async () => {
  await using server = startRawServer(async (connection) => {
    while (await connection.more() !== undefined);
  });
  await using client = connect(server);
  for (const size of [4, 6]) {
    let isLeft = false;
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("hello")),
      pull: (controller) => size === 6 ? controller.close() : undefined,
      cancel: () => void (isLeft = true),
    });
    const body = { size, open: () => Promise.resolve(source) };
    await assertRejects(client.send({ method: "PUT", uri: "/", body }, ask), "changed");
    assert.equal(isLeft, size === 4);
  }
});

Deno.test("send() sends a streamed body whole, in one request", async () => {
  let got = "";
  await using server = startRawServer(async (connection) => {
    while (!got.endsWith("end")) got += new TextDecoder().decode(await connection.more());
    await connection.send("HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n");
  });
  await using client = connect(server);
  const reply = await client.send(upload("a".repeat(300_000), "", "end"), ask);
  assert.equal(reply.status, 201);
  const [head = "", body] = got.split("\r\n\r\n");
  assert.match(head, /content-length: 300003/);
  assert.ok(body === `${"a".repeat(300_000)}end`);
});

Deno.test("send() gives up on a server that says nothing, or stops in the middle", async () => {
  for (const said of ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel"]) {
    await using server = startRawServer(async (connection) => {
      await connection.request();
      await connection.send(said);
      await connection.request();
    });
    await using client = connect(server, { timeout: 200 });
    await assertRejects(textOf(client), "timeout");
  }
});

Deno.test("a content is cancelled in the middle, and one that nobody reads is not fetched", async () => {
  let sent = 0;
  await using server = startRawServer(async (connection) => {
    await connection.request();
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n");
    for (const part = new Uint8Array(1 << 20); sent < 1 << 30; sent += part.length) await connection.send(part);
  });
  await using client = connect(server);
  const stop = new AbortController();
  const reply = await client.send(get, { ...ask, signal: stop.signal });
  await reply.read(new Uint8Array(1000));
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Buffers of both systems are all that fills up meanwhile.
  assert.ok(sent < 1 << 28, `${sent} bytes`);
  const next = reply.readAll(2 ** 31);
  stop.abort();
  await assertRejects(next, "cancelled");
});
