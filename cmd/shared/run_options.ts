import { createHmac, randomBytes } from "node:crypto";
import { badInput } from "../../lib/core/errors.ts";
import { escapeForDisplay } from "../../lib/core/path.ts";
import { actionName, fileNameOf } from "../../lib/report/records.ts";
import { describePlan } from "../../lib/report/summary.ts";
import type { CommandContext } from "../../lib/shell/command/command.ts";
import type { CountOrPercent } from "../../lib/shell/command/param_types.ts";
import { openStateFolder } from "../../lib/session/state_folder.ts";
import { describeSafetyIssue } from "../../lib/sync/guards/guards.ts";
import { chooseCriteria } from "../../lib/sync/common/criteria.ts";
import type { ConflictPolicy, GuardKey } from "../../lib/sync/common/options.ts";
import type { BoundState, PairState, PairStateOptions } from "./pair_state.ts";
import type { BoundPair, OpenPair, PairJob } from "./folder_pair.ts";
import type { RunOptions } from "../../lib/sync/run_options.ts";
import type { Plan } from "../../lib/core/plan.ts";

/** The bound parameters of a run, in addition to those that name its pair. */
export interface BoundRun extends BoundPair, BoundState {
  readonly SkipNew: boolean;
  readonly SkipModified: boolean;
  readonly SkipMoves: boolean;
  readonly Conflict: ConflictPolicy | "Older";
  readonly MaxRemove: CountOrPercent | undefined;
  readonly MaxListing: number;
  readonly AllowEmptySource: boolean;
  readonly AllowRoot: boolean;
  readonly AllowMissingRoot: boolean;
  readonly AllowAllChanged: boolean;
  readonly RemoveDespiteFailures: boolean;
  readonly RequireMarker: readonly string[] | undefined;
  readonly IncludeLeftovers: boolean;
  readonly NoReadBack: boolean;
  readonly Force: boolean;
}

/**
 * Returns the options of the run from its parameters and the host. Rejects with badInput for -Confirm if the program is
 * not interactive.
 */
export async function toRunOptions<W extends BoundRun>(
  job: PairJob<W>,
  pair: OpenPair,
  { context, state }: { readonly context: CommandContext; readonly state: PairState },
): Promise<RunOptions> {
  const { bound, mode } = job;
  if (context.common.confirm && !context.interactive && !bound.Force) {
    throw badInput("-Confirm needs a terminal to ask at: leave it out, or read the plan with -WhatIf.");
  }
  const target = pair.sides[mode.mode === "Local" ? "local" : "remote"];
  if (bound.InPlace && target.traits.inPlace !== true) {
    throw badInput(`-InPlace works on disks, over SFTP and over FTP, not on ${target.label}: leave it out.`);
  }
  const asks = context.interactive && !bound.Force;
  return {
    ...mode,
    criteria: chooseCriteria(bound.Criteria),
    remove: bound.Remove,
    skipNew: bound.SkipNew,
    skipModified: bound.SkipModified,
    conflict: bound.Conflict === "Older" ? "Oldest" : bound.Conflict,
    moves: !bound.SkipMoves,
    // A followed symlink is reported as its target; on the other side symlinks are left alone.
    links: bound.Links === "Keep" ? "Keep" : "Skip",
    includeForeign: bound.IncludeLeftovers,
    removeDespiteFailures: bound.RemoveDespiteFailures,
    allow: allowedGuards(bound),
    ...(bound.MaxRemove === undefined ? {} : { maxRemove: bound.MaxRemove }),
    maxListing: bound.MaxListing,
    ...(bound.RequireMarker === undefined ? {} : { markers: bound.RequireMarker }),
    ...(state.history === undefined ? {} : { pairHistory: state.history }),
    isLockOwner: async () => (await Promise.all(state.locks.map((lock) => lock.isLockOwner()))).every(Boolean),
    ...(state.trash === undefined ? {} : { trash: state.trash, trashDays: bound.TrashDays }),
    defaulted: pair.defaulted,
    noReadBack: bound.NoReadBack,
    inPlace: bound.InPlace,
    stopOnError: context.common.stopOnError,
    planOnly: context.common.whatIf,
    owner: await ownerSecret(context),
    host: context.machineName,
    signal: context.signal,
    abandon: context.abandon,
    now: () => context.now(),
    ...(asks
      ? {
        allowIssues: async (dangers) =>
          await context.choose(`${dangers.map(describeSafetyIssue).join("\n")}\nGo on?`, ["No", "Yes"]) === "Yes",
      }
      : {}),
    ...(context.common.confirm && asks ? { approve: (plan) => approvePlan(plan, pair, context) } : {}),
  };
}

/** Returns the options for the pair's state from its parameters and the host. */
export function toPairStateOptions<W extends BoundRun>(
  job: PairJob<W>,
  pair: OpenPair,
  context: CommandContext,
): PairStateOptions {
  return { bound: job.bound, mode: job.mode.mode, session: pair.session.label, context };
}

/**
 * Returns a secret of this user on this host, for the names of temporary files and the proof of their content. Without
 * a state folder it belongs to this process only: the remains of a killed run are then neither continued nor removed by
 * the next.
 */
async function ownerSecret(context: CommandContext): Promise<string> {
  try {
    const state = await openStateFolder({ env: context.env, readOnly: context.common.whatIf });
    return createHmac("sha256", await state.sealingKey()).update("temporary names").digest("hex");
  } catch {
    return processSecret;
  }
}

const processSecret = randomBytes(32).toString("hex");

async function approvePlan(plan: Plan, pair: OpenPair, context: CommandContext): Promise<boolean> {
  if (plan.actions.length === 0) return true;
  for (;;) {
    const answer = await context.choose(`${describePlan(plan)}. Go on?`, ["Yes", "No", "All", "Show"]);
    if (answer !== "Show") return answer === "Yes" || answer === "All";
    const lines = plan.actions.map((action) => `${actionName(action)} ${fileNameOf(pair.run, action.to, action.path)}`);
    context.show(lines.map(escapeForDisplay).join("\n"));
  }
}

function allowedGuards(bound: BoundRun): readonly GuardKey[] {
  const keys: GuardKey[] = [];
  if (bound.AllowEmptySource) keys.push("-AllowEmptySource");
  if (bound.AllowRoot) keys.push("-AllowRoot");
  if (bound.AllowMissingRoot) keys.push("-AllowMissingRoot");
  if (bound.AllowAllChanged) keys.push("-AllowAllChanged");
  return keys;
}
