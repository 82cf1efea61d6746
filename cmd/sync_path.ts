import { SyncError, toSyncError } from "../lib/core/errors.ts";
import { type SyncResult } from "../lib/report/result.ts";
import { describeFirstRun } from "../lib/report/summary.ts";
import type { Session } from "../lib/session/session.ts";
import { type Bound, type CommandContext, defineCommand, type Params } from "../lib/shell/command/command.ts";
import { toggle } from "../lib/shell/command/param_types.ts";
import { run } from "../lib/sync/run.ts";
import { openPairState } from "./shared/pair_state.ts";
import { needsSession, type OpenPair, openPair, type PairJob, prepareJobs } from "./shared/folder_pair.ts";
import { sessionOrResult, type SessionSource } from "./shared/session_param.ts";
import { toPairStateOptions, toRunOptions } from "./shared/run_options.ts";
import { checkSync, syncParams } from "./shared/sync_params.ts";
import type { SyncEvent } from "../lib/core/plan.ts";
import { startResult } from "../lib/report/result_builder.ts";

const params = {
  ...syncParams,
  Session: { ...syncParams.Session, type: sessionOrResult },
  FailOnConflict: { type: toggle, fallback: false, help: "Exit 1 even if a policy resolved all conflicts." },
  FailIfNothing: { type: toggle, fallback: false, help: "Exit 6 if nothing had to be done." },
  KeepOpen: { type: toggle, fallback: false, help: "A session from a variable that is piped in stays open." },
  PassThru: { type: toggle, fallback: false, help: "Send the session on after the result." },
} as const satisfies Params;

type BoundSyncPath = Bound<typeof params>;
type BoundSyncPathRun = Omit<BoundSyncPath, "Session"> & { readonly Session: SessionSource | undefined };

export const syncPathCommand = defineCommand({
  name: "Sync-Path",
  summary: "Makes a local folder and a remote directory the same.",
  aliases: ["Sync-Directory", "Sync-WinSCPPath", "Sync-WinSCPDirectory"].map((name) => ({
    name,
    ...(name === "Sync-Directory" ? {} : { defaults: { Mode: "Local", Criteria: ["Time"], RemotePath: "/" } }),
  })),
  notes: [
    "Without -Mirror a newer file of the side that changes is kept. -Remove removes what the source lacks, last, and only if nothing failed.",
  ],
  examples: [
    "Sync-Path ./site sftp://deploy@web1/var/www -Mode Remote",
    "New-Session sftp://deploy@web1 | Sync-Path ./site /var/www -Mode Remote -Mirror -Remove",
    "Sync-Path ./photos file:///mnt/backup/photos -Mode Both",
  ],
  params,
  wantsInput: needsSession,
  check: checkSync,
  async *run(inputs, context): AsyncIterable<object> {
    const earlier: object[] = [];
    const jobs = await prepareJobs(separateResults(inputs, earlier), context);
    yield* earlier;
    for (const job of jobs) {
      const { result, session, error } = await syncPair(job, context);
      if (result !== undefined) {
        context.addResult(result);
        yield result;
      }
      if (error !== undefined && jobs.length === 1) throw error;
      if (error !== undefined) context.addError(error);
      if (session !== undefined && job.bound.PassThru) yield session;
    }
  },
});

/** Yields the parameters of each run. Results of earlier runs in the pipe go to `earlier`, to be passed on. */
async function* separateResults(
  inputs: AsyncIterable<BoundSyncPath>,
  earlier: object[],
): AsyncIterable<BoundSyncPathRun> {
  for await (const bound of inputs) {
    const { Session } = bound;
    if (Session !== undefined && "passing" in Session) earlier.push(Session.passing);
    else yield { ...bound, Session };
  }
}

interface PairOutcome {
  readonly result?: SyncResult;
  readonly session?: Session;
  readonly error?: SyncError;
}

/**
 * Runs one pair from start to end. Every failure except wrong usage yields a result, also if the server could not be
 * reached.
 */
async function syncPair(job: PairJob<BoundSyncPathRun>, context: CommandContext): Promise<PairOutcome> {
  const started = context.now();
  let pair: OpenPair | undefined;
  try {
    pair = await openPair(job, context);
  } catch (thrown) {
    const error = context.redactor.redactError(toSyncError(thrown, "open the session"));
    if (error.kind === "badInput") return { error };
    return { error, result: startResult(job.run, { started }).end({ now: context.now(), error }) };
  }
  try {
    return { session: pair.session, ...await runPair(job, { pair, started, context }) };
  } finally {
    if (pair.ownsSession && !job.bound.PassThru) await pair.session[Symbol.asyncDispose]();
    else if (pair.ownsSession) context.stack.use(pair.session);
  }
}

async function runPair(
  job: PairJob<BoundSyncPathRun>,
  { pair, started, context }: { readonly pair: OpenPair; readonly started: number; readonly context: CommandContext },
): Promise<PairOutcome> {
  const { FailOnConflict: failOnConflict, FailIfNothing: failIfNothing } = job.bound;
  const result = startResult(pair.run, { started, failOnConflict, failIfNothing });
  const { sides } = pair;
  try {
    await using state = await openPairState(sides, toPairStateOptions(job, pair, context));
    const events = run(sides, await toRunOptions(job, pair, { context, state }));
    let next = await events.next();
    for (; !next.done; next = await events.next()) {
      if (pair.run.mode === "Both" && state.history?.exists !== true) showFirstRun(next.value, context);
      const event = context.redactor.redactEvent(next.value);
      result.add(event);
      // No path fails with it, so that the list of failures on standard error does not show it.
      if (event.type === "noted" && event.note.error !== undefined) context.warn(event.note.why);
      context.emit(event, pair.run);
    }
    const end = next.value;
    const error = end.outcome !== "applied"
      ? undefined
      : end.applied.cancelled
      ? new SyncError("cancelled", "Interrupted: what was done is done, the rest was not begun.", { operation: "sync" })
      : end.applied.lost && context.redactor.redactError(end.applied.lost);
    return { result: result.end({ now: context.now(), error }), ...(error === undefined ? {} : { error }) };
  } catch (thrown) {
    const error = context.redactor.redactError(toSyncError(thrown, "sync"));
    if (error.kind === "badInput") return { error };
    return { error, result: result.end({ now: context.now(), error }) };
  }
}

/** Describes, at a terminal, the files that a first two-way run is about to copy. */
function showFirstRun(event: SyncEvent, context: CommandContext): void {
  if (event.type !== "planned" || !context.interactive || context.common.quiet) return;
  const summary = describeFirstRun(event.plan);
  if (summary !== undefined) context.show(summary);
}
