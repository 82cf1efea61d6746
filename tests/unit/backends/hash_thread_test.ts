import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { HashThread } from "../../../lib/backends/hash_thread.ts";

Deno.test("HashThread gives the digest of all bytes in order, though their memory is used again", async () => {
  const whole = randomBytes(9_000_001);
  using thread = new HashThread("md5");
  const memory = new Uint8Array(700_000);
  for (let at = 0; at < whole.length; at += memory.length) {
    const part = whole.subarray(at, at + memory.length);
    memory.set(part);
    await thread.update(memory.subarray(0, part.length));
    memory.fill(0);
  }
  assert.equal(await thread.digest(), createHash("md5").update(whole).digest("hex"));
});

Deno.test("HashThread of nothing gives the digest of nothing", async () => {
  using thread = new HashThread("sha256");
  assert.equal(await thread.digest(), createHash("sha256").digest("hex"));
});

Deno.test("HashThread that was disposed rejects, and so do those who wait", async () => {
  const thread = new HashThread("md5");
  const bytes = new Uint8Array(64 << 20);
  const waiting = thread.update(bytes);
  thread[Symbol.dispose]();
  await assert.rejects(waiting, /given up/);
  await assert.rejects(thread.update(bytes), /given up/);
});
