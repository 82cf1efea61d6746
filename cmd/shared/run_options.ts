import { createHmac, randomBytes } from "node:crypto";
import { badInput } from "../../lib/core/errors.ts";
import { printable } from "../../lib/core/path.ts";
import { nameAction, placeOf } from "../../lib/report/records.ts";
import { describePlan } from "../../lib/report/summary.ts";
import type { Host } from "../../lib/shell/command/command.ts";
import type { Share } from "../../lib/shell/command/param_types.ts";
import { openState } from "../../lib/session/state_folder.ts";
import { describeDanger } from "../../lib/sync/guards/guards.ts";
import { chooseCriteria } from "../../lib/sync/common/criteria.ts";
import type { ConflictPolicy, GuardKey } from "../../lib/sync/common/options.ts";
import type { Plan } from "../../lib/core/entry.ts";
import type { Memory, MemoryOptions, MemoryWords } from "./pair_state.ts";
import type { Job, Pair, PairWords } from "./folder_pair.ts";
import type { RunOptions } from "../../lib/sync/run_options.ts";

/** The bound parameters of a run, in addition to those that name its pair. */
export interface RunWords extends PairWords, MemoryWords {
  readonly SkipNew: boolean;
  readonly SkipModified: boolean;
  readonly SkipMoves: boolean;
  readonly Conflict: ConflictPolicy;
  readonly MaxRemove: Share | undefined;
  readonly MaxListing: number;
  readonly AllowEmptySource: boolean;
  readonly AllowRoot: boolean;
  readonly AllowMissingRoot: boolean;
  readonly AllowAllChanged: boolean;
  readonly RemoveDespiteFailures: boolean;
  readonly RequireMarker: string | undefined;
  readonly NoReadBack: boolean;
  readonly Force: boolean;
}

/**
 * Returns the options of the run from its parameters and the host. Rejects with badInput for -Confirm if the program is
 * not interactive.
 */
export async function toRunOptions<W extends RunWords>(
  job: Job<W>,
  pair: Pair,
  { host, memory }: { readonly host: Host; readonly memory: Memory },
): Promise<RunOptions> {
  const { words, mode } = job;
  if (host.common.confirm && !host.interactive && !words.Force) {
    throw badInput("-Confirm needs a terminal to ask at: leave it out, or look at the plan with -WhatIf.");
  }
  const target = pair.sides[mode.mode === "Local" ? "local" : "remote"];
  if (words.InPlace && target.traits.inPlace !== true) {
    throw badInput(`-InPlace works on disks and over SFTP, not on ${target.label}: leave it out.`);
  }
  const asks = host.interactive && !words.Force;
  return {
    ...mode,
    criteria: chooseCriteria(words.Criteria),
    remove: words.Remove,
    skipNew: words.SkipNew,
    skipModified: words.SkipModified,
    conflict: words.Conflict,
    moves: !words.SkipMoves,
    // A followed symlink is reported as its target; on the other side symlinks are left alone.
    links: words.Links === "Keep" ? "Keep" : "Skip",
    removeDespiteFailures: words.RemoveDespiteFailures,
    allow: allowed(words),
    ...(words.MaxRemove === undefined ? {} : { maxRemove: words.MaxRemove }),
    maxListing: words.MaxListing,
    ...(words.RequireMarker === undefined ? {} : { marker: words.RequireMarker }),
    ...(memory.remembered === undefined ? {} : { remembered: memory.remembered }),
    stillHeld: async () => (await Promise.all(memory.locks.map((lock) => lock.stillHeld()))).every(Boolean),
    ...(memory.trash === undefined ? {} : { trash: memory.trash, trashDays: words.TrashDays }),
    defaulted: pair.defaulted,
    noReadBack: words.NoReadBack,
    inPlace: words.InPlace,
    stopOnError: host.common.stopOnError,
    planOnly: host.common.whatIf,
    owner: await ownerOf(host),
    host: host.machine,
    signal: host.signal,
    abandon: host.abandon,
    now: () => host.now(),
    ...(asks
      ? {
        ask: async (dangers) =>
          await host.ask(`${dangers.map(describeDanger).join("\n")}\nGo on?`, ["No", "Yes"]) === "Yes",
      }
      : {}),
    ...(host.common.confirm && asks ? { approve: (plan) => approve(plan, pair, host) } : {}),
  };
}

/** Returns the options for the pair's state from its parameters and the host. */
export function toMemoryOptions<W extends RunWords>(job: Job<W>, pair: Pair, host: Host): MemoryOptions {
  return { words: job.words, mode: job.mode.mode, session: pair.session.label, host };
}

/**
 * Returns a secret of this user on this host, for the names of temporary files and the proof of their content. Without
 * a state folder it belongs to this process only: the remains of a killed run are then neither continued nor removed by
 * the next.
 */
async function ownerOf(host: Host): Promise<string> {
  try {
    const state = await openState({ env: host.env, readOnly: host.common.whatIf });
    return createHmac("sha256", await state.sealingKey()).update("temporary names").digest("hex");
  } catch {
    return processSecret;
  }
}

const processSecret = randomBytes(32).toString("hex");

async function approve(plan: Plan, pair: Pair, host: Host): Promise<boolean> {
  if (plan.actions.length === 0) return true;
  for (;;) {
    const answer = await host.ask(`${describePlan(plan)}. Go on?`, ["Yes", "No", "All", "Show"]);
    if (answer !== "Show") return answer === "Yes" || answer === "All";
    const lines = plan.actions.map((action) => `${nameAction(action)} ${placeOf(pair.run, action.to, action.path)}`);
    host.show(lines.map(printable).join("\n"));
  }
}

function allowed(words: RunWords): readonly GuardKey[] {
  const keys: GuardKey[] = [];
  if (words.AllowEmptySource) keys.push("-AllowEmptySource");
  if (words.AllowRoot) keys.push("-AllowRoot");
  if (words.AllowMissingRoot) keys.push("-AllowMissingRoot");
  if (words.AllowAllChanged) keys.push("-AllowAllChanged");
  return keys;
}
