import { type DifferenceRecord, type PlanRecord, toDifference, toPlanLine } from "../lib/report/records.ts";
import { defineCommand, type Host } from "../lib/shell/command/command.ts";
import { run } from "../lib/sync/run.ts";
import type { Plan } from "../lib/core/entry.ts";
import { openMemory } from "./shared/pair_state.ts";
import { type Job, needsSession, openPair, prepare } from "./shared/folder_pair.ts";
import { type RunWords, toMemoryOptions, toRunOptions } from "./shared/run_options.ts";
import { checkSync, syncParams } from "./shared/sync_params.ts";

export const comparePathCommand = defineCommand({
  name: "Compare-Path",
  summary: "Shows what Sync-Path would do; nothing is changed.",
  examples: ["Compare-Path ./site sftp://deploy@web1/var/www -Mode Remote"],
  params: syncParams,
  wantsInput: needsSession,
  check: checkSync,
  async *run(each, host): AsyncIterable<PlanRecord | DifferenceRecord> {
    const looking: Host = { ...host, common: { ...host.common, whatIf: true, confirm: false } };
    for (const job of await prepare(each, looking)) yield* compareOne(job, looking);
  },
});

async function* compareOne<W extends RunWords>(job: Job<W>, host: Host): AsyncIterable<PlanRecord | DifferenceRecord> {
  const pair = await openPair(job, host);
  try {
    let plan: Plan | undefined;
    const { sides } = pair;
    await using memory = await openMemory(sides, toMemoryOptions(job, pair, host));
    for await (const event of run(sides, await toRunOptions(job, pair, { host, memory }))) {
      if (event.type === "planned") plan = event.plan;
    }
    if (plan === undefined) return;
    yield toPlanLine(pair.run, { Actions: plan.actions.length, Conflicts: plan.conflicts.length });
    for (const action of plan.actions) yield toDifference(action, pair.run);
    for (const conflict of plan.conflicts) if (conflict.winner === undefined) yield toDifference(conflict, pair.run);
  } finally {
    if (pair.own) await pair.session[Symbol.asyncDispose]();
  }
}
