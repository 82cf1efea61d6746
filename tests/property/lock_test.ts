import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { SyncError } from "../../lib/core/errors.ts";
import { takeLock } from "../../lib/sync/lock/local_lock.ts";
import type { Lock } from "../../lib/sync/lock/owner.ts";
import { runs, seeded } from "../support/runs.ts";

/** What the runs of one machine do; those of one step do it at the same moment. `late`: ms that pass before. */
interface Step {
  readonly late: number;
  readonly does: readonly { readonly run: number; readonly what: "take" | "release" | "die" }[];
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  late: fc.constantFrom(0, 0, 1_000, 61_000, 700_000),
  does: fc.array(
    fc.record({ run: fc.nat(3), what: fc.constantFrom("take", "take", "release", "die" as const) }),
    { minLength: 1, maxLength: 6 },
  ),
});

Deno.test("takeLock() lets at most one of the runs that come and go change anything (P21)", async () => {
  const property = fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 8 }), async (steps) => {
    const folder = await Deno.makeTempDir({ prefix: "tandem-locks-" });
    try {
      await live(folder, steps);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
  await fc.assert(property, { numRuns: runs(100, 10_000, 1_000), ...seeded(21) });
});

async function live(folder: string, steps: readonly Step[]): Promise<void> {
  const clock = { ms: 1_800_000_000_000 };
  const holders = new Map<number, Lock>();
  /** Processes die and are started anew, each under a number of its own. */
  const pids = [100, 101, 102, 103];
  const alive = new Set(pids);
  const { signal } = new AbortController();
  const take = (pid: number) =>
    takeLock({
      folder,
      pair: "pair",
      wait: 0,
      force: false,
      signal,
      context: {
        host: "web1",
        boot: "boot",
        pid,
        now: () => clock.ms,
        // Nobody renews: who is silent for ten minutes may be taken over, and must notice.
        every: () => () => {},
        sleep: () => Promise.resolve(),
        isAlive: (other) => alive.has(other),
      },
    });
  const act = async ({ run, what }: Step["does"][number]) => {
    const pid = pids[run];
    const lock = pid === undefined ? undefined : holders.get(pid);
    if (pid === undefined || !alive.has(pid)) return;
    if (what === "take" && lock === undefined) {
      const taken = await take(pid).catch((error) => {
        assert.ok(error instanceof SyncError && error.kind === "busy", String(error));
      });
      if (taken !== undefined) holders.set(pid, taken);
    } else if (what === "release") {
      holders.delete(pid);
      await lock?.[Symbol.asyncDispose]();
    } else if (what === "die") {
      alive.delete(pid);
      holders.delete(pid);
      const next = Math.max(...pids) + 1;
      pids[run] = next;
      alive.add(next);
    }
  };
  for (const { late, does } of steps) {
    clock.ms += late;
    // One thing at a time each: a run does not take its lock twice.
    const first = does.filter(({ run }, at) => does.findIndex((one) => one.run === run) === at);
    await Promise.all(first.map(act));
    const may = await Promise.all([...holders].map(async ([pid, lock]) => await lock.isLockOwner() ? [pid] : []));
    assert.ok(may.flat().length <= 1, `${may.flat().join(" and ")} may both change something`);
  }
  for (const lock of holders.values()) await lock[Symbol.asyncDispose]();
}
