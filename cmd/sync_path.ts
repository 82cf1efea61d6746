import { SyncError, toSyncError } from "../lib/core/errors.ts";
import { startResult, type SyncResult } from "../lib/report/result.ts";
import { describeFirstRun } from "../lib/report/summary.ts";
import type { Session } from "../lib/session/session.ts";
import { type Bound, defineCommand, type Host, type Params } from "../lib/shell/command/command.ts";
import { toggle } from "../lib/shell/command/param_types.ts";
import { run } from "../lib/sync/run.ts";
import type { SyncEvent } from "../lib/core/entry.ts";
import { openMemory } from "./shared/pair_state.ts";
import { type Job, needsSession, openPair, type Pair, prepare } from "./shared/folder_pair.ts";
import { type GivenSession, sessionOrResult } from "./shared/session_param.ts";
import { toMemoryOptions, toRunOptions } from "./shared/run_options.ts";
import { checkSync, syncParams } from "./shared/sync_params.ts";

const params = {
  ...syncParams,
  Session: { ...syncParams.Session, type: sessionOrResult },
  FailOnConflict: { type: toggle, fallback: false, help: "Exit 1 though a conflict was settled." },
  FailIfNothing: { type: toggle, fallback: false, help: "Exit 6 when nothing had to be done." },
  KeepOpen: { type: toggle, fallback: false, help: "A session from a variable that is piped in stays open." },
  PassThru: { type: toggle, fallback: false, help: "Send the session on after the result." },
} as const satisfies Params;

type Given = Bound<typeof params>;
type Words = Omit<Given, "Session"> & { readonly Session: GivenSession | undefined };

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
  async *run(each, host): AsyncIterable<object> {
    const passed: object[] = [];
    const jobs = await prepare(withoutResults(each, passed), host);
    yield* passed;
    for (const job of jobs) {
      const { result, session, error } = await syncOne(job, host);
      if (result !== undefined) {
        host.finished(result);
        yield result;
      }
      if (error !== undefined && jobs.length === 1) throw error;
      if (error !== undefined) host.fail(error);
      if (session !== undefined && job.words.PassThru) yield session;
    }
  },
});

/** Yields the parameters of each run. Results of earlier runs in the pipe go to `passed`, to be passed on. */
async function* withoutResults(each: AsyncIterable<Given>, passed: object[]): AsyncIterable<Words> {
  for await (const words of each) {
    const { Session } = words;
    if (Session !== undefined && "passing" in Session) passed.push(Session.passing);
    else yield { ...words, Session };
  }
}

interface Outcome {
  readonly result?: SyncResult;
  readonly session?: Session;
  readonly error?: SyncError;
}

/**
 * Runs one pair from start to end. Every failure except wrong usage yields a result, also if the server could not be
 * reached.
 */
async function syncOne(job: Job<Words>, host: Host): Promise<Outcome> {
  const started = host.now();
  let pair: Pair | undefined;
  try {
    pair = await openPair(job, host);
  } catch (thrown) {
    const error = host.redactor.error(toSyncError(thrown, "open the session"));
    if (error.kind === "badInput") return { error };
    return { error, result: startResult(job.run, { started }).end({ now: host.now(), error }) };
  }
  try {
    return { session: pair.session, ...await carryOut(job, { pair, started, host }) };
  } finally {
    if (pair.own && !job.words.PassThru) await pair.session[Symbol.asyncDispose]();
    else if (pair.own) host.stack.use(pair.session);
  }
}

async function carryOut(
  job: Job<Words>,
  { pair, started, host }: { readonly pair: Pair; readonly started: number; readonly host: Host },
): Promise<Outcome> {
  const { FailOnConflict: failOnConflict, FailIfNothing: failIfNothing } = job.words;
  const fold = startResult(pair.run, { started, failOnConflict, failIfNothing });
  const { sides } = pair;
  try {
    await using memory = await openMemory(sides, toMemoryOptions(job, pair, host));
    const events = run(sides, await toRunOptions(job, pair, { host, memory }));
    let next = await events.next();
    for (; !next.done; next = await events.next()) {
      if (pair.run.mode === "Both" && memory.remembered?.known !== true) tellFirst(next.value, host);
      const event = host.redactor.event(next.value);
      fold.add(event);
      host.emit(event, pair.run);
    }
    const end = next.value;
    const error = end.outcome !== "applied"
      ? undefined
      : end.applied.cancelled
      ? new SyncError("cancelled", "Interrupted: what was done is done, the rest was not begun.", { operation: "sync" })
      : end.applied.lost && host.redactor.error(end.applied.lost);
    return { result: fold.end({ now: host.now(), error }), ...(error === undefined ? {} : { error }) };
  } catch (thrown) {
    const error = host.redactor.error(toSyncError(thrown, "sync"));
    if (error.kind === "badInput") return { error };
    return { error, result: fold.end({ now: host.now(), error }) };
  }
}

/** Describes, at a terminal, the files that a first two-way run is about to copy. */
function tellFirst(event: SyncEvent, host: Host): void {
  if (event.type !== "planned" || !host.interactive || host.common.quiet) return;
  const told = describeFirstRun(event.plan);
  if (told !== undefined) host.show(told);
}
