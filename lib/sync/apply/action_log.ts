import type { CallOptions } from "../../core/backend.ts";
import { isFatal, SyncError, toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry, Side } from "../../core/entry.ts";
import type { Backends } from "../common/sides.ts";
import type { Action, SyncEvent, TrashedVersion } from "../../core/plan.ts";
import { failureReason } from "../../core/operation.ts";

/** `onError` "stop": start no further action after the first failure. */
export interface ActionLogOptions extends CallOptions {
  readonly onError: "continue" | "stop";
  emit(event: SyncEvent): void;
}

/**
 * The outcome of an action: done, with the present entry (`isOther`, `isUntimed`: see SyncEvent); source vanished; or
 * pending until a later phase, which reports the end.
 */
export type Outcome =
  | {
    readonly entry?: Entry;
    readonly warnings?: readonly string[];
    readonly isOther?: true;
    readonly isUntimed?: true;
    readonly kept?: TrashedVersion;
  }
  | { readonly vanished: true }
  | { readonly pending: true };

/**
 * Carries out actions one by one and records failures. Each started action ends in exactly one event: done, failed,
 * held, or noted if its source vanished. Below a folder that could not be created, and after the server is lost,
 * actions fail without being tried.
 */
export class ActionLog {
  readonly #sides: Backends;
  readonly #options: ActionLogOptions;
  readonly #stop = new AbortController();
  readonly #missing: Readonly<Record<Side, Map<RelPath, SyncError>>> = { local: new Map(), remote: new Map() };
  readonly #nonEmpty: Readonly<Record<Side, Set<RelPath>>> = { local: new Set(), remote: new Set() };
  #probe: Promise<void> | undefined;
  #lost: SyncError | undefined;
  #failures = 0;
  /** Aborted when no further action may start: by the caller, or by the first failure under "stop". */
  readonly signal: AbortSignal;

  constructor(sides: Backends, options: ActionLogOptions) {
    this.#sides = sides;
    this.#options = options;
    this.signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  get failures(): number {
    return this.#failures;
  }

  /** Whether the first failure ended the run. */
  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** The error because of which the server was given up; undefined while it is in use. */
  get lost(): SyncError | undefined {
    return this.#lost;
  }

  /**
   * Carries out the action, unless it is known to fail. Returns whether it is done or pending; never rejects.
   * `pending`: this is the continuation of a pending action.
   */
  async run(action: Action, work: () => Promise<Outcome>, pending = { pending: false }): Promise<boolean> {
    await this.#probe;
    const hopeless = this.#lost ?? this.#blocked(action);
    if (hopeless !== undefined) return this.#fail(action, hopeless);
    if (!pending.pending) this.#options.emit({ type: "started", action });
    try {
      return this.#end(action, await work());
    } catch (error) {
      const why = toSyncError(error, action.do);
      this.#fail(action, why);
      await this.#checkServer(why);
      return false;
    }
  }

  /** Records the failure of an action, whether or not it was started. */
  #fail(action: Action, error: SyncError): false {
    this.#failures++;
    this.#options.emit({ type: "failed", action, error });
    if (action.do === "makeDir") this.#missing[action.to].set(action.path, error);
    if (action.do === "remove") {
      for (let dir = parentOf(action.path); dir !== root; dir = parentOf(dir)) this.#nonEmpty[action.to].add(dir);
    }
    if (this.#options.onError === "stop" && !this.stopped) {
      this.#stop.abort(
        new SyncError("cancelled", "The run stopped at its first failure", { operation: "stop" }),
      );
    }
    return false;
  }

  #end(action: Action, outcome: Outcome): boolean {
    if ("vanished" in outcome) {
      const path = "source" in action ? action.source.path : action.path;
      const why = "it no longer existed when it was to be copied; the other side keeps its copy";
      this.#options.emit({ type: "noted", note: { code: "vanished", path, why } });
      return false;
    }
    if ("pending" in outcome) return true;
    this.#options.emit({
      type: "done",
      action,
      ...(outcome.entry === undefined ? {} : { result: outcome.entry }),
      ...(outcome.warnings === undefined || outcome.warnings.length === 0 ? {} : { warnings: outcome.warnings }),
      ...(outcome.isOther === undefined ? {} : { isNewerSource: true }),
      ...(outcome.isUntimed === undefined ? {} : { isTimeUnset: true }),
      ...(outcome.kept === undefined ? {} : { trashed: outcome.kept }),
    });
    return true;
  }

  #blocked(action: Action): SyncError | undefined {
    if (action.do === "remove") {
      if (!this.#nonEmpty[action.to].has(action.path)) return undefined;
      const message = `Cannot remove "${escapeForDisplay(action.path)}": something in it could not be removed`;
      return new SyncError("changed", message, { operation: "remove", path: action.path });
    }
    const missing = this.#missing[action.to];
    if (missing.size === 0) return undefined;
    for (let dir = parentOf(action.path); dir !== root; dir = parentOf(dir)) {
      const cause = missing.get(dir);
      if (cause === undefined) continue;
      const message = `Cannot write "${escapeForDisplay(action.path)}": its folder "${
        escapeForDisplay(dir)
      }" could not be created`;
      return new SyncError(cause.kind, message, { operation: action.do, path: action.path, cause });
    }
    return undefined;
  }

  /**
   * Checks both sides after a connection error before anything else is tried, so that a dead server costs one timeout.
   */
  async #checkServer(why: SyncError): Promise<void> {
    if (!isFatal(why.kind) || this.signal.aborted) return;
    if (why.kind === "auth" || why.kind === "hostKey") return this.#giveUp(why);
    this.#probe ??= this.#statBoth();
    await this.#probe;
  }

  async #statBoth(): Promise<void> {
    const { local, remote } = this.#sides;
    try {
      await Promise.all([local.stat(root, this), remote.stat(root, this)]);
    } catch (error) {
      const why = toSyncError(error, "stat");
      if (isFatal(why.kind) && !this.signal.aborted) this.#giveUp(why);
    } finally {
      this.#probe = undefined;
    }
  }

  #giveUp(why: SyncError): void {
    const message = `Not started: the connection to ${this.#sides.remote.label} is lost (${
      failureReason(why)
    }); run again when the server can be reached`;
    this.#lost ??= new SyncError(why.kind, message, { operation: "reach the server", cause: why });
  }
}
