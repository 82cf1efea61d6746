import assert from "node:assert/strict";
import { root } from "../../../lib/core/path.ts";
import { HttpClient } from "../../../lib/http/client.ts";
import { findProxy } from "../../../lib/net/proxy.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { startRawServer } from "../../support/servers/raw_http.ts";
import { startSmallProxy } from "../../support/servers/small_proxy.ts";

const context = { operation: "test", path: root, signal: new AbortController().signal };
const LOGIN = "me:s3cret";

/** A client of "files.test" through a proxy of HTTP; `timeout` in ms. */
async function clientThrough(port: number, { user = "me@", target = 80, timeout = 10_000 } = {}): Promise<HttpClient> {
  const proxy = await findProxy({
    options: { Proxy: `http://${user}127.0.0.1:${port}` },
    env: () => undefined,
    secret: () => Promise.resolve(user === "" ? undefined : "s3cret"),
    hideSecret: () => {},
  }, { protocol: "http", host: "files.test", port: target });
  return new HttpClient({ host: "files.test", port: target, secure: false, proxy, timeout, connections: 1 });
}

/** A server that answers each request with its first line. */
function startEcho(seen: string[]) {
  return startRawServer(async (connection) => {
    for (let text = await connection.request(); text !== undefined; text = await connection.request()) {
      seen.push(text);
      const [line = ""] = text.split("\r\n");
      await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`);
    }
  });
}

Deno.test("a request in clear text is passed on by the proxy, which alone gets its user, once it asked", async () => {
  const seen: string[] = [];
  await using server = startEcho(seen);
  await using proxy = await startSmallProxy({ login: LOGIN });
  await using client = await clientThrough(proxy.port, { target: server.port });
  const response = await client.send({ method: "GET", uri: "/a%20b?c", headers: { "x-own": "1" } }, context);
  assert.equal(response.status, 200);
  assert.match(new TextDecoder().decode(await response.readAll(1_000)), /^GET \/a%20b/);
  const target = `GET http://files.test:${server.port}/a%20b?c`;
  assert.deepEqual(proxy.asked, [target, target]);
  assert.deepEqual(proxy.logins, ["", LOGIN]);
  assert.match(seen[0] ?? "", new RegExp(`host: files\\.test:${server.port}\r\n`));
  assert.match(seen[0] ?? "", /cache-control: no-cache\r\n/);
  assert.doesNotMatch(seen.join(""), /proxy-authorization|bWU6czNjcmV0/i);
});

Deno.test("a proxy that passes on requests and wants a user says so in one sentence", async () => {
  await using proxy = await startSmallProxy({ login: "other:one" });
  for (const [user, words] of [["", /asks for a user/], ["me@", /refuses its user or password/]] as const) {
    await using client = await clientThrough(proxy.port, { user });
    const error = await assertRejects(client.send({ method: "GET", uri: "/" }, context), "auth");
    assert.match(error.message, words);
    assert.match(error.message, /the proxy http:\/\/127\.0\.0\.1:\d+ \(-Proxy\)/);
  }
});

Deno.test("a wrong login that tinyproxy answers with 401 is no refusal of the server", async () => {
  await using small = startRawServer(async (connection) => {
    for (let text = await connection.request(); text !== undefined; text = await connection.request()) {
      const status = /proxy-authorization/i.test(text) ? 401 : 407;
      await connection.send(`HTTP/1.1 ${status} no\r\nServer: tinyproxy/1.11.1\r\nContent-Length: 0\r\n\r\n`);
    }
  });
  await using client = await clientThrough(small.port);
  const error = await assertRejects(client.send({ method: "GET", uri: "/" }, context), "auth");
  assert.match(error.message, /the proxy \S+ \(-Proxy\) refuses its user or password/);
});

Deno.test("a proxy that passes nothing on is named when the wait is over", async () => {
  await using proxy = await startSmallProxy({ hangs: true, answer: "" });
  await using client = await clientThrough(proxy.port, { timeout: 200 });
  const error = await assertRejects(client.send({ method: "GET", uri: "/" }, context), "timeout");
  assert.match(error.message, /; the connection goes through the proxy http:\/\/127\.0\.0\.1:\d+ \(-Proxy\)$/);
});

Deno.test("a server that can no longer be reached ends the wait for a late reply before its time", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = listener.accept().then(async (conn) => {
    await conn.read(new Uint8Array(1_000));
    listener.close();
    await promise;
    conn.close();
  });
  await using client = new HttpClient({
    ...{ host: "127.0.0.1", port: listener.addr.port, secure: false, timeout: 100, connections: 1 },
  });
  const late = client.send({ method: "GET", uri: "/", replyTimeout: 3_600_000 }, context);
  await assertRejects(late, "connection");
  resolve();
  await serving;
});
