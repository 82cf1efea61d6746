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
  await assert.rejects(chosen.begin(target, write), { kind: "unsupported", message: /-NoTemp.*-InPlace/ });
  assert.equal((await chosen.begin(target, { ...write, inPlace: true })).inPlace, true);
  let recorded = 0;
  const onDirectWrite = () => Promise.resolve(void recorded++);
  const fresh: WriteOptions = { ...write, expect: "absent", onDirectWrite };
  assert.equal((await chosen.begin(target, fresh)).inPlace, undefined);
  const again = await chosen.begin(target, fresh);
  assert.deepEqual([again.inPlace, again.expect, recorded], [true, undefined, 1]);
});

function inMemory(): ServerMemory {
  const facts = new Map<string, string>();
  return { get: (fact) => facts.get(fact), remember: (fact, value) => void facts.set(fact, value) };
}
