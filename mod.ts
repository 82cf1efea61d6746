/**
 * Tandem keeps a local folder and a remote directory the same.
 *
 * A program builds steps and runs them with pipe(), which closes everything that the steps opened. Every function
 * checks its options before anything is opened, and rejects with a SyncError.
 *
 * @example Upload a folder
 * ```ts
 * import { newSession, pipe, syncPath } from "./mod.ts";
 *
 * const result = await pipe(
 *   newSession("sftp://deploy@web1/var/www"),
 *   syncPath({ localPath: "./site", mode: "Remote" }),
 * );
 * console.log(`${result.UploadCount} files were uploaded`);
 * ```
 * @module
 */
import { hostname } from "node:os";
import { clearTrashCommand } from "./cmd/clear_trash.ts";
import { comparePathCommand } from "./cmd/compare_path.ts";
import { getTrashItemCommand } from "./cmd/get_trash_item.ts";
import { newSessionCommand } from "./cmd/new_session.ts";
import { restoreTrashItemCommand } from "./cmd/restore_trash_item.ts";
import type {
  ClearOptions,
  CompareOptions,
  RestoreOptions,
  SessionOptions,
  SyncOptions,
  TrashOptions,
} from "./cmd/shared/command_options.ts";
import { programStep } from "./cmd/shared/program_context.ts";
import type { Session } from "./cmd/shared/program_options.ts";
import type { TrashRecord } from "./cmd/shared/trash_location.ts";
import { syncPathCommand } from "./cmd/sync_path.ts";
import type { DifferenceRecord, PlanRecord } from "./lib/report/records.ts";
import type { SyncResult } from "./lib/report/result.ts";
import { createListStep, createOpening, createStep, type Opening, type Step } from "./lib/shell/run/pipe.ts";

export type {
  ClearOptions,
  CompareOptions,
  RestoreOptions,
  SessionOptions,
  SyncOptions,
  TrashOptions,
} from "./cmd/shared/command_options.ts";
export type { ConnectionOptions } from "./cmd/shared/connection_options.ts";
export type { LoginName, ProgramOptions, PromptRequest, SecretText, Session } from "./cmd/shared/program_options.ts";
export type { TrashRecord } from "./cmd/shared/trash_location.ts";
export { type ErrorFacts, type ErrorKind, SyncError } from "./lib/core/errors.ts";
export type {
  ConflictRecord,
  FailureRecord,
  ItemRecord,
  MoveRecord,
  RemovalRecord,
  SideName,
  TouchRecord,
  TransferRecord,
} from "./lib/report/items.ts";
export type { ActionName, DifferenceRecord, FileRecord, PlanRecord } from "./lib/report/records.ts";
export type { RelPath } from "./lib/core/path.ts";
export type { NoteRecord, SyncResult } from "./lib/report/result.ts";
export type {
  DoneEvent,
  HeldEvent,
  ItemEvent,
  NoteEvent,
  PlannedEvent,
  ProgressEvent,
  RunEvent,
  ScannedEvent,
  StartedEvent,
} from "./lib/report/run_events.ts";
export { type Opening, pipe, type Step } from "./lib/shell/run/pipe.ts";

/**
 * Returns a session that is not opened yet: a step for pipe(), or awaited by itself, and then closed by the program.
 * Nothing connects before. Rejects with a SyncError of kind badInput, connection, timeout, auth, hostKey or cancelled.
 *
 * @example Open a session, use it twice and close it
 * ```ts
 * import { newSession, pipe, syncPath } from "./mod.ts";
 *
 * await using session = await newSession("sftp://deploy@web1/var/www", {
 *   timeout: "30s",
 *   prompt: ({ message }) => prompt(message) ?? undefined,
 * });
 * await pipe(syncPath({ session, localPath: "./site", mode: "Remote" }));
 * await pipe(syncPath({ session, localPath: "./copy", mode: "Local" }));
 * ```
 */
export function newSession(address?: string, options: SessionOptions = {}): Opening<Session> {
  const step = programStep(createStep, newSessionCommand, surroundings, {
    ...options,
    ...(address === undefined ? {} : { address: [address] }),
  });
  return createOpening(async (stack) => await step(undefined, stack), () => step.check?.());
}

