import assert from "node:assert/strict";
import { takeLock } from "../../../../lib/sync/lock/local_lock.ts";
import type { Lock, LockOwner } from "../../../../lib/sync/lock/owner.ts";

const signal = new AbortController().signal;
const minute = 60_000;

/** A machine of which the test turns the clock: each has a pid of its own. */
class Machine {
  time = 1_800_000_000_000;
  readonly alive = new Set<number>();
  readonly ticks = new Set<() => void>();
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  take(pid: number, more: { wait?: number; take?: boolean; host?: string; boot?: string } = {}): Promise<Lock> {
    this.alive.add(pid);
    return takeLock({
      folder: this.folder,
      pair: "pair",
      wait: more.wait ?? 0,
      force: more.take ?? false,
      signal,
      context: {
        host: more.host ?? "web1",
        boot: more.boot ?? "boot1",
        pid,
        now: () => this.time,
        every: (_, tick) => {
          this.ticks.add(tick);
          return () => this.ticks.delete(tick);
        },
        sleep: (ms) => {
          this.time += ms;
          return Promise.resolve();
        },
        isAlive: (other) => this.alive.has(other),
      },
    });
  }

  owners(): LockOwner[] {
    return Array.from(Deno.readDirSync(this.folder))
      .map(({ name }) => JSON.parse(Deno.readTextFileSync(`${this.folder}/${name}`)));
  }
}

