import assert from "node:assert/strict";
import { dialHost } from "../../../lib/net/happy_eyeballs.ts";
import { dialSocket, dialTcp } from "../../../lib/net/tcp.ts";
import { assertRejects } from "../../contract/assertions.ts";

/** Ends no test by itself: what should take a moment would otherwise take this long. */
const NEVER = 60_000;

function listen() {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { port: (server.addr as Deno.NetAddr).port, [Symbol.dispose]: () => server.close() };
}

/** Dials addresses by their names: "dead…" never answers, "refuses…" rejects, another one answers. */
function script(addresses: readonly string[], step = 1) {
  const tried: string[] = [];
  const given: string[] = [];
  const closed: string[] = [];
  const opened = dialHost<string>("server.test", {
    timeout: NEVER,
    step,
    resolve: () => Promise.resolve(addresses),
    dial(address, signal) {
      tried.push(address);
      signal.addEventListener("abort", () => given.push(address));
      if (address.startsWith("dead")) return new Promise(() => {});
      if (address.startsWith("refuses")) return Promise.reject(new Error(address));
      return Promise.resolve(address);
    },
    close: (late) => void closed.push(late),
  });
  return { opened, tried, given, closed };
}

Deno.test("a dead first address costs a step and not the timeout, and is given up then", async () => {
  const race = script(["dead", "alive", "unused"]);
  assert.equal(await race.opened, "alive");
  assert.deepEqual(race.tried, ["dead", "alive"]);
  assert.deepEqual(race.given, ["dead"]);
});

Deno.test("an address that refuses is followed at once by the next, without waiting for the step", async () => {
  const race = script(["refuses 1", "refuses 2", "alive"], NEVER);
  assert.equal(await race.opened, "alive");
});

Deno.test("if no address answers, the error is that of the first", async () => {
  await assert.rejects(script(["refuses 1", "refuses 2"]).opened, /refuses 1/);
});

Deno.test("the families take turns, that of the first address first", async () => {
  const tried: string[] = [];
  await assert.rejects(dialHost("server.test", {
    timeout: NEVER,
    step: NEVER,
    resolve: () => Promise.resolve(["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"]),
    dial: (address) => Promise.reject(new Error(String(tried.push(address)))),
    close: () => {},
  }));
  assert.deepEqual(tried, ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]);
});

Deno.test("a connection that comes after another one is closed", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const closed: string[] = [];
  const opened = await dialHost("server.test", {
    timeout: NEVER,
    step: 1,
    resolve: () => Promise.resolve(["slow", "fast"]),
    dial: (address) => address === "slow" ? promise : Promise.resolve(address),
    close: (late) => void closed.push(late),
  });
  assert.equal(opened, "fast");
  resolve("slow");
  await promise;
  await Promise.resolve();
  assert.deepEqual(closed, ["slow"]);
});

Deno.test("a resolver that never answers ends with the timeout", async () => {
  const error = await assertRejects(
    dialHost("server.test", {
      timeout: 20,
      resolve: () => new Promise(() => {}),
      dial: () => Promise.reject(new Error("not reached")),
      close: () => {},
    }),
    "timeout",
  );
  assert.match(error.message, /^no answer in 0.02 s; -Timeout waits longer$/);
});

Deno.test("a connection and a socket are opened to the second address of a name, and stay open", async () => {
  using server = listen();
  const resolve = () => Promise.resolve(["127.0.0.2", "127.0.0.1"]);
  const connection = await dialTcp({ host: "server.test", port: server.port }, NEVER, resolve);
  assert.equal(await connection.write(new Uint8Array(3)), 3);
  connection.close();
  const socket = await dialSocket({ host: "server.test", port: server.port }, { timeout: NEVER, resolve });
  assert.equal(socket.destroyed, false);
  socket.destroy();
});

for (const dial of [dialTcp, (...[peer, timeout]: Parameters<typeof dialTcp>) => dialSocket(peer, { timeout })]) {
  Deno.test(`${dial === dialTcp ? "a connection" : "a socket"} is dialled with the zone of an address`, async () => {
    // Nothing is sent: no interface but loopback has this zone, and loopback routes no such address.
    const error = await assertRejects(dial({ host: "fe80::1%lo", port: 9 }, NEVER), "connection");
    assert.match(error.message, /no route to the network/);
  });
}
