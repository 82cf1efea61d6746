import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { findProxy } from "../../../lib/net/proxy.ts";
import type { ProxyContext } from "../../../lib/net/proxy_types.ts";
import { dialSocket, dialTcp, type Proxy } from "../../../lib/net/tcp.ts";
import type { ErrorKind } from "../../../lib/core/errors.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { startSmallProxy } from "../../support/servers/small_proxy.ts";
import { startRawServer } from "../../support/servers/raw_http.ts";
import { lacksOpenssl, makeAuthority } from "../../support/certificates.ts";

const TIMEOUT = 10_000;

function contextOf(options: Record<string, string>, { env = {}, password, hidden = [] }: {
  readonly env?: Readonly<Record<string, string>>;
  readonly password?: string;
  readonly hidden?: string[];
} = {}): ProxyContext {
  return {
    options,
    env: (name) => env[name],
    secret: (name) => Promise.resolve(name === "ProxyPassword" ? password : undefined),
    hideSecret: (secret) => void hidden.push(secret),
  };
}

async function proxyAt(url: string, password?: string, hidden?: string[]): Promise<Proxy> {
  const context = contextOf({ Proxy: url }, { ...(password ? { password } : {}), ...(hidden ? { hidden } : {}) });
  return await findProxy(context, { protocol: "tcp", host: "server.test", port: 22 }) ?? assert.fail("no proxy");
}

/** A server that greets first, as SSH and FTP do, and then repeats what it hears. */
function startGreeter() {
  return startRawServer(async (connection) => {
    await connection.send("220 hello\r\n");
    for (let bytes = await connection.more(); bytes !== undefined; bytes = await connection.more()) {
      await connection.send(bytes);
    }
  });
}

for (const scheme of ["http", "socks5h"]) {
  for (const login of [undefined, "me@home:s3cret :é"]) {
    Deno.test(`${scheme} proxy${login ? " with a login" : ""}: names are its own to look up, and no byte is lost`, async () => {
      await using server = startGreeter();
      await using small = await startSmallProxy(login ? { login } : {});
      const hidden: string[] = [];
      const proxy = await proxyAt(
        `${scheme}://${login ? "me%40home@" : ""}127.0.0.1:${small.port}`,
        "s3cret :é",
        hidden,
      );
      const peer = { host: "server.test", port: server.port, proxy };
      const connection = await dialTcp(peer, TIMEOUT);
      const read = async (wanted: string) => {
        let text = "";
        while (text.length < wanted.length) {
          const bytes = new Uint8Array(4);
          const count = await connection.read(bytes) ?? assert.fail("it ended early");
          text += Buffer.from(bytes.subarray(0, count)).toString("latin1");
        }
        assert.equal(text, wanted);
      };
      await read("220 hello\r\n");
      await connection.write(new TextEncoder().encode("USER x\r\n"));
      await read("USER x\r\n");
      connection.close();
      const verb = scheme === "http" ? "CONNECT" : "SOCKS";
      assert.deepEqual(small.asked, [`${verb} server.test:${server.port}`]);
      if (login) assert.deepEqual(small.logins, [login]);
      if (login) assert.ok(hidden.includes("s3cret :é"));
      assert.equal(small.carried(), "USER x\r\n");
      const socket = await dialSocket(peer, { timeout: TIMEOUT });
      const [greeting] = await Promise.race([once(socket, "data"), once(socket, "close")]);
      assert.equal(String(greeting), "220 hello\r\n");
      assert.equal(socket.remoteAddress, "server.test");
      socket.destroy();
    });
  }

  Deno.test(`${scheme} proxy: a missing login and a wrong one are said, with what to give`, async () => {
    await using small = await startSmallProxy({ login: "me:right" });
    const dial = async (user: string) => {
      const proxy = await proxyAt(`${scheme}://${user}127.0.0.1:${small.port}`);
      return (await assertRejects(dialTcp({ host: "server.test", port: 1, proxy }, TIMEOUT), "auth")).message;
    };
    assert.match(await dial(""), /^the proxy \S+ \(-Proxy\) asks for a user: .*TANDEM_PROXY_PASSWORD$/);
    const wrong = await dial("me:wr0ng@");
    assert.match(wrong, /refuses its user or password: .*TANDEM_PROXY_PASSWORD$/);
    assert.doesNotMatch(wrong, /wr0ng|me@|me:/);
  });

  Deno.test(`${scheme} proxy: a port that its rules forbid is said once, and not tried again`, async () => {
    await using small = await startSmallProxy({ refuses: () => true });
    const proxy = await proxyAt(`${scheme}://127.0.0.1:${small.port}`);
    const error = await assertRejects(dialTcp({ host: "server.test", port: 22, proxy }, TIMEOUT), "connection");
    assert.match(error.message, /does not connect to server\.test:22.*rules/);
    assert.notEqual(error.facts.transient, true);
  });

  Deno.test(`${scheme} proxy: one that is not there is named`, async () => {
    const { port } = await (async () => {
      await using gone = await startSmallProxy();
      return gone;
    })();
    const proxy = await proxyAt(`${scheme}://me:s3cret@127.0.0.1:${port}`);
    const error = await assertRejects(dialTcp({ host: "server.test", port: 22, proxy }, TIMEOUT), "connection");
    assert.match(error.message, /^the proxy \w+:\/\/127\.0\.0\.1:\d+ \(-Proxy\) cannot be reached: nothing listens/);
  });
}

