import { exitCodes, type SyncError } from "../core/errors.ts";
import type { ConflictRecord, FailureRecord, ItemRecord, MoveRecord, RemovalRecord, TransferRecord } from "./items.ts";
import { makeItemizer, toFailure } from "./itemize.ts";
import { toIso } from "./records.ts";
import type { Action, Note, Run, SyncEvent } from "../core/plan.ts";
import { type NoteRecord, type SyncResult, toNoteRecord } from "./result.ts";

/**
 * `started` in ms since the epoch; `failIfNothing`: exit 6 if nothing had to be done; `failOnConflict`: exit 1 even if
 * a policy resolved all conflicts.
 */
export interface ResultOptions {
  readonly started: number;
  readonly failIfNothing?: boolean;
  readonly failOnConflict?: boolean;
}

/** Starts the result of one run: pass it every event in order, then end it. */
export function startResult(run: Run, options: ResultOptions): ResultBuilder {
  return new ResultBuilder(run, options);
}

/** Accumulates the events of one run into its result. */
export class ResultBuilder {
  readonly #run: Run;
  readonly #options: ResultOptions;
  readonly #uploads: TransferRecord[] = [];
  readonly #downloads: TransferRecord[] = [];
  readonly #removals: RemovalRecord[] = [];
  readonly #conflicts: ConflictRecord[] = [];
  readonly #failures: FailureRecord[] = [];
  readonly #moves: MoveRecord[] = [];
  readonly #itemize: (event: SyncEvent) => readonly ItemRecord[];
  readonly #warnings: string[] = [];
  #timeWarningCount = 0;
  #firstTimeWarning = "";
  readonly #notes = new Map<string, NoteRecord>();
  readonly #heldReasons = new Set<string>();
  #held = 0;
  #foldersMade = 0;
  #foldersRemoved = 0;
  #touches = 0;
  #hasStarted = false;

  constructor(run: Run, options: ResultOptions) {
    this.#run = run;
    this.#itemize = makeItemizer(run);
    this.#options = options;
  }

