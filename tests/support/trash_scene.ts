import assert from "node:assert/strict";
import type { Backend } from "../../lib/core/backend.ts";
import { openLocal } from "../../lib/backends/local/mod.ts";
import { toRelPath } from "../../lib/core/path.ts";
import { PairTrash } from "../../lib/sync/trash/trash.ts";
import type { FileEntry, Side } from "../../lib/core/entry.ts";
import { tree } from "./trees/tree.ts";
import type { MemoryDials } from "../../lib/backends/memory/options.ts";

/** A call without end. */
export const call = { signal: new AbortController().signal };
/** When the run of the scene began. */
export const start = Date.UTC(2026, 10, 21, 10, 32, 5);

/** A trash folder, and two sides whose losers go there. */
export interface TrashScene {
  readonly home: string;
  readonly root: string;
  readonly local: Backend;
  readonly remote: Backend;
  readonly trash: PairTrash;
  entry(path: string, side?: Side): Promise<FileEntry>;
}

/** Runs with a local root that holds "a" and "d/b", and a remote in memory that holds "r". */
export async function withTrashScene(
  test: (scene: TrashScene) => Promise<void>,
  dials?: MemoryDials & { remote?: Backend },
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-trash-" });
  const [home, root] = [`${folder}/state/trash`, `${folder}/root`];
  await Deno.mkdir(root);
  await tree({ "a": "old", "d/b": "deep" }).disk(root);
  const local = await openLocal(root, call);
  const remote = dials?.remote ?? tree({ "r": "remote" }).memory(dials);
  const trash = new PairTrash({ home, pair: "p", sides: { local, remote }, start, session: "sftp://u@web1" });
  const entry = async (path: string, side: Side = "local") => {
    const found = await (side === "local" ? local : remote).stat(toRelPath(path), call);
    assert.ok(found?.kind === "file");
    return found;
  };
  try {
    await test({ home, root, local, remote, trash, entry });
  } finally {
    await local[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
}
