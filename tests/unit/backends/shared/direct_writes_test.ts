import assert from "node:assert/strict";
import { DirectWrites } from "../../../../lib/backends/shared/direct_writes.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { WriteOptions } from "../../../../lib/core/backend.ts";
import type { ServerMemory } from "../../../../lib/core/protocol.ts";

const target = { path: toRelPath("a"), serverPath: "/up/a" };
const { signal } = new AbortController();
const write = { signal, size: 1 };

Deno.test("DirectWrites warns once that a rename was refused, and remembers it for the server", () => {
  const [warnings, serverMemory] = [[] as string[], inMemory()];
  const open = () => new DirectWrites("ftp://web1", { options: {}, serverMemory, warn: (text) => warnings.push(text) });
  const first = open();
  assert.equal(first.isOn, false);
  first.turnOn({ operation: "RNTO", serverMessage: "553 Not \u001b[31mallowed\n" });
  first.turnOn({ operation: "RNTO", serverMessage: "553 again" });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /ftp:\/\/web1 renames no files \(RNTO was refused: 553 Not/);
  assert.ok(warnings[0]?.includes("\u001b") === false);
  assert.equal(open().isOn, true);
  assert.equal(warnings.length, 2);
});

Deno.test("DirectWrites refuses to replace a file, except in place or one that this run began", async () => {
  const chosen = new DirectWrites("ftp://web1", { options: { NoTemp: "true" }, warn: () => {} });
  assert.equal(chosen.isOn, true);
  const used = (options: WriteOptions) => chosen.write(target, options, (given) => Promise.resolve(given));
  await assert.rejects(used(write), { kind: "unsupported", message: /-NoTemp.*-InPlace/ });
  assert.equal((await used({ ...write, inPlace: true })).inPlace, true);
  let recorded = 0;
  const onDirectWrite = () => Promise.resolve(void recorded++);
  const fresh: WriteOptions = { ...write, expect: "absent", onDirectWrite };
  await assert.rejects(chosen.write(target, fresh, () => Promise.reject(new Error("broken"))), /broken/);
  const again = await used(fresh);
  assert.deepEqual([again.inPlace, again.expect, recorded], [true, undefined, 1]);
  const later = await used(fresh);
  assert.deepEqual([later.inPlace, later.expect, recorded], [undefined, "absent", 2], "a complete file is protected");
});

function inMemory(): ServerMemory {
  const facts = new Map<string, string>();
  return { get: (fact) => facts.get(fact), remember: (fact, value) => void facts.set(fact, value) };
}