  add(event: SyncEvent): void {
    for (const item of this.#itemize(event)) this.#addItem(item);
    switch (event.type) {
      case "planned":
        for (const note of event.plan.notes) this.#addNote(note);
        for (const held of event.plan.heldRemovals) this.#addHeldRemoval(held.why);
        if (this.#run.whatIf) { for (const action of event.plan.actions) this.#countAction(action); }
        return;
      case "started":
        this.#hasStarted = true;
        return;
      case "done":
        this.#hasStarted = true;
        // A refused time is a warning of its own.
        if (event.isTimeUnset !== true || event.action.do !== "touch") this.#countAction(event.action);
        this.#addWarnings(event.action, event);
        return;
      case "held":
        return this.#addHeldRemoval(event.why);
      case "noted":
        return event.note.error === undefined ? this.#addNote(event.note) : undefined;
      case "scanned":
      case "progress":
      case "failed":
        return;
      default:
        return event satisfies never;
    }
  }

  /** Ends the result. `now` in ms since the epoch; `error`: the error that ended the run early. */
  end(options: { readonly now: number; readonly error?: SyncError | undefined }): SyncResult {
    if (options.error !== undefined) this.#failures.push(toFailure(options.error));
    const { session, localPath, remotePath, mode, whatIf } = this.#run;
    const bytes = [...this.#uploads, ...this.#downloads].reduce((sum, item) => sum + (item.Length ?? 0), 0);
    return {
      Type: "SyncResult",
      Session: session,
      LocalPath: localPath,
      RemotePath: remotePath,
      Mode: mode,
      Started: toIso(this.#options.started) ?? "",
      Duration: Math.max(0, Math.round(options.now - this.#options.started)) / 1000,
      IsSuccess: this.#failures.length === 0,
      IsWhatIf: whatIf,
      ExitCode: this.#exitCode(options.error),
      Bytes: bytes,
      UploadCount: this.#uploads.length,
      DownloadCount: this.#downloads.length,
      RemovalCount: this.#removals.length,
      ConflictCount: this.#conflicts.length,
      FailureCount: this.#failures.length,
      MoveCount: this.#moves.length,
      TouchCount: this.#touches,
      FoldersMade: this.#foldersMade,
      FoldersRemoved: this.#foldersRemoved,
      HeldRemovals: this.#held,
      HeldReasons: [...this.#heldReasons],
      Restored: [...this.#uploads, ...this.#downloads].filter((item) => item.IsRestored).length,
      Uploads: this.#uploads,
      Downloads: this.#downloads,
      Removals: this.#removals,
      Moves: this.#moves,
      Conflicts: this.#conflicts,
      Failures: this.#failures,
      Warnings: [...this.#warnings, ...this.#timeWarnings()],
      Notes: [...this.#notes.values()],
    };
  }

  /**
   * Collects the warnings of an action. A backend that stores no mtimes warns for every file: one warning stands for
   * all of them.
   */
  #addWarnings(
    { path }: Action,
    { warnings = [], isTimeUnset: isUntimed }: Extract<SyncEvent, { readonly type: "done" }>,
  ): void {
    if (isUntimed !== true) this.#warnings.push(...warnings.map((warning) => `"${path}": ${warning}`));
    else if (++this.#timeWarningCount === 1) this.#firstTimeWarning = `"${path}": ${warnings.join("; ")}`;
  }

  #timeWarnings(): readonly string[] {
    if (this.#timeWarningCount < 2) return this.#timeWarningCount === 0 ? [] : [this.#firstTimeWarning];
    const others = this.#timeWarningCount === 2 ? "1 other file" : `${this.#timeWarningCount - 1} other files`;
    return [`${this.#firstTimeWarning}; the same happened to ${others}. Their content is correct`];
  }

  #addItem(item: ItemRecord): void {
    switch (item.Type) {
      case "Upload":
        return void this.#uploads.push(item);
      case "Download":
        return void this.#downloads.push(item);
      case "Removal":
        return void this.#removals.push(item);
      case "Move":
        return void this.#moves.push(item);
      case "Conflict":
        if (item.Winner !== null) this.#warnings.push(`"${item.Path}": ${item.Message}`);
        return void this.#conflicts.push(item);
      case "Failure":
        return void this.#failures.push(item);
      default:
        return item satisfies never;
    }
  }

  #countAction(action: Action): void {
    switch (action.do) {
      case "makeDir":
        this.#foldersMade += 1;
        return;
      case "remove":
        if (action.target.kind === "dir") this.#foldersRemoved += 1;
        return;
      case "copy":
        if (action.replaces?.kind === "dir") this.#foldersRemoved += 1;
        return;
      case "move":
        return;
      case "touch":
        this.#touches += 1;
        return;
      default:
        return action satisfies never;
    }
  }

  #addHeldRemoval(why: string): void {
    this.#held += 1;
    this.#heldReasons.add(why);
  }

  /** Adds a note. A note of the plan may be repeated as an event: it counts once. */
  #addNote(note: Note): void {
    const { code, path, side, why } = note;
    this.#notes.set(JSON.stringify([code, side, path, why]), toNoteRecord(note));
  }

  #exitCode(error: SyncError | undefined): number {
    if (error !== undefined) {
      const code = exitCodes[error.kind];
      // Codes 2 to 5 guarantee that nothing was changed, and an action that began may have changed something.
      return this.#hasStarted && code >= 2 && code <= 5 ? 1 : code;
    }
    if (this.#run.whatIf) return 0;
    if (this.#failures.length > 0 || this.#held > 0) return 1;
    if (this.#conflicts.length > 0 && this.#options.failOnConflict) return 1;
    return this.#options.failIfNothing && !this.#hasStarted ? 6 : 0;
  }
}
