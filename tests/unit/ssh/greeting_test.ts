import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { dial } from "../../../lib/ssh/connection.ts";
import { SyncError } from "../../../lib/core/errors.ts";

/** How a login at a server fails that sends `pieces`, at once or, like HTTP, as an answer; it never closes. */
async function failure(pieces: readonly string[], options: { readonly answers?: boolean } = {}): Promise<SyncError> {
  const sockets = new Set<Socket>();
  const timers: ReturnType<typeof setTimeout>[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    const say = () => {
      for (const [index, piece] of pieces.entries()) {
        timers.push(setTimeout(() => socket.write(piece, "latin1"), index * 10));
      }
    };
    if (options.answers === true) socket.once("data", say);
    else say();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  try {
    const error = await dial({
      host: "127.0.0.1",
      port: address.port,
      user: "ann",
      timeout: 30_000,
      keepAlive: 0,
      legacy: false,
      signal: new AbortController().signal,
      verify: () => assert.fail("there is no key"),
      authenticate: () => assert.fail("nobody asked"),
    }).then(() => assert.fail("it connected"), (why) => why);
    assert.ok(error instanceof SyncError && error.kind === "connection", `${error}`);
    return error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((done) => server.close(() => done()));
  }
}

Deno.test("dial() says at once which other server answered", async () => {
  const http = await failure(["HTTP/1.1 400 Bad Request\r\nConnection: keep-alive\r\n\r\n"], { answers: true });
  assert.match(http.message, /an HTTP server answers on this port: check the port/);
  assert.equal(http.facts.transient, undefined);
  assert.match((await failure(["220 ProFTPD ready\r\n"])).message, /an FTP server answers/);
  assert.match((await failure(["220 mx.example ESMTP\r\n"])).message, /an SMTP server answers/);
  assert.match(
    (await failure(["\x15\x03\x01\x00\x02\x02\x46"], { answers: true })).message,
    /expects TLS on this port/,
  );
});

Deno.test("dial() ends a greeting that never comes to SSH", async () => {
  const line = `${"welcome ".repeat(500)}\r\n`;
  assert.match((await failure(Array.from({ length: 40 }, () => line))).message, /64 KiB without an SSH identification/);
});
