import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { root } from "../../../lib/core/path.ts";
import type { SyncError } from "../../../lib/core/errors.ts";
import { HttpClient } from "../../../lib/http/client.ts";
import { openS3 } from "../../../lib/backends/s3/mod.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { openSmallFtp } from "../../support/targets/ftp_target.ts";
import { s3Target } from "../../support/targets/s3_target.ts";

/** What a server that is no FTP or web server says: at once, or to the first line it gets. */
interface Script {
  readonly greeting?: string;
  readonly answer?: string;
}

async function listening(server: net.Server): Promise<AsyncDisposable & { readonly port: number }> {
  const open = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function speaking({ greeting, answer }: Script): net.Server {
  return net.createServer((socket) => {
    if (greeting !== undefined) socket.write(greeting, "latin1");
    if (answer !== undefined) socket.once("data", () => socket.write(answer, "latin1"));
  });
}

/** Long: whoever waits for it is too late. */
const timeout = 60_000;

async function ftpError(port: number, scheme: string): Promise<SyncError> {
  return await assertRejects(openSmallFtp({ port }, { scheme, options: { Timeout: String(timeout) } }), "connection");
}

const ask = { operation: "open", path: root, signal: new AbortController().signal };

async function httpError(port: number, secure: boolean): Promise<SyncError> {
  await using client = new HttpClient({ host: "127.0.0.1", port, secure, pins: [], timeout, connections: 1 });
  return await assertRejects(client.send({ method: "PROPFIND", uri: "/" }, ask), "connection");
}

const ssh = { greeting: "SSH-2.0-OpenSSH_9.6\r\n" };
const ftp = { greeting: "220 welcome\r\n" };
const web = { answer: "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n" };
const tls = { answer: "\x15\x03\x01\x00\x02\x02\x46" };

for (
  const [what, script, scheme, words] of [
    ["an SSH server", ssh, "ftp", /^Cannot connect to "ftp:.*": an SSH server answers on this port: .*sftp:/],
    ["an SSH server", ssh, "ftpes", /an SSH server answers/],
    ["an SSH server", ssh, "ftps", /an SSH server answers/],
    ["a web server", web, "ftp", /an HTTP server answers on this port: .*dav:/],
    ["a web server", web, "ftpes", /an HTTP server answers/],
    ["a web server", web, "ftps", /HTTP/],
    ["a server that expects TLS", tls, "ftp", /the server expects TLS on this port: write ftps:/],
    ["an FTP server without TLS", ftp, "ftps", /an FTP server answers without TLS: write ftpes:/],
    ["a mail server", { greeting: "220 mail ESMTP Postfix\r\n" }, "ftp", /an SMTP server answers/],
  ] as const
) {
  Deno.test(`${scheme}: at the port of ${what} is told so at once`, async () => {
    await using server = await listening(speaking(script));
    assert.match((await ftpError(server.port, scheme)).message, words);
  });
}

Deno.test("ftp: at the port of a server that ends the connection without a word says which scheme to try", async () => {
  await using server = await listening(net.createServer((socket) => void socket.once("data", () => socket.end())));
  assert.match((await ftpError(server.port, "ftp")).message, /said nothing: check the port; .*ftps:/);
});

for (
  const [what, script, secure, words] of [
    ["an SSH server", ssh, false, /an SSH server answers on this port: .*sftp:/],
    ["an SSH server", ssh, true, /an SSH server answers on this port/],
    ["an FTP server", ftp, false, /an FTP server answers on this port: .*ftp:/],
    ["an FTP server", ftp, true, /an FTP server answers on this port/],
    ["a server that expects TLS", tls, false, /the server expects TLS on this port: write davs:.*https:/],
    ["a web server without TLS", web, true, /an HTTP server answers without TLS: write dav:.*http:/],
  ] as const
) {
  Deno.test(`${secure ? "davs" : "dav"}: at the port of ${what} is told so at once`, async () => {
    await using server = await listening(speaking(script));
    const error = await httpError(server.port, secure);
    assert.match(error.message, words);
    assert.equal(error.facts.transient, undefined);
  });
}

for (
  const [server, answer] of [
    ["nginx", "<center>The plain HTTP request was sent to HTTPS port</center>"],
    ["Apache", "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"],
    ["Go", "Client sent an HTTP request to an HTTPS server.\n"],
  ] as const
) {
  const sized = `HTTP/1.1 400 Bad Request\r\ncontent-length: ${answer.length}\r\n\r\n`;
  const ended = "HTTP/1.0 400 Bad Request\r\n\r\n";
  for (const head of [sized, ended]) {
    Deno.test(`dav: at ${server}'s port for TLS (${head === sized ? "sized" : "until the end"}) is told to write davs:`, async () => {
      await using raw = await listening(net.createServer((socket) => {
        socket.once("data", () => {
          socket.write(head);
          setTimeout(() => socket.end(answer), 20);
        });
      }));
      assert.match((await httpError(raw.port, false)).message, /expects TLS on this port: write davs:/);
    });
  }
}

Deno.test("another bad request stays one, with its content", async () => {
  await using server = await listening(
    http.createServer((_, response) => void response.writeHead(400).end("no such depth")),
  );
  await using client = new HttpClient({
    host: "127.0.0.1",
    port: server.port,
    secure: false,
    pins: [],
    timeout,
    connections: 1,
  });
  for (let i = 0; i < 2; i++) {
    const reply = await client.send({ method: "PROPFIND", uri: "/" }, ask);
    assert.equal(reply.status, 400);
    assert.equal(new TextDecoder().decode(await reply.readAll(100)), "no such depth");
  }
});

Deno.test("s3: at an SSH server's port is told so at once", async () => {
  await using server = await listening(speaking(ssh));
  const target = s3Target({ port: server.port, accessKey: "AK", secretKey: "SK" }, { bucket: "b" });
  const error = await assertRejects(openS3(target, { signal: ask.signal }), "connection");
  assert.match(error.message, /an SSH server answers on this port/);
});
