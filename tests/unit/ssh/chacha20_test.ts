import assert from "node:assert/strict";
import crypto, { createCipheriv, randomBytes } from "node:crypto";
import { ChaCha20, withOwnChaCha20 } from "../../../lib/ssh/chacha20.ts";

Deno.test("ChaCha20 gives what the runtime's cipher gives, for every length and counter", () => {
  const own = new ChaCha20();
  for (let length = 0; length < 700; length++) {
    const [key, iv, data] = [randomBytes(32), randomBytes(16), randomBytes(length)];
    if (length % 3 === 0) iv.fill(0xff, 0, 4);
    const cipher = createCipheriv("chacha20", key, iv);
    const expected = cipher.update(data);
    cipher.final();
    assert.ok(own.cipher(key, iv).update(data).equals(expected), `${length} bytes`);
  }
});

Deno.test("ChaCha20 gives the key stream of RFC 8439, section 2.3.2", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const iv = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0]);
  const stream = new ChaCha20().cipher(key, iv).update(new Uint8Array(16));
  assert.equal(stream.toString("hex"), "10f1e7e4d13b5915500fdd1fa32071c4");
});

Deno.test("withOwnChaCha20() leaves node:crypto as it was, also when loading fails", async () => {
  const before = { ...crypto };
  await assert.rejects(withOwnChaCha20(() => Promise.reject(new Error("no library"))), /no library/);
  assert.equal(crypto.createCipheriv, before.createCipheriv);
  assert.equal(crypto.createDecipheriv, before.createDecipheriv);
});

Deno.test("withOwnChaCha20() replaces chacha20 alone", async () => {
  await withOwnChaCha20(() => {
    const block = crypto.createCipheriv("aes-128-ctr", new Uint8Array(16), new Uint8Array(16));
    assert.equal(typeof block.final, "function");
    block.final();
    const make = crypto.createCipheriv as (name: string, key: Uint8Array, iv: Uint8Array) => object;
    assert.ok(!("final" in make("chacha20", new Uint8Array(32), new Uint8Array(16))));
    return Promise.resolve();
  });
});