async function within(test: (machine: Machine) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-lock-" });
  try {
    await test(new Machine(`${folder}/locks`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("takeLock() refuses a second run at once, and says who works", () =>
  within(async (machine) => {
    await using lock = await machine.take(1);
    await assert.rejects(machine.take(2), { kind: "busy", message: /process 1 on web1.*-WaitLock.*-BreakLock/ });
    assert.equal(await lock.isLockOwner(), true);
  }));

Deno.test("takeLock() is free again when the lock was given back", () =>
  within(async (machine) => {
    await (await machine.take(1))[Symbol.asyncDispose]();
    await using lock = await machine.take(2);
    assert.deepEqual([await lock.isLockOwner(), machine.owners().length], [true, 1]);
  }));

Deno.test("takeLock() gives one of many that come at once the lock, also over a stale one", () =>
  within(async (machine) => {
    await machine.take(1);
    machine.alive.delete(1);
    const taken = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => machine.take(i + 2)));
    const held = taken.filter((one) => one.status === "fulfilled");
    assert.equal(held.length, 1);
    for (const one of taken) if (one.status === "rejected") assert.equal(one.reason.kind, "busy");
    assert.equal(await held[0]?.value.isLockOwner(), true);
  }));

const stale: Readonly<Record<string, (machine: Machine) => Parameters<Machine["take"]>[1]>> = {
  "whose process is gone": (machine) => (machine.alive.delete(1), {}),
  "from before the machine's start": () => ({ boot: "boot2" }),
  "that has been silent for ten minutes": (machine) => (machine.time += 10 * minute, {}),
  "of another machine that has been silent for ten minutes": (machine) => (
    machine.time += 10 * minute, { host: "web2" }
  ),
  "by hand": () => ({ take: true }),
};
for (const [what, change] of Object.entries(stale)) {
  Deno.test(`takeLock() takes over a lock ${what}`, () =>
    within(async (machine) => {
      const old = await machine.take(1);
      const { take: _, ...where } = change(machine) ?? {};
      await using lock = await machine.take(2, { ...where, take: what === "by hand" });
      assert.deepEqual([await old.isLockOwner(), await lock.isLockOwner()], [false, true]);
      await old[Symbol.asyncDispose]();
      assert.equal(await lock.isLockOwner(), true);
      await assert.rejects(machine.take(3, where), { kind: "busy" });
    }));
}

Deno.test("takeLock() leaves a lock of another machine alone that is not silent", () =>
  within(async (machine) => {
    await using _lock = await machine.take(1);
    machine.alive.delete(1);
    machine.time += 9 * minute;
    await assert.rejects(machine.take(2, { host: "web2" }), { kind: "busy" });
  }));

Deno.test("takeLock() keeps its lease fresh", () =>
  within(async (machine) => {
    await using lock = await machine.take(1);
    for (let count = 0; count < 12; count++) {
      machine.time += minute;
      for (const tick of machine.ticks) tick();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await assert.rejects(machine.take(2, { host: "web2" }), { kind: "busy" });
    assert.equal(await lock.isLockOwner(), true);
  }));

Deno.test("takeLock() waits as long as it was told", () =>
  within(async (machine) => {
    await using _lock = await machine.take(1);
    const from = machine.time;
    await assert.rejects(machine.take(2, { wait: 5 * minute }), { kind: "busy" });
    assert.equal(machine.time - from, 5 * minute);
  }));

Deno.test("takeLock() refuses a lock that nobody can read, and takes it by hand", () =>
  within(async (machine) => {
    await (await machine.take(1))[Symbol.asyncDispose]();
    const [file] = Array.from(Deno.readDirSync(machine.folder));
    await Deno.writeTextFile(`${machine.folder}/${file?.name}`, "");
    await assert.rejects(machine.take(2), { kind: "refused", message: /-BreakLock/ });
    await using lock = await machine.take(2, { take: true });
    assert.equal(await lock.isLockOwner(), true);
  }));

const silly = { host: "web1", pid: 2, start: 1, lease: 1 };
const unreadable: Readonly<Record<string, unknown>> = {
  "no object": [],
  "a host that is none": { ...silly, host: 1 },
  "a host without end": { ...silly, host: "x".repeat(2000) },
  "a process id that stands for all": { ...silly, pid: -1 },
  "a process id that is no whole number": { ...silly, pid: 1.5 },
  "a start that no calendar has": { ...silly, start: 1e300 },
  "a lease that is no time": { ...silly, lease: "now" },
  "a start of the machine that is none": { ...silly, boot: {} },
};
for (const [what, owner] of Object.entries(unreadable)) {
  Deno.test(`takeLock() refuses a lock that names ${what}`, () =>
    within(async (machine) => {
      await (await machine.take(1))[Symbol.asyncDispose]();
      const [file] = Array.from(Deno.readDirSync(machine.folder));
      await Deno.writeTextFile(`${machine.folder}/${file?.name}`, JSON.stringify(owner));
      await assert.rejects(machine.take(2), { kind: "refused", message: /-BreakLock/ });
    }));
}

Deno.test("takeLock() reads no more of a lock than a lock can hold", () =>
  within(async (machine) => {
    await (await machine.take(1))[Symbol.asyncDispose]();
    const [file] = Array.from(Deno.readDirSync(machine.folder));
    await Deno.writeTextFile(
      `${machine.folder}/${file?.name}`,
      JSON.stringify({ ...silly, released: true }).padEnd(8192),
    );
    await using lock = await machine.take(2);
    assert.equal(await lock.isLockOwner(), true);
  }));

Deno.test("takeLock() ends over a number that has no next one, and passes over one that is written otherwise", () =>
  within(async (machine) => {
    await (await machine.take(1))[Symbol.asyncDispose]();
    for (const name of ["pair.007.lock", "pair.0.lock", `pair.${"9".repeat(200)}.lock`, "pair.1e3.lock"]) {
      await Deno.writeTextFile(`${machine.folder}/${name}`, "");
    }
    await (await machine.take(2))[Symbol.asyncDispose]();
    await Deno.writeTextFile(`${machine.folder}/pair.${Number.MAX_SAFE_INTEGER}.lock`, "", { mode: 0o600 });
    await assert.rejects(machine.take(3), { kind: "refused", message: /damaged/ });
  }));

const foreignLocks: Readonly<Record<string, (file: string, folder: string) => Promise<void>>> = {
  "that others may write to": (file) => Deno.chmod(file, 0o602),
  "in a folder that others may write to": (_, folder) => Deno.chmod(folder, 0o777),
  "that is a link": async (file) => {
    await Deno.rename(file, `${file}.else`);
    await Deno.symlink(`${file}.else`, file);
  },
  "in a folder that is a link": async (_, folder) => {
    await Deno.rename(folder, `${folder}.else`);
    await Deno.symlink(`${folder}.else`, folder);
  },
};
for (const [what, change] of Object.entries(foreignLocks)) {
  Deno.test({
    name: `takeLock() refuses a lock ${what}`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      within(async (machine) => {
        await (await machine.take(1))[Symbol.asyncDispose]();
        const [file] = Array.from(Deno.readDirSync(machine.folder));
        await change(`${machine.folder}/${file?.name}`, machine.folder);
        await assert.rejects(machine.take(2), { kind: "refused", message: /not trusted/ });
      }),
  });
}

Deno.test({
  name: "takeLock() refuses a lock that it may not read",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0,
  fn: () =>
    within(async (machine) => {
      await (await machine.take(1))[Symbol.asyncDispose]();
      const [file] = Array.from(Deno.readDirSync(machine.folder));
      await Deno.chmod(`${machine.folder}/${file?.name}`, 0);
      await assert.rejects(machine.take(2), { kind: "refused", message: /-BreakLock/ });
    }),
});

Deno.test("takeLock() keeps pairs apart whose names begin alike", () =>
  within(async (machine) => {
    await using _lock = await machine.take(1);
    await Deno.writeTextFile(`${machine.folder}/pair2.9.lock`, "");
    await assert.rejects(machine.take(2), { kind: "busy" });
  }));
