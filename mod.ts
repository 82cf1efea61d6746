/**
 * Tandem keeps a local folder and a remote directory the same.
 *
 * @example
 * ```ts
 * import { newSession, pipe, syncPath } from "./mod.ts";
 *
 * const work = await Deno.makeTempDir();
 * await Deno.mkdir(`${work}/site`);
 * await Deno.writeTextFile(`${work}/site/index.html`, "<h1>Hello</h1>");
 *
 * const result = await pipe(
 *   newSession(`file://${work}/www`),
 *   syncPath({ localPath: `${work}/site`, mode: "Remote" }),
 * );
 * if (result.UploadCount !== 1) throw new Error("nothing was copied");
 * await Deno.remove(work, { recursive: true });
 * ```
 * @module
 */
import { hostname } from "node:os";
import { comparePathCommand } from "./cmd/compare_path.ts";
import { newSessionCommand } from "./cmd/new_session.ts";
import { syncPathCommand } from "./cmd/sync_path.ts";
import type { SyncError } from "./lib/core/errors.ts";
import type { DifferenceRecord, PlanRecord } from "./lib/report/records.ts";
import type { SyncResult } from "./lib/report/result.ts";
import { Redactor } from "./lib/core/redactor.ts";
import type { Session } from "./lib/session/session.ts";
import type { CommandContext, CommonValues, Options } from "./lib/shell/command/command.ts";
import {
  type CommonOptions,
  createListStep,
  createOpening,
  createStep,
  type Opening,
  pipe as pipeSteps,
  type Step,
} from "./lib/shell/run/pipe.ts";

export { type ErrorKind, SyncError } from "./lib/core/errors.ts";
export type { DifferenceRecord, PlanRecord } from "./lib/report/records.ts";
export type { SyncResult } from "./lib/report/result.ts";
export type { Session } from "./lib/session/session.ts";
export type { Opening, Step } from "./lib/shell/run/pipe.ts";

/** Options of newSession: New-Session's parameters in camelCase. */
export type SessionOptions = Omit<Options<typeof newSessionCommand.params>, "address"> & CommonOptions;

/** Options of syncPath: Sync-Path's parameters in camelCase. */
export type SyncOptions = Options<typeof syncPathCommand.params> & CommonOptions;

/** Options of comparePath: Compare-Path's parameters in camelCase. */
export type CompareOptions = Options<typeof comparePathCommand.params> & CommonOptions;

/** Runs steps in order, each with what the one before gave; closes all they opened, whatever happens. Wrong options of any step fail before the first runs. */
export const pipe: typeof pipeSteps = pipeSteps;

/**
 * A session that is not opened yet: a step for pipe(), or awaited by itself (`await using session = await newSession(…)`). Nothing
 * connects before. Rejects with a SyncError of kind badInput, connection, timeout, auth or hostKey.
 */
export function newSession(address?: string, options: SessionOptions = {}): Opening<Session> {
  const step = createStep(newSessionCommand, createCommandContext)({
    ...options,
    ...(address === undefined ? {} : { address: [address] }),
  });
  return createOpening(async (stack) => await step(undefined, stack) as Session, () => step.check?.());
}

/** Makes a local folder and a remote directory the same; see Get-Help Sync-Path. Rejects when the run could not be carried out; files that failed are in the result. */
export function syncPath(options: SyncOptions): Step<unknown, SyncResult> {
  return createStep(syncPathCommand, createCommandContext)({ ...options, passThru: false }) as Step<
    unknown,
    SyncResult
  >;
}

/** What syncPath would do, as the plan's line and one line per difference; nothing is changed. */
export function comparePath(options: CompareOptions): Step<unknown, readonly (PlanRecord | DifferenceRecord)[]> {
  return createListStep(comparePathCommand, createCommandContext)(options);
}

/** Closes a session before the end of its pipe or block. Closing it twice does nothing. */
export async function closeSession(session: Session): Promise<void> {
  await session[Symbol.asyncDispose]();
}

const never = new AbortController().signal;

/** A program's world: nobody is asked, warnings go to the console, errors are thrown. */
function createCommandContext(common: CommonValues, stack: AsyncDisposableStack): CommandContext {
  return {
    signal: never,
    abandon: never,
    stack,
    common,
    emit: () => {},
    // deno-lint-ignore no-console
    warn: (message) => console.warn(`Tandem: ${message}`),
    show: () => {},
    addResult: () => {},
    addError(error: SyncError) {
      throw error;
    },
    redactor: new Redactor(),
    interactive: false,
    columns: undefined,
    machineName: hostname(),
    choose: () => Promise.resolve(undefined),
    prompt: () => Promise.resolve(undefined),
    now: Date.now,
    env: (name) => Deno.env.get(name),
  };
}

if (import.meta.main) {
  const { main } = await import("./cmd/main.ts");
  Deno.exit(await main(Deno.args));
}
