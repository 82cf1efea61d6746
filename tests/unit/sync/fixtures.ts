import assert from "node:assert/strict";
import type { Backend } from "../../../lib/core/backend.ts";
import { memory, type MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../lib/core/path.ts";
import { apply, type ApplyEnd } from "../../../lib/sync/apply/apply.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import type { ApplyOptions } from "../../../lib/sync/apply/executor.ts";
import { run, type RunEnd } from "../../../lib/sync/run.ts";
import { toTempOwner } from "../../../lib/sync/common/temp_tag.ts";
import type { Entry, FileEntry } from "../../../lib/core/entry.ts";
import { collect } from "../../support/content.ts";
import type { Backends } from "../../../lib/sync/common/sides.ts";
import type { RunOptions } from "../../../lib/sync/run_options.ts";
import type { Action, Plan, SyncEvent } from "../../../lib/core/plan.ts";

/** A signal that nobody aborts. */
export const signal = new AbortController().signal;
export const owners = { local: toTempOwner(["test", "local"]), remote: toTempOwner(["test", "remote"]) };
export const NOON = Date.UTC(2026, 5, 1, 12);

/** A tree as text: a file's content by its path, null for a folder, "-> target" for a link. */
export type Texts = Readonly<Record<string, string | null>>;

/** Puts files (text), folders (null) and links ("-> target") there as if somebody else had. */
export function plant(backend: MemoryBackend, texts: Texts, modified = NOON): void {
  for (const [name, text] of Object.entries(texts)) {
    const path = toRelPath(name);
    if (text === null) backend.plant({ kind: "dir", path });
    else if (text.startsWith("-> ")) backend.plant({ kind: "link", path, target: text.slice(3) });
    else {
      const bytes = new TextEncoder().encode(text);
      backend.plant({ kind: "file", path, size: bytes.length, modified }, bytes);
    }
  }
}

/** Everything below the root, temporary names included. */
export async function texts(backend: Backend, dir = root): Promise<Texts> {
  const found: Record<string, string | null> = {};
  for (const entry of await backend.list(dir, { signal })) {
    if (entry.kind === "dir") Object.assign(found, { [entry.path]: null }, await texts(backend, entry.path));
    else if (entry.kind === "link") found[entry.path] = `-> ${entry.target}`;
    else if (entry.kind === "file") found[entry.path] = await textOf(backend, entry.path);
    else found[entry.path] = `(${entry.cause})`;
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
}

/** A file's content. */
export async function textOf(backend: Backend, path: string): Promise<string> {
  return new TextDecoder().decode(await collect(await backend.read(toRelPath(path), { signal })));
}

/** The entry at a path, which must be there. */
export async function entryAt(backend: Backend, path: string): Promise<Entry> {
  const entry = await backend.stat(toRelPath(path), { signal });
  assert.ok(entry !== undefined, `"${path}" is absent`);
  return entry;
}

/** The file at a path, which must be there. */
export async function fileAt(backend: Backend, path: string): Promise<FileEntry> {
  const entry = await entryAt(backend, path);
  assert.ok(entry.kind === "file", `"${path}" is a ${entry.kind}`);
  return entry;
}

export function toPlan(actions: readonly Action[], more: Partial<Plan> = {}): Plan {
  return {
    actions,
    conflicts: [],
    refusals: [],
    heldRemovals: [],
    notes: [],
    historyUpdates: [],
    undecided: [],
    ...more,
  };
}

/** What a generator of events gave, and how it ended. */
export interface Told<End> {
  readonly events: readonly SyncEvent[];
  readonly end: End;
}

export async function listen<End>(
  events: AsyncGenerator<SyncEvent, End, void>,
  hear: (event: SyncEvent) => void = () => {},
): Promise<Told<End>> {
  const heard: SyncEvent[] = [];
  for (;;) {
    const step = await events.next();
    if (step.done === true) return { events: heard, end: step.value };
    heard.push(step.value);
    hear(step.value);
  }
}

export function applied(
  actions: readonly Action[],
  sides: Backends,
  options: Partial<ApplyOptions> & { readonly hear?: (event: SyncEvent) => void; readonly plan?: Partial<Plan> } = {},
): Promise<Told<ApplyEnd>> {
  const { hear, plan, ...given } = options;
  return listen(
    apply(toPlan(actions, plan), sides, {
      signal,
      owners,
      onError: "continue",
      removeDespiteFailures: false,
      ...given,
    }),
    hear,
  );
}

/** What a run is told unless a test says otherwise: Remote, mirrored, removing. */
export const usual: RunOptions = {
  mode: "Remote",
  criteria: chooseCriteria(["Either"]),
  mirror: true,
  remove: true,
  skipNew: false,
  skipModified: false,
  conflict: "Newest",
  moves: true,
  removeDespiteFailures: false,
  links: "Skip",
  allow: [],
  noReadBack: false,
  stopOnError: false,
  planOnly: false,
  owner: "tester",
  host: "test-host",
  signal,
  now: () => NOON,
};

/** Two trees in memory, the remote one as the dials say. */
export function pair(here: Texts, there: Texts = {}, dials: Parameters<typeof memory>[0] = {}) {
  const [local, remote] = [memory(), memory(dials)];
  plant(local, here);
  plant(remote, there);
  return { local, remote };
}

/** The uploads of these files. */
export async function uploads(sides: ReturnType<typeof pair>, ...paths: readonly string[]): Promise<readonly Action[]> {
  return await Promise.all(paths.map(async (path) => upload(path, await fileAt(sides.local, path))));
}

export function ran(
  sides: Backends,
  options: Partial<RunOptions> & { readonly hear?: (event: SyncEvent) => void } = {},
): Promise<Told<RunEnd>> {
  const { hear, ...given } = options;
  return listen(run(sides, { ...usual, ...given }), hear);
}

/** Events in short: "done copy a", "failed remove b", progress left out. */
export function brief(events: readonly SyncEvent[]): readonly string[] {
  return events.flatMap((event) => {
    if (event.type === "noted") return [`noted ${event.note.code} ${event.note.path ?? ""}`.trim()];
    return "action" in event && event.type !== "progress" && event.type !== "started"
      ? [`${event.type} ${event.action.do} ${event.action.path}`]
      : [];
  });
}

/** The error of the one action that failed. */
export function failure(events: readonly SyncEvent[]): SyncError {
  const failed = events.flatMap((event) => event.type === "failed" ? [event.error] : []);
  const [error] = failed;
  assert.ok(error !== undefined && failed.length === 1, `${failed.length} actions failed`);
  return error;
}

export async function rejection(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof SyncError, `no SyncError but ${error}`);
  return error;
}

export function upload(path: string, source: FileEntry, replaces?: Entry): Action {
  return {
    do: "copy",
    to: "remote",
    path: toRelPath(path),
    why: "new",
    source,
    ...(replaces === undefined ? {} : { replaces }),
  };
}

export function makeDir(path: string, replaces?: Entry): Action {
  return {
    do: "makeDir",
    to: "remote",
    path: toRelPath(path),
    why: "new",
    ...(replaces === undefined ? {} : { replaces }),
  };
}

export function remove(target: Entry): Action {
  return { do: "remove", to: "remote", path: target.path, why: "gone", target };
}
