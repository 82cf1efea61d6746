import type { RelPath } from "../../lib/core/path.ts";
import { plan } from "../../lib/sync/plan/plan.ts";
import { toPlanOptions } from "../../lib/sync/common/options.ts";
import { toSnapshot } from "../../lib/sync/scan/snapshot.ts";
import type { Entry } from "../../lib/core/entry.ts";
import { ableTraits } from "../support/planning/interpret.ts";

const filesPerFolder = 100;

for (const count of [100_000, 1_000_000]) {
  const group = `${count} files`;
  const listing = entries(count);
  const full = { snapshot: toSnapshot(listing), traits: ableTraits };
  const again = { snapshot: toSnapshot(entries(count)), traits: ableTraits };
  const empty = { snapshot: toSnapshot([]), traits: ableTraits };

  Deno.bench({ name: "toSnapshot()", group, n: 3, warmup: 1, fn: () => void toSnapshot(listing) });
  Deno.bench({
    name: "plan() one way, nothing to do",
    group,
    n: 3,
    warmup: 1,
    fn: () => void plan({ local: full, remote: again }, undefined, toPlanOptions({ mode: "Remote", remove: true })),
  });
  Deno.bench({
    name: "plan() both ways, nothing to do",
    group,
    n: 3,
    warmup: 1,
    fn: () => void plan({ local: full, remote: again }, undefined, toPlanOptions({ mode: "Both" })),
  });
  Deno.bench({
    name: "plan() one way, everything new",
    group,
    n: 3,
    warmup: 1,
    fn: () => void plan({ local: full, remote: empty }, undefined, toPlanOptions({ mode: "Remote" })),
  });
}

/** As a server lists them: folder by folder, the files of each in no order. */
function entries(count: number): readonly Entry[] {
  return Array.from({ length: count / filesPerFolder }, (_, folder): readonly Entry[] => {
    const dir = `folder${String(folder).padStart(5, "0")}`;
    const files = Array.from({ length: filesPerFolder }, (_, index): Entry => {
      const name = `file${(index * 37) % filesPerFolder}.bin`;
      return { kind: "file", path: `${dir}/${name}` as RelPath, size: index, modified: index * 1000 };
    });
    return [{ kind: "dir", path: dir as RelPath }, ...files];
  }).flat();
}
