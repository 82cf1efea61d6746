import { SyncError } from "../../../lib/core/errors.ts";
import { utf8, wholeBody } from "../content.ts";
import { textAt } from "./edits.ts";
import type { Backends } from "../../../lib/sync/common/sides.ts";
import type { RunOptions } from "../../../lib/sync/run_options.ts";

/** A trash in memory: the contents it holds are in `kept`. `moves`: keeping a version takes it from its place, where that side can rename. */
export function memoryTrash(sides: Backends, kept: Set<string>, moves: boolean): NonNullable<RunOptions["trash"]> {
  let count = 0;
  return {
    mustMove: ({ side }) => Promise.resolve(moves && sides[side].rename !== undefined),
    async keep({ side, entry, take }, call) {
      const backend = sides[side];
      if (entry.kind !== "file") throw new SyncError("unsupported", "no file", { operation: "keep" });
      const { path, size, modified } = entry;
      const content = await backend.read(path, { ...call, expect: entry });
      const text = content instanceof Uint8Array ? new TextDecoder().decode(content) : await textAt(backend, path);
      // As the trash itself does: a server that breaks off without a word has given no version.
      if (utf8(text).length !== size) throw new SyncError("changed", "it gave fewer bytes", { operation: "keep" });
      kept.add(text);
      const moved = take || (moves && backend.rename !== undefined);
      if (moved) await backend.remove(entry, call);
      return {
        id: String(++count),
        at: `trash ${count}`,
        moved,
        async undo(calling) {
          if (!moved) return;
          const when = modified === undefined ? {} : { modified };
          const body = wholeBody(utf8(text));
          await backend.write(path, body, { ...calling, size, ...when, expect: "absent" });
        },
      };
    },
    prune: () => Promise.resolve(),
  };
}
