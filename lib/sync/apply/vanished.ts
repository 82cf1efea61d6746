import type { CallOptions } from "../../core/backend.ts";
import { SyncError, toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import { otherSide, type Side, type Snapshot } from "../../core/entry.ts";
import { runConcurrently, takeInOrder } from "../common/concurrency.ts";
import { Relisting } from "../common/relisting.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { countLeaves } from "../common/leaves.ts";
import { endsRun } from "../common/ends_run.ts";
import type { Plan } from "../../core/plan.ts";

/** `snapshot`: the listing of the remote side. */
export interface ProbeOptions extends CallOptions {
  readonly snapshot: Snapshot;
}

/**
 * Checks a few of the remote files that are new here before anything is changed: a name that the listing shows and the
 * server does not know was misread. Rejects with refused if that seems to concern more than half of the listed files.
 */
export async function probeListing(plan: Plan, { remote }: Backends, options: ProbeOptions): Promise<void> {
  // An object store's names are unambiguous: the requests are only worth it if there are removals.
  if (!remote.traits.hasDirs && !plan.actions.some(({ do: what, to }) => what === "remove" && to === "local")) return;
  const copies = plan.actions.filter((action): action is Copy => {
    return action.do === "copy" && action.to === "local" && action.replaces === undefined;
  });
  const count = Math.min(copies.length, MAX_PROBES);
  const sample = Array.from({ length: count }, (_, i) => copies[Math.floor(i * copies.length / count)]?.source.path);
  const gone: RelPath[] = [];
  const probe = async (path: RelPath) => {
    try {
      if (await remote.stat(path, options) === undefined) gone.push(path);
    } catch (error) {
      const why = toSyncError(error, "look at");
      if (await endsRun(why, remote, options)) throw why;
    }
  };
  const limit = Math.max(1, remote.traits.parallelFiles);
  await runConcurrently(takeInOrder(sample.filter((path) => path !== undefined)), probe, {
    limit,
    signal: options.signal,
  });
  const likely = gone.length === 0 ? 0 : gone.length / count * copies.length;
  if (likely * 2 <= countLeaves(options.snapshot)) return;
  if (likely <= FEW && !await isListedAny(gone, new Relisting(remote, options))) return;
  const names = gone.slice(0, SHOWN).map((path) => `"${escapeForDisplay(path)}"`).join(", ");
  const message = `The listing of ${remote.label} is wrong: ` +
    `${gone.length} of ${count} listed files that were checked do not exist (${names}). Nothing was changed; run again, or check the folder with another program.`;
  throw new SyncError("refused", message, { operation: "list", backend: remote.label });
}

/** A record of files that were gone when they were to be read. */
export class VanishedFiles {
  readonly #relistings: Readonly<Record<Side, Relisting>>;
  #gone = 0;
  #tried = 0;

  constructor(sides: Backends, call: CallOptions) {
    this.#relistings = { local: new Relisting(sides.local, call), remote: new Relisting(sides.remote, call) };
  }

  /** Whether too many files vanished for a coincidence. */
  get areMost(): boolean {
    return this.#gone > FEW && this.#gone * 2 > this.#tried;
  }

  /** Counts an attempted copy. */
  countTried(): void {
    this.#tried++;
  }

  /** Counts a missing source. Rejects with notFound if the source is still listed although it cannot be read. */
  async confirmGone({ to, source: { path } }: Copy): Promise<void> {
    this.#gone++;
    if (await this.#relistings[otherSide(to)].find(path) === undefined) return;
    const message = `Cannot read "${
      escapeForDisplay(path)
    }": the listing shows it, and the server says that it does not exist`;
    throw new SyncError("notFound", message, { operation: "copy", path });
  }
}

/** The number of names that are checked before a run changes anything. */
const MAX_PROBES = 8;
/** The number of files that may vanish by coincidence between a listing and their transfers. */
const FEW = 10;
const SHOWN = 3;

async function isListedAny(paths: readonly RelPath[], relisting: Relisting): Promise<boolean> {
  for (const path of paths) if (await relisting.find(path) !== undefined) return true;
  return false;
}
