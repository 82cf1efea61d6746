import { type DifferenceRecord, type PlanRecord, toDifference, toPlanLine } from "../lib/report/records.ts";
import { type CommandContext, defineCommand } from "../lib/shell/command/command.ts";
import { run } from "../lib/sync/run.ts";
import { openPairState } from "./shared/pair_state.ts";
import { needsSession, openPair, type PairJob, prepareJobs } from "./shared/folder_pair.ts";
import { type BoundRun, toPairStateOptions, toRunOptions } from "./shared/run_options.ts";
import { checkSync, syncParams } from "./shared/sync_params.ts";
import type { Plan } from "../lib/core/plan.ts";

export const comparePathCommand = defineCommand({
  name: "Compare-Path",
  summary: "Shows what Sync-Path would do; nothing is changed.",
  examples: ["Compare-Path ./site sftp://deploy@web1/var/www -Mode Remote"],
  params: syncParams,
  wantsInput: needsSession,
  check: checkSync,
  async *run(inputs, context): AsyncIterable<PlanRecord | DifferenceRecord> {
    const preview: CommandContext = { ...context, common: { ...context.common, whatIf: true, confirm: false } };
    for (const job of await prepareJobs(inputs, preview)) yield* comparePair(job, preview);
  },
});

async function* comparePair<W extends BoundRun>(
  job: PairJob<W>,
  context: CommandContext,
): AsyncIterable<PlanRecord | DifferenceRecord> {
  const pair = await openPair(job, context);
  try {
    let plan: Plan | undefined;
    const { sides } = pair;
    await using state = await openPairState(sides, toPairStateOptions(job, pair, context));
    for await (const event of run(sides, await toRunOptions(job, pair, { context, state }))) {
      if (event.type === "planned") plan = event.plan;
      context.observe(context.redactor.redactEvent(event), pair.run);
    }
    if (plan === undefined) return;
    yield toPlanLine(pair.run, { Actions: plan.actions.length, Conflicts: plan.conflicts.length });
    for (const action of plan.actions) yield toDifference(action, pair.run);
    for (const conflict of plan.conflicts) if (conflict.winner === undefined) yield toDifference(conflict, pair.run);
  } finally {
    if (pair.ownsSession) await pair.session[Symbol.asyncDispose]();
  }
}
