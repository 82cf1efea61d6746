import { isReplaced } from "./common/criteria.ts";
import type { RelPath } from "../core/path.ts";
import { type Side, sides as bothSides } from "../core/entry.ts";
import {
  algorithmOf,
  type OneSidedFile,
  type OpenPair,
  type Snapshots,
  toOneSidedFiles,
  toOpenPairs,
} from "./scan/hash_pairs.ts";
import type { BaseEntry, History } from "../core/history.ts";

/**
 * Files whose content must be read because their stamps could hide an edit: single files to compare with the checksum
 * in history, and pairs to compare with each other.
 */
export interface DoubtfulFiles {
  readonly oneSided: readonly OneSidedFile[];
  readonly pairs: readonly OpenPair[];
}

/**
 * Selects the files to read for a plan's unsure paths. If history holds a checksum, each side in doubt is compared with
 * it. The number of bytes and remote files is limited, since a stamp is doubted only once: files beyond the limit are
 * judged by their stamps, and the plan reports how many.
 */
export function selectDoubts(
  unsure: readonly RelPath[],
  snapshots: Snapshots,
  history: History | undefined,
): DoubtfulFiles {
  const budget = { bytes: MAX_BYTES, files: MAX_REMOTE_FILES };
  const lone: OneSidedFile[] = [];
  const pairs: OpenPair[] = [];
  for (const pair of toOpenPairs(unsure, snapshots)) {
    const base = history?.get(pair.local.path) ?? history?.get(pair.remote.path);
    const algorithm = algorithmOf(base?.checksum);
    const sides = base === undefined || algorithm === undefined ? [] : sidesToHash(pair, base);
    if (algorithm !== undefined && sides.length > 0) {
      if (afford(sides, pair)) lone.push(...sides.map((side) => ({ side, entry: pair[side], algorithm })));
    } else if (pair.local.size === pair.remote.size && afford(bothSides, pair)) pairs.push(pair);
  }
  for (const one of toOneSidedFiles(unsure, snapshots, history)) {
    if (afford([one.side], { local: one.entry, remote: one.entry })) lone.push(one);
  }
  return { oneSided: lone, pairs };

  function afford(sides: readonly Side[], files: OpenPair): boolean {
    const bytes = sides.reduce((sum, side) => sum + files[side].size, 0);
    const reads = sides.includes("remote") ? 1 : 0;
    if (bytes > budget.bytes || reads > budget.files) return false;
    budget.bytes -= bytes;
    budget.files -= reads;
    return true;
  }
}

/**
 * Returns the sides for which comparing the file with history's checksum is sufficient: the doubtful sides if the sizes
 * differ, or the local side if the remote file is certainly unchanged.
 */
function sidesToHash(files: OpenPair, { unprovenSide, ...base }: BaseEntry): readonly Side[] {
  if (files.local.size !== files.remote.size) {
    return bothSides.filter((side) => {
      const stamp = base[side];
      return unprovenSide === side || unprovenSide === "both" || stamp?.revision !== files[side].revision ||
        (stamp !== undefined && isReplaced(files[side], stamp));
    });
  }
  const { remote } = base;
  const isSure = (unprovenSide ?? "local") === "local" && remote !== undefined &&
    remote.modified === files.remote.modified && remote.revision === files.remote.revision &&
    !isReplaced(files.remote, remote);
  return isSure ? ["local"] : [];
}

const MAX_BYTES = 64 * 1024 * 1024;
/** The maximum number of remote files to read. Each costs at least one round trip. */
const MAX_REMOTE_FILES = 256;
