import assert from "node:assert/strict";
import http from "node:http";
import { HttpClient } from "../../../lib/http/client.ts";
import { root } from "../../../lib/core/path.ts";
import { assertRejects } from "../../contract/assertions.ts";

const ask = { operation: "test", path: root, signal: new AbortController().signal };

/** A server that notes what it got, and breaks the connection of "/lost" without a reply. */
async function startServer() {
  const got: string[] = [];
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += String(part);
    got.push(`${request.method} ${request.url} ${body}`);
    if (request.url === "/lost") response.destroy();
    else response.end("ok");
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    got,
    port: address !== null && typeof address === "object" ? address.port : 0,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

function connect(port: number): HttpClient {
  return new HttpClient({ host: "127.0.0.1", port, secure: false, pins: [], timeout: 10_000, connections: 1 });
}

Deno.test("send() sends a request once, though the connection it reused breaks", async () => {
  await using server = await startServer();
  await using client = connect(server.port);
  for (let i = 0; i < 2; i++) await (await client.send({ method: "GET", uri: "/" }, ask)).discard();
  await assertRejects(client.send({ method: "POST", uri: "/lost", body: "once" }, ask), "connection");
  assert.deepEqual(server.got, ["GET / ", "GET / ", "POST /lost once"]);
});

Deno.test("send() after dispose rejects", async () => {
  await using server = await startServer();
  const client = connect(server.port);
  await client[Symbol.asyncDispose]();
  await assertRejects(client.send({ method: "GET", uri: "/" }, ask), "connection");
});
