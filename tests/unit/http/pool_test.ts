import assert from "node:assert/strict";
import { HttpClient } from "../../../lib/http/client.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { ask, connect, get, textOf } from "../../support/raw_http_client.ts";
import { startRawServer } from "../../support/servers/raw_http.ts";

Deno.test("requests wait for one of so many connections", async () => {
  let running = 0;
  let most = 0;
  await using server = startRawServer(async (connection) => {
    while (await connection.request() !== undefined) {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
  });
  await using client = connect(server, { connections: 3 });
  const all = await Promise.all(Array.from({ length: 12 }, () => textOf(client)));
  assert.ok(all.every((text) => text === "ok"));
  assert.equal(server.count, 3);
  assert.ok(most <= 3);
});

Deno.test("a turn that comes to a request as it is cancelled goes to the next one", async () => {
  const asked = Promise.withResolvers<void>();
  await using server = startRawServer(async (connection) => {
    for (let request = await connection.request(); request !== undefined; request = await connection.request()) {
      if (request.includes("/silent")) asked.resolve();
      else await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    }
  });
  await using client = connect(server);
  const stop = new AbortController();
  const cancelled = { ...ask, signal: stop.signal };
  const running = client.send({ ...get, uri: "/silent" }, cancelled);
  await asked.promise;
  const waiting = client.send(get, cancelled);
  const other = textOf(client);
  stop.abort();
  await assertRejects(running, "cancelled");
  await assertRejects(waiting, "cancelled");
  assert.equal(await other, "hello");
});

Deno.test("a connection whose TLS is not answered is not waited for when the request is cancelled, or the session closed", async () => {
  const greeted = Promise.withResolvers<void>();
  await using server = startRawServer(async (connection) => {
    while (await connection.more() !== undefined) if (connection.number === 2) greeted.resolve();
  });
  const place = { host: "127.0.0.1", port: server.port, secure: true, pins: [], timeout: 5_000, connections: 2 };
  await using client = new HttpClient(place);
  const stop = new AbortController();
  const cancelled = client.send(get, { ...ask, signal: stop.signal });
  const closed = client.send(get, ask);
  await greeted.promise;
  stop.abort();
  await assertRejects(cancelled, "cancelled");
  await client[Symbol.asyncDispose]();
  assert.match((await assertRejects(closed, "connection")).message, /the session is closed/);
});