/**
 * Makes a local folder and a remote directory the same; see Get-Help Sync-Path. Rejects when the run could not be
 * carried out or was cancelled; files that failed are in the result.
 *
 * @example Show progress
 * ```ts
 * import { pipe, syncPath } from "./mod.ts";
 *
 * let copied = 0;
 * const result = await pipe(syncPath({
 *   localPath: "./site",
 *   remotePath: "sftp://deploy@web1/var/www",
 *   mode: "Remote",
 *   onEvent(event) {
 *     if (event.type === "planned") console.log(`${event.bytes} bytes to copy`);
 *     if (event.type === "progress") copied += event.bytes;
 *     if (event.type === "item") console.log(event.item.Type, copied);
 *   },
 * }));
 * for (const { Path, Message } of result.Failures) console.error(Path, Message);
 * ```
 *
 * @example Cancel a run after a minute
 * ```ts
 * import { pipe, SyncError, syncPath } from "./mod.ts";
 *
 * try {
 *   await pipe(syncPath({
 *     localPath: "./site",
 *     remotePath: "sftp://deploy@web1/var/www",
 *     mode: "Both",
 *     signal: AbortSignal.timeout(60_000),
 *   }));
 * } catch (error) {
 *   if (!(error instanceof SyncError) || error.kind !== "cancelled") throw error;
 *   console.log("The next run goes on where this one was cancelled.");
 * }
 * ```
 */
export function syncPath(options: SyncOptions): Step<unknown, SyncResult> {
  return programStep(createStep, syncPathCommand, surroundings, { ...options, passThru: false }) as Step<
    unknown,
    SyncResult
  >;
}

/**
 * Returns what syncPath would do: one record for the plan and one for each difference. Nothing is changed.
 *
 * @example List what a run would change
 * ```ts
 * import { comparePath, pipe } from "./mod.ts";
 *
 * const records = await pipe(comparePath({
 *   localPath: "./site",
 *   remotePath: "sftp://deploy@web1/var/www",
 *   mode: "Remote",
 *   criteria: ["Size"],
 * }));
 * for (const record of records) {
 *   if (record.Type === "Difference") console.log(record.Action, record.Path, record.Reason);
 * }
 * ```
 */
export function comparePath(options: CompareOptions): Step<unknown, readonly (PlanRecord | DifferenceRecord)[]> {
  return programStep(createListStep, comparePathCommand, surroundings, { ...options });
}

/**
 * Returns the versions that lost a conflict or were removed, and were kept, the oldest first.
 *
 * @example Bring a file back
 * ```ts
 * import { getTrashItem, pipe, restoreTrashItem } from "./mod.ts";
 *
 * const items = await pipe(getTrashItem({ path: "index.html" }));
 * const last = items.at(-1);
 * if (last !== undefined) await pipe(restoreTrashItem({ id: last }));
 * ```
 */
export function getTrashItem(options: TrashOptions = {}): Step<unknown, readonly TrashRecord[]> {
  return programStep(createListStep, getTrashItemCommand, surroundings, { ...options });
}

/** Puts kept versions back in their place, on the side they came from, and returns them. */
export function restoreTrashItem(options: RestoreOptions): Step<unknown, readonly TrashRecord[]> {
  return programStep(createListStep, restoreTrashItemCommand, surroundings, { ...options });
}

/** Removes kept versions for good, those named or all, and returns them. Needs `force` if there is no `prompt`. */
export function clearTrash(options: ClearOptions): Step<unknown, readonly TrashRecord[]> {
  return programStep(createListStep, clearTrashCommand, surroundings, { ...options });
}

/** Closes a session before the end of its pipe or block. Closing it twice does nothing. */
export async function closeSession(session: Session): Promise<void> {
  await session[Symbol.asyncDispose]();
}

const surroundings = {
  machineName: hostname(),
  now: Date.now,
  env: (name: string) => Deno.env.get(name),
  // deno-lint-ignore no-console
  warn: (message: string) => console.warn(`Tandem: ${message}`),
};

if (import.meta.main) {
  const { main } = await import("./cmd/main.ts");
  Deno.exit(await main(Deno.args));
}
