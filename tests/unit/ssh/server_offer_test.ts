import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { Buffer } from "node:buffer";
// @ts-types="npm:@types/ssh2@1.15.6"
import ssh2, { type ConnectConfig } from "npm:ssh2@1.17.0";
import { keyExchanges } from "../../../lib/ssh/algorithms.ts";
import { dial } from "../../../lib/ssh/connection.ts";
import { explainMismatch, parseOffer, type ServerOffer } from "../../../lib/ssh/server_offer.ts";
import { SyncError } from "../../../lib/core/errors.ts";

const CHACHA = "chacha20-poly1305@openssh.com";
const STRICT = "kex-strict-s-v00@openssh.com";
const modern: ServerOffer = {
  keyExchanges: ["curve25519-sha256", STRICT],
  hostKeys: ["ssh-ed25519"],
  ciphers: ["aes128-ctr"],
  macs: ["hmac-sha2-256"],
};

/** A server's first bytes: lines, its identification and KEXINIT. */
function greeting({ keyExchanges: kex, hostKeys, ciphers, macs }: ServerOffer, lines = ""): Buffer {
  const lists = [kex, hostKeys, ciphers, ciphers, macs, macs, ["none"], ["none"], [], []].map((names) => {
    const text = Buffer.from(names.join(","));
    const size = Buffer.alloc(4);
    size.writeUInt32BE(text.length);
    return Buffer.concat([size, text]);
  });
  const payload = Buffer.concat([Buffer.from([20]), Buffer.alloc(16, 7), ...lists, Buffer.alloc(5)]);
  const padding = 8 - (payload.length + 5) % 8 + 8;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.length + padding + 1);
  head[4] = padding;
  return Buffer.concat([Buffer.from(`${lines}SSH-2.0-small\r\n`), head, payload, Buffer.alloc(padding)]);
}

Deno.test("parseOffer() reads a server's lists once they are complete", () => {
  const bytes = greeting(modern, "Welcome\r\nto us\n");
  assert.deepEqual(parseOffer(bytes), modern);
  for (let length = 0; length < bytes.length; length += 7) {
    assert.equal(parseOffer(bytes.subarray(0, length)), undefined);
  }
  assert.equal(parseOffer(Buffer.from("SSH-2.0-x\r\n\0\0\0\x0c\x0a\x02aaaaaaaaaa", "latin1")), undefined);
});

const cases: readonly (readonly [name: string, offer: Partial<ServerOffer>, legacy: boolean, says: RegExp])[] = [
  ["SHA-1 alone", { keyExchanges: ["diffie-hellman-group14-sha1"] }, false, /needs -AllowLegacyAlgorithms$/],
  ["a host key of SHA-1", { hostKeys: ["ssh-rsa"] }, false, /needs -AllowLegacyAlgorithms$/],
  ["CBC", { ciphers: ["aes128-cbc"] }, false, /needs -AllowLegacyAlgorithms$/],
  [
    "chacha20 without strict key exchange",
    { keyExchanges: ["curve25519-sha256"], ciphers: [CHACHA] },
    false,
    /CVE-2023-48795.*-SshClient System$/,
  ],
  [
    "the same with old algorithms allowed",
    { keyExchanges: ["curve25519-sha256"], ciphers: [CHACHA] },
    true,
    /CVE-2023-48795/,
  ],
  [
    "P-521 alone",
    { keyExchanges: ["ecdh-sha2-nistp521"] },
    false,
    /key exchange the server offers ecdh-sha2-nistp521.*-SshClient System/,
  ],
  ["an unknown cipher", { ciphers: ["rot13\u001b"] }, false, /cipher the server offers rot13\\u001b/],
  [
    "an old cipher and an unknown host key",
    { ciphers: ["aes128-cbc"], hostKeys: ["x509"] },
    false,
    /host key the server offers x509/,
  ],
];

Deno.test("explainMismatch() names an option only where the offer would then match", async (t) => {
  assert.equal(explainMismatch(modern, false), undefined);
  for (const [name, offer, legacy, says] of cases) {
    await t.step(name, () => {
      const why = explainMismatch({ ...modern, ...offer }, legacy) ?? "";
      assert.match(why, says);
      if (!says.source.includes("AllowLegacy")) assert.doesNotMatch(why, /AllowLegacy/);
    });
  }
});

Deno.test("keyExchanges() are known to the client library", () => {
  assert.ok(keyExchanges(true).includes("diffie-hellman-group1-sha1"));
  for (const name of keyExchanges(true)) {
    const client = new ssh2.Client();
    client.on("error", () => {});
    const config = { sock: new PassThrough(), username: "ann", algorithms: { kex: [name] } };
    // An unknown name throws.
    assert.doesNotThrow(() => client.connect(config as unknown as ConnectConfig), name);
    client.destroy();
  }
});

Deno.test("dial() says what an old server needs", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.write(greeting({ ...modern, hostKeys: ["ssh-rsa"] }));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
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
  for (const socket of sockets) socket.destroy();
  await new Promise((done) => server.close(done));
  assert.ok(error instanceof SyncError);
  assert.match(error.message, /no matching host key format; the server is old and needs -AllowLegacyAlgorithms$/);
});
