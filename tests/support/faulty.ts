import type { Backend, Content } from "../../lib/core/backend.ts";
import { type BackendCall, decorate, type Operation, type WalkCall } from "../../lib/backends/layers/decorator.ts";
import { SyncError } from "../../lib/core/errors.ts";
import type { Entry } from "../../lib/core/entry.ts";
import { mutating } from "./planning/operations.ts";

/** Something that goes wrong. Which calls: `on` these operations, at this `path`, from the `nth` such call on (the first), `times` of them (all). */
export interface Fault {
  readonly on?: Operation | readonly Operation[];
  readonly path?: string | RegExp;
  readonly nth?: number;
  readonly times?: number;
  /** Happens just before the call: somebody else's change, a wait. */
  before?(): Promise<void>;
  /** The call rejects and nothing is done. */
  readonly error?: SyncError;
  /** The call is carried out, and rejects all the same: its reply was lost. */
  readonly lost?: SyncError;
  /** A content ends after so many bytes, a listing or a walk after so many entries, as if that were all. */
  readonly truncate?: number;
  /** A content or a walk breaks off with this after `truncate` (or no) bytes or entries; a listing rejects with it. */
  readonly broken?: SyncError;
}

/** The end of the process: at the mutating call `at` (from 1, over all backends that share it) it stops. `isDone`: that call is still carried out. */
export class Crash {
  readonly at: number;
  readonly isDone: boolean;
  /** Mutating calls so far. */
  count = 0;

  constructor(at: number, { isDone = false }: { readonly isDone?: boolean } = {}) {
    this.at = at;
    this.isDone = isDone;
  }

  get isOver(): boolean {
    return this.count > this.at || (this.count === this.at && this.#hasStruck);
  }

  #hasStruck = false;

  /** Around one mutating call. */
  async around<T>(run: () => Promise<T>): Promise<T> {
    this.count++;
    if (this.count !== this.at) return await run();
    this.#hasStruck = true;
    if (this.isDone) await run();
    throw crashed();
  }
}

/** The backend with faults; `crash` may be shared by both sides of a run. After a crash every call rejects. */
export function faulty(
  inner: Backend,
  script: { readonly faults?: readonly Fault[]; readonly crash?: Crash },
): Backend {
  const { crash } = script;
  const faults = (script.faults ?? []).map((fault) => ({ fault, seen: 0 }));
  const struck = (operation: Operation, path: string): readonly Fault[] =>
    faults.filter((each) => {
      if (!concerns(each.fault, operation, path)) return false;
      const { nth = 1, times = Infinity } = each.fault;
      each.seen++;
      return each.seen >= nth && each.seen < nth + times;
    }).map(({ fault }) => fault);
  const broken = new WeakMap<object, Fault>();
  const one = async <T>(attempt: BackendCall<T>): Promise<T> => {
    const { operation, path } = attempt;
    if (crash?.isOver === true) throw crashed();
    const now = struck(operation, path);
    for (const fault of now) await fault.before?.();
    for (const { error } of now) if (error !== undefined) throw error;
    const result =
      await (crash !== undefined && mutating.includes(operation) ? crash.around(attempt.run) : attempt.run());
    for (const { lost } of now) if (lost !== undefined) throw lost;
    const cut = now.find((fault) => fault.truncate !== undefined || fault.broken !== undefined);
    if (cut !== undefined && operation === "read") broken.set(result as object, cut);
    if (cut === undefined || !Array.isArray(result)) return result;
    if (cut.broken !== undefined) throw cut.broken;
    return result.slice(0, cut.truncate) as T;
  };
  const many = async function* ({ operation, path, run }: WalkCall): AsyncIterable<readonly Entry[]> {
    if (crash?.isOver === true) throw crashed();
    const now = struck(operation, path);
    for (const fault of now) await fault.before?.();
    for (const { error } of now) if (error !== undefined) throw error;
    const cut = now.find((fault) => fault.truncate !== undefined || fault.broken !== undefined);
    let left = cut === undefined ? Infinity : cut.truncate ?? 0;
    for await (const batch of run()) {
      if (left > 0) yield batch.slice(0, left);
      left -= batch.length;
      if (left <= 0) break;
    }
    if (cut?.broken !== undefined) throw cut.broken;
  };
  const content = (given: Content): Content => {
    const fault = broken.get(given);
    return fault === undefined ? given : cutContent(given, fault);
  };
  return decorate(inner, { call: one, walk: many, content });
}

/** An error that passes: what a broken link gives. */
export function linkLost(): SyncError {
  return new SyncError("connection", "The connection was lost", { operation: "test", transient: true });
}

function crashed(): SyncError {
  return new SyncError("unexpected", "The process has ended here", { operation: "crash" });
}

function concerns({ on, path }: Fault, operation: Operation, at: string): boolean {
  if (on !== undefined && !(typeof on === "string" ? [on] : on).includes(operation)) return false;
  if (path === undefined) return true;
  return typeof path === "string" ? path === at : path.test(at);
}

function cutContent(content: Content, { truncate = 0, broken }: Fault): Content {
  const source = content instanceof Uint8Array ? ReadableStream.from([content]) : content;
  let left = truncate;
  const cut = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      if (left > 0) controller.enqueue(chunk.slice(0, left));
      left -= chunk.length;
      if (left > 0) return;
      if (broken === undefined) controller.terminate();
      else controller.error(broken);
    },
    flush(controller) {
      if (broken !== undefined) controller.error(broken);
    },
  });
  return source.pipeThrough(cut);
}
