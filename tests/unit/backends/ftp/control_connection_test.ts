import assert from "node:assert/strict";
import net from "node:net";
import type { CallOptions } from "../../../../lib/core/backend.ts";
import { DataRoute } from "../../../../lib/backends/ftp/data_route.ts";
import { ControlConnection } from "../../../../lib/backends/ftp/control_connection.ts";
import { FtpPool } from "../../../../lib/backends/ftp/pool.ts";
import { networkError } from "../../../../lib/net/net_error.ts";
import { SyncError } from "../../../../lib/core/errors.ts";

/** A server that greets and answers each command by `answer`, whose pieces are sent apart. */
async function serve(answer: (command: string) => readonly string[], greeting = "220 ready\r\n") {
  const sockets = new Set<net.Socket>();
  const commands: string[] = [];
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.write(greeting);
    socket.on("data", async (bytes) => {
      for (const command of bytes.toString().split("\r\n").filter((one) => one !== "")) {
        commands.push(command);
        for (const [i, piece] of answer(command).entries()) {
          if (i > 0) await new Promise((resolve) => setTimeout(resolve, 20));
          if (!socket.destroyed) socket.write(piece);
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const settings = {
    host: "127.0.0.1",
    port: address.port,
    timeout: 1000,
    trust: { host: "127.0.0.1", pins: [] },
    route: new DataRoute("Passive"),
  };
  return {
    commands,
    connect: async ({ signal }: CallOptions = { signal: new AbortController().signal }) =>
      (await ControlConnection.connect(settings, { implicit: false, allowTls13: false, signal })).control,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("ControlConnection puts together replies that come in pieces", async () => {
  await using server = await serve(() => ["25", "0-Start\r\n size=1", "23; /f\r\n250", " End\r\n"]);
  const link = await server.connect();
  assert.deepEqual(await link.sendCommand("MLST /f"), { code: 250, text: "250-Start\n size=123; /f\n250 End" });
  link.close();
});

Deno.test("ControlConnection gives replies to commands sent side by side in their order", async () => {
  await using server = await serve((command) => [`200 ${command}\r\n`]);
  const link = await server.connect();
  link.pipelines = true;
  const replies = await link.sendCommands(["A", "B", "C"]);
  assert.deepEqual(replies.map((one) => one.text), ["200 A", "200 B", "200 C"]);
  link.close();
});

Deno.test("ControlConnection ends a connection whose answers are out of step", async () => {
  await using server = await serve((command) =>
    command === "LIST" ? ["226 one\r\n229 (|||2121|)\r\n"] : ["200 ok\r\n"]
  );
  const link = await server.connect();
  link.pipelines = true;
  const [first, second] = [link.sendCommand("LIST"), link.sendCommand("SIZE f")];
  assert.equal((await first).code, 226);
  await assert.rejects(second, /out of step/);
  assert.ok(link.closed);
});

Deno.test("ControlConnection.connect() that is cancelled does not wait for the greeting", async () => {
  await using server = await serve(() => [], "220-soon\r\n");
  const stop = new AbortController();
  const connecting = server.connect({ signal: stop.signal });
  setTimeout(() => stop.abort(), 50);
  // A silent server would be given up after a second, with another error.
  await assert.rejects(connecting, /closed|given up/);
});

Deno.test("ControlConnection sends no control character", async () => {
  await using server = await serve(() => ["200 ok\r\n"]);
  const link = await server.connect();
  for (const name of ["x\r\nDELE y", "x\0", "x\u007f", "x\u0100"]) {
    await assert.rejects(
      link.sendCommand(`RETR ${name}`),
      (error) => error instanceof SyncError && error.kind === "badInput",
    );
  }
  await link.sendCommand("NOOP");
  assert.deepEqual(server.commands, ["NOOP"]);
  link.close();
});

Deno.test("ControlConnection gives up on a server that does not answer", async () => {
  await using server = await serve(() => []);
  const link = await server.connect();
  await assert.rejects(link.sendCommand("NOOP"), (error) => error instanceof SyncError && error.kind === "timeout");
  assert.ok(link.closed);
});

Deno.test("ControlConnection gives up on a reply without end", async () => {
  await using server = await serve(() => [`250-${"x".repeat(70_000)}`]);
  const link = await server.connect();
  await assert.rejects(link.sendCommand("NOOP"), (error) => error instanceof SyncError && error.kind === "connection");
});

Deno.test("ControlConnection ends with 421 as busy, which may pass", async () => {
  await using server = await serve(() => ["421 Timeout\r\n"]);
  const link = await server.connect();
  assert.equal((await link.sendCommand("NOOP")).code, 421);
  await assert.rejects(link.sendCommand("NOOP"), (error) => error instanceof SyncError && error.kind === "busy");
});

Deno.test("FtpPool is content with the connections a server allows", async () => {
  await using server = await serve((command) => [`200 ${command}\r\n`]);
  let dials = 0;
  const connect = async () => {
    dials++;
    if (dials > 1) throw networkError("busy", "421 too many connections");
    return await server.connect();
  };
  const call = { signal: new AbortController().signal, operation: "test" };
  await using pool = new FtpPool(await server.connect(), { connect, connections: 8, reconnectTime: 0, timeout: 5000 });
  const work = Array.from({ length: 12 }, () => pool.use(call, (link) => link.sendCommand("NOOP")));
  const replies = await Promise.all(work);
  assert.equal(replies.length, 12);
  const before = dials;
  await Promise.all(Array.from({ length: 12 }, () => pool.use(call, (link) => link.sendCommand("NOOP"))));
  assert.equal(dials, before, "it asks for no more connections");
});

Deno.test("FtpPool lets nobody wait after dispose", async () => {
  await using server = await serve(() => ["200 ok\r\n"]);
  const call = { signal: new AbortController().signal, operation: "test" };
  const pool = new FtpPool(await server.connect(), {
    connect: server.connect,
    connections: 1,
    reconnectTime: 0,
    timeout: 5000,
  });
  await pool.lease(call);
  const waiting = pool.lease(call);
  await pool[Symbol.asyncDispose]();
  await assert.rejects(waiting, SyncError);
  await assert.rejects(pool.lease(call), SyncError);
});

Deno.test("FtpPool gives a turn that comes to one who is cancelled to the next one", async () => {
  await using server = await serve(() => ["200 ok\r\n"]);
  const call = { signal: new AbortController().signal, operation: "test" };
  await using pool = new FtpPool(await server.connect(), {
    connect: server.connect,
    connections: 1,
    reconnectTime: 0,
    timeout: 5000,
  });
  const link = await pool.lease(call);
  const stop = new AbortController();
  const cancelled = pool.lease({ ...call, signal: stop.signal });
  const next = pool.lease(call);
  pool.release(link);
  stop.abort();
  await assert.rejects(cancelled, SyncError);
  assert.equal(await next, link);
});

Deno.test("ControlConnection ends a connection on which a reply comes that nothing asked for", async () => {
  await using server = await serve((command) => command === "SIZE f" ? ["213 1\r\n213 2\r\n"] : ["200 ok\r\n"]);
  const link = await server.connect();
  assert.equal((await link.sendCommand("SIZE f")).text, "213 1");
  await assert.rejects(link.sendCommand("SIZE g"), /out of step/);
});

for (
  const [what, piece] of [["lines", "250-go on\r\n".repeat(4000)], [
    "preliminary replies",
    "150 soon\r\n".repeat(400),
  ]] as const
) {
  Deno.test(`ControlConnection gives up on a reply of ${what} without end before its time is over`, async () => {
    await using server = await serve(() => Array(4).fill(piece));
    const link = await server.connect();
    await assert.rejects(
      link.sendCommand("NOOP"),
      (error) => error instanceof SyncError && error.kind === "connection",
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
}

Deno.test("ControlConnection names -Timeout where a server is silent, also in the middle of a reply", async () => {
  await using server = await serve(() => Array(20).fill("250-slowly\r\n"));
  const link = await server.connect();
  await assert.rejects(link.sendCommand("NOOP"), /no answer in 1 s.*-Timeout/);
});
