import type { Backend } from "../../../lib/core/backend.ts";
import { memory, type MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { type Disk, freshDisk } from "../../support/disk.ts";
import { recorded } from "../../support/backend_assertions.ts";
import { NOON, plant, ran, type Texts } from "../sync/fixtures.ts";
import type { Backends } from "../../../lib/sync/common/sides.ts";
import type { RunOptions } from "../../../lib/sync/run_options.ts";
import type { SyncEvent } from "../../../lib/core/plan.ts";
import type { MemoryDials } from "../../../lib/backends/memory/options.ts";

/** Two trees in memory, planted with these texts; the remote one as the dials say. */
export function memories(
  given: { readonly local?: Texts; readonly remote?: Texts; readonly dials?: MemoryDials; readonly at?: number },
): { readonly local: MemoryBackend; readonly remote: MemoryBackend } {
  const sides = { local: memory(), remote: memory(given.dials) };
  plant(sides.local, given.local ?? {}, given.at ?? NOON);
  plant(sides.remote, given.remote ?? {}, given.at ?? NOON);
  return sides;
}

/** Two folders of this machine's disk, removed in the end. */
export interface Disks extends AsyncDisposable {
  readonly local: Disk;
  readonly remote: Disk;
  readonly sides: Backends;
}

export async function disks(): Promise<Disks> {
  await using stack = new AsyncDisposableStack();
  const local = stack.use(await freshDisk());
  const remote = stack.use(await freshDisk());
  const life = stack.move();
  return {
    local,
    remote,
    sides: { local: local.backend, remote: remote.backend },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** What a plan or a run came to, in the words a person is told. */
export interface Outcome {
  readonly failures: readonly string[];
  readonly notes: readonly string[];
  readonly held: readonly string[];
  readonly conflicts: readonly string[];
  readonly actions: readonly string[];
}

/** A run, summed up: paths that failed (before or while doing), notes as "code path", what was held, open conflicts, what was done. */
export async function outcomeOf(sides: Backends, options: Partial<RunOptions> = {}): Promise<Outcome> {
  const { events, end } = await ran(sides, options);
  const { plan } = end;
  const of = (type: SyncEvent["type"]) =>
    events.flatMap((event) => event.type === type && "action" in event ? [event.action] : []);
  const noted = events.flatMap((event) => event.type === "noted" ? [event.note] : []);
  return {
    failures: [...plan.refusals.map(({ path }) => path), ...of("failed").map(({ path }) => path)].sort(),
    notes: [...plan.notes, ...noted].map(({ code, path }) => path === undefined ? code : `${code} ${path}`).sort(),
    held: [...plan.heldRemovals.map(({ path }) => path), ...of("held").map(({ path }) => path)].sort(),
    conflicts: plan.conflicts.filter(({ winner }) => winner === undefined).map(({ path }) => path),
    actions: of("done").map((action) => `${action.do} ${action.to} ${action.path}`).sort(),
  };
}

/** An outcome in which nothing was done and nothing said. */
export const quiet: Outcome = { failures: [], notes: [], held: [], conflicts: [], actions: [] };

/** The backend, and the calls that would change it as "operation path", in order of their beginning. */
export function changes(inner: Backend): { readonly backend: Backend; of(): readonly string[] } {
  const { backend, calls } = recorded(inner);
  return { backend, of: () => calls.filter((call) => !/^(list|stat|read|checksum|walk|at) /.test(call)) };
}

/** Somebody else puts a file there. */
export function put(backend: MemoryBackend, path: string, text: string | Uint8Array<ArrayBuffer>, at = NOON): void {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  backend.plant({ kind: "file", path: toRelPath(path), size: bytes.length, modified: at }, bytes);
}

/** What this process does to make things durable, in order: "sync" for a file or a folder, "rename" for a new name. Put back in the end. */
export function watchDurability(): { readonly order: readonly string[] } & Disposable {
  const order: string[] = [];
  const { sync, syncData, syncDataSync } = Deno.FsFile.prototype;
  const { rename, renameSync } = Deno;
  const put = (
    file: Pick<Deno.FsFile, "sync" | "syncData" | "syncDataSync">,
    names: Pick<typeof Deno, "rename" | "renameSync">,
  ) => {
    Object.assign(Deno.FsFile.prototype, file);
    Object.assign(Deno, names);
  };
  put({
    sync() {
      order.push("sync");
      return sync.call(this);
    },
    syncData() {
      order.push("sync");
      return syncData.call(this);
    },
    syncDataSync() {
      order.push("sync");
      syncDataSync.call(this);
    },
  }, {
    rename: (from, to) => (order.push("rename"), rename(from, to)),
    renameSync: (from, to) => (order.push("rename"), renameSync(from, to)),
  });
  return { order, [Symbol.dispose]: () => put({ sync, syncData, syncDataSync }, { rename, renameSync }) };
}
