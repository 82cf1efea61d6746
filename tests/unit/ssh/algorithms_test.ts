import assert from "node:assert/strict";
import { needsStrict, offeredAlgorithms, usableCiphers, usableMacs } from "../../../lib/ssh/algorithms.ts";

const CHACHA = "chacha20-poly1305@openssh.com";

interface Offer {
  readonly kex: { readonly remove: readonly string[]; readonly append: readonly string[] };
  readonly serverHostKey: readonly string[];
  readonly cipher: readonly string[];
  readonly hmac: readonly string[];
  readonly compress: readonly string[];
}

function offer(options: { legacy?: boolean; strict?: boolean; hostKeyTypes?: readonly string[] } = {}): Offer {
  return offeredAlgorithms({ legacy: false, strict: true, hostKeyTypes: [], ...options }) as Offer;
}

Deno.test("usableCiphers() puts chacha20 first, and leaves it out where key exchange is not strict", () => {
  assert.equal(usableCiphers({ legacy: false, strict: true })[0], CHACHA);
  const careful = usableCiphers({ legacy: false, strict: false });
  assert.ok(careful.length > 0 && !careful.includes(CHACHA));
});

Deno.test("offers() leaves old algorithms out unless they are wanted", () => {
  const old = /sha1|ssh-rsa|ssh-dss|cbc/;
  const { kex, serverHostKey, cipher, hmac } = offer();
  assert.deepEqual([...kex.append, ...serverHostKey, ...cipher, ...hmac].filter((name) => old.test(name)), []);
  const wanted = offer({ legacy: true });
  assert.ok(wanted.kex.append.includes("diffie-hellman-group14-sha1"));
  assert.ok(wanted.serverHostKey.includes("ssh-rsa") && wanted.serverHostKey.includes("ssh-dss"));
});

Deno.test("offers() removes the P-521 key exchange and all compression", () => {
  assert.ok(offer().kex.remove.includes("ecdh-sha2-nistp521"));
  assert.deepEqual(offer().compress, ["none"]);
});

Deno.test("offers() asks first for the host keys that are known, RSA with SHA-2", () => {
  const types = offer({ hostKeyTypes: ["ssh-rsa", "sk-unknown"] }).serverHostKey;
  assert.deepEqual(types.slice(0, 3), ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
  assert.equal(new Set(types).size, types.length);
});

Deno.test("needsStrict() names chacha20, and CBC with encrypt-then-MAC", () => {
  assert.equal(needsStrict(CHACHA, ""), true);
  assert.equal(needsStrict("aes128-cbc", "hmac-sha2-256-etm@openssh.com"), true);
  assert.equal(needsStrict("aes128-ctr", "hmac-sha2-256-etm@openssh.com"), false);
  for (const cipher of usableCiphers({ legacy: true, strict: false })) {
    for (const mac of usableMacs({ legacy: true, strict: false })) assert.equal(needsStrict(cipher, mac), false);
  }
});