const silent = { hangs: true, answer: "" };
for (
  const [what, scheme, options, kind, message] of [
    ["garbage", "http", { answer: "SSH-2.0-x\r\n" }, "connection", /does not answer in HTTP: check its port/],
    ["a status without digits", "http", { answer: "HTTP/1.1 OK\r\n\r\n" }, "connection", /does not answer in HTTP/],
    [
      "headers without end",
      "http",
      { answer: `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(9_000)}`, hangs: true },
      "connection",
      /without end/,
    ],
    [
      "a redirect",
      "http",
      { answer: "HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n" },
      "connection",
      /does not connect to server\.test:22 \(302 Found\)/,
    ],
    ["a failure", "http", { answer: "HTTP/1.1 503 \x1b[2J\r\n\r\n" }, "connection", /\(503 [\x20-\x7e]*\)$/],
    [
      "a login of another kind",
      "http",
      { answer: "HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM\r\n\r\n" },
      "auth",
      /login of kind Negotiate, NTLM: only Basic is supported/,
    ],
    ["an end", "http", { answer: "" }, "connection", /closed the connection instead of an answer/],
    ["silence", "http", silent, "timeout", /did not connect: no answer in 0\.2 s; -Timeout waits longer/],
    ["silence", "socks5h", silent, "timeout", /did not connect: no answer in 0\.2 s; -Timeout waits longer/],
    [
      "HTTP",
      "socks5h",
      { answer: "HTTP/1.1 400 no\r\n\r\n" },
      "connection",
      /is no SOCKS5 proxy: check its port, or write http:\/\//,
    ],
    [
      "an address of no kind",
      "socks5h",
      { answer: Uint8Array.of(5, 0, 5, 0, 0, 9) },
      "connection",
      /is no SOCKS5 proxy/,
    ],
    ["a reply of no meaning", "socks5h", { answer: Uint8Array.of(5, 0, 5, 99, 0, 1) }, "connection", /SOCKS reply 99/],
    ["an end", "socks5h", { answer: Uint8Array.of(5) }, "connection", /closed the connection instead of an answer/],
  ] as const satisfies readonly (readonly [string, string, object, ErrorKind, RegExp])[]
) {
  Deno.test(`${scheme} proxy: ${what} instead of an answer ends in one sentence that names it`, async () => {
    await using small = await startSmallProxy(options);
    const proxy = await proxyAt(`${scheme}://me:s3cret@127.0.0.1:${small.port}`);
    const timeout = options === silent ? 200 : TIMEOUT;
    const error = await assertRejects(dialTcp({ host: "server.test", port: 22, proxy }, timeout), kind);
    assert.match(error.message, message);
    assert.match(error.message, /^the proxy \w+:\/\/127\.0\.0\.1:\d+ \(-Proxy\) /);
    assert.doesNotMatch(error.message, /s3cret|\n/);
  });
}

Deno.test(
  "https proxy: nothing is sent to one whose certificate no authority vouches for",
  { ignore: lacksOpenssl },
  async () => {
    await using authority = await makeAuthority();
    const { cert, key } = await authority.sign({ names: "IP:127.0.0.1" });
    using server = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
    const heard = server.accept().then(async (conn) => {
      const count = await conn.read(new Uint8Array(1)).catch(() => null);
      conn.close();
      return count;
    });
    const proxy = await proxyAt(`https://me:s3cret@127.0.0.1:${server.addr.port}`);
    const error = await assertRejects(dialTcp({ host: "server.test", port: 443, proxy }, TIMEOUT), "hostKey");
    assert.match(error.message, /^the proxy https:\/\/\S+ \(-Proxy\) cannot be trusted: /);
    assert.equal(await heard, null);
  },
);

/** Returns the next arguments of an event. */
function once(emitter: NodeJS.EventEmitter, event: string): Promise<unknown[]> {
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  emitter.once(event, (...args) => resolve(args));
  return promise;
}
