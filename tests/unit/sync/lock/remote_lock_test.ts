import assert from "node:assert/strict";
import { memory } from "../../../../lib/backends/memory/mod.ts";
import { decorate } from "../../../../lib/backends/layers/decorator.ts";
import type { Backend } from "../../../../lib/core/backend.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { takeRemoteLock } from "../../../../lib/sync/lock/remote_lock.ts";
import { withOverrides } from "../../../support/stacked.ts";
import { signal, texts } from "../fixtures.ts";

const MINUTE = 60_000;
const path = toRelPath(".tandem-lock");

/** A server, and machines that lock it: each with a clock and a process of its own. */
function world() {
  const clock = { ms: 1_800_000_000_000 };
  const backend = memory({ now: () => clock.ms });
  const alive = new Set<number>();
  const ticks = new Set<() => void>();
  const take = (
    pid: number,
    more: { host?: string; boot?: string; wait?: number; take?: boolean; ahead?: number; on?: Backend } = {},
  ) => {
    alive.add(pid);
    return takeRemoteLock(more.on ?? backend, {
      signal,
      wait: more.wait ?? 0,
      force: more.take ?? false,
      context: {
        host: more.host ?? "web1",
        boot: more.boot ?? "boot1",
        pid,
        now: () => clock.ms + (more.ahead ?? 0),
        every: (_, tick) => {
          ticks.add(tick);
          return () => ticks.delete(tick);
        },
        // A real pause lets the others go on; the clock goes as far as was asked for.
        sleep: async (ms) => {
          clock.ms += ms;
          await new Promise((resolve) => setTimeout(resolve, 5));
        },
        isAlive: (other) => alive.has(other),
      },
    });
  };
  return { clock, backend, alive, ticks, take };
}

Deno.test("takeRemoteLock() keeps a second run out, and says who works", async () => {
  const { take, backend } = world();
  await using first = await take(1);
  await assert.rejects(take(2, { host: "web2" }), {
    kind: "busy",
    message: /process 1 on web1.*-WaitLock.*-BreakLock/,
  });
  assert.equal(await first?.isLockOwner(), true);
  assert.deepEqual(Object.keys(await texts(backend)), [".tandem-lock"]);
});

Deno.test("takeRemoteLock() leaves nothing behind once it is given back", async () => {
  const { take, backend } = world();
  await (await take(1))?.[Symbol.asyncDispose]();
  assert.deepEqual(await texts(backend), {});
  await using second = await take(2);
  assert.equal(await second?.isLockOwner(), true);
});

Deno.test("takeRemoteLock() takes nothing where the root does not exist yet", async () => {
  const { take, backend } = world();
  assert.equal(await take(1, { on: await backend.withRoot("new", { signal }) }), undefined);
});

Deno.test("takeRemoteLock() takes over from a process of this machine that is gone", async () => {
  const { take, alive } = world();
  const first = await take(1);
  alive.delete(1);
  await using second = await take(2);
  assert.deepEqual([await first?.isLockOwner(), await second?.isLockOwner()], [false, true]);
  await first?.[Symbol.asyncDispose]();
  assert.equal(await second?.isLockOwner(), true, "the first took it away");
});

for (const more of [{ host: "web2" }, { boot: "boot2" }]) {
  Deno.test(`takeRemoteLock() believes nothing of another machine's processes (${JSON.stringify(more)})`, async () => {
    const { take, alive, clock } = world();
    await take(1);
    alive.delete(1);
    await assert.rejects(take(2, more), { kind: "busy" });
    clock.ms += 11 * MINUTE;
    await using second = await take(2, more);
    assert.equal(await second?.isLockOwner(), true);
  });
}

Deno.test("takeRemoteLock() takes no lock from a holder whose clock is slow, or that renews it", async () => {
  const { take, clock, ticks } = world();
  await using first = await take(1, { ahead: -60 * MINUTE });
  await assert.rejects(take(2, { host: "web2" }), { kind: "busy" });
  clock.ms += 9 * MINUTE;
  for (const tick of ticks) tick();
  await new Promise((resolve) => setTimeout(resolve, 5));
  clock.ms += 9 * MINUTE;
  await assert.rejects(take(2, { host: "web2" }), { kind: "busy" });
  assert.equal(await first?.isLockOwner(), true);
});

Deno.test("takeRemoteLock() waits as long as it was told", async () => {
  const { take, clock } = world();
  const first = await take(1);
  const start = clock.ms;
  await assert.rejects(take(2, { wait: 30_000 }), { kind: "busy" });
  assert.ok(clock.ms - start >= 30_000);
  const second = take(3, { wait: 30_000 });
  await first?.[Symbol.asyncDispose]();
  assert.equal(await (await second)?.isLockOwner(), true);
});

Deno.test("takeRemoteLock() gives one of many that come at once the lock, also where a server compares nothing", async () => {
  for (const compares of [true, false]) {
    const { take, backend } = world();
    const plain = decorate(backend, { call: ({ run }) => run(), walk: ({ run }) => run() });
    const careless: Backend = {
      ...plain,
      write: (path, body, { expect, ...options }) =>
        plain.write(path, body, compares && expect !== undefined ? { ...options, expect } : options),
    };
    const taken = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => take(i + 1, { on: careless })));
    const held = taken.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    assert.equal(held.length, 1, `compares: ${compares}`);
    assert.equal(await held[0]?.isLockOwner(), true);
  }
});

Deno.test("takeRemoteLock() refuses a lock that nobody can read, and takes it by hand", async () => {
  const { take, backend } = world();
  backend.plant({ kind: "file", path, size: 4, modified: 0 }, new TextEncoder().encode("mine"));
  await assert.rejects(take(1), { kind: "refused", message: /-BreakLock/ });
  assert.equal((await texts(backend))[".tandem-lock"], "mine");
  await using lock = await take(1, { take: true });
  assert.equal(await lock?.isLockOwner(), true);
});

Deno.test("takeRemoteLock() reads no more of a lock than a lock can hold, whatever size the server tells", async () => {
  const { take, backend } = world();
  backend.plant({ kind: "file", path, size: 4, modified: 0 }, new TextEncoder().encode("mine"));
  let sent = 0;
  const endless = () =>
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        sent += 1024;
        if (sent > 1_000_000) controller.close();
        else controller.enqueue(new Uint8Array(1024));
      },
    });
  const lying = withOverrides(backend, { read: () => Promise.resolve(endless()) });
  await assert.rejects(take(1, { on: lying }), { kind: "refused", message: /-BreakLock/ });
  assert.ok(sent < 200_000, `${sent} bytes were read`);
});

Deno.test("takeRemoteLock() names what stands in its way", async () => {
  const { take, backend } = world();
  backend.plant({ kind: "dir", path });
  await assert.rejects(take(1), { kind: "badInput", message: /-RemoteLock/ });
});
