import type { Call } from "../../core/backend.ts";
import { SyncError, toSyncError } from "../../core/errors.ts";
import { printable, type RelPath } from "../../core/path.ts";
import { otherSide, type Plan, type Side, type Snapshot } from "../../core/entry.ts";
import { drain, inOrder } from "../common/concurrency.ts";
import { Relisting } from "../common/relisting.ts";
import type { Backends, Copy } from "../common/sides.ts";
import { countLeaves } from "../common/leaves.ts";
import { endsRun } from "../common/ends_run.ts";

/** `snapshot`: what the remote side was listed with. */
export interface ProbeOptions extends Call {
  readonly snapshot: Snapshot;
}

/**
 * Looks at a few of the remote files that are new here before anything is changed: names that a listing shows and the server does not
 * know were misread. Rejects with refused if that seems to be so for more than half of all that was listed.
 */
export async function probeListing(plan: Plan, { remote }: Backends, options: ProbeOptions): Promise<void> {
  // A store's names come in a form that leaves no doubt: there only removals are worth the requests.
  if (!remote.traits.hasDirs && !plan.actions.some(({ do: what, to }) => what === "remove" && to === "local")) return;
  const copies = plan.actions.filter((action): action is Copy => {
    return action.do === "copy" && action.to === "local" && action.replaces === undefined;
  });
  const count = Math.min(copies.length, PROBED);
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
  await drain(inOrder(sample.filter((path) => path !== undefined)), probe, { limit, signal: options.signal });
  const likely = gone.length === 0 ? 0 : gone.length / count * copies.length;
  if (likely * 2 <= countLeaves(options.snapshot)) return;
  if (likely <= FEW && !await isShown(gone, new Relisting(remote, options))) return;
  const names = gone.slice(0, SHOWN).map((path) => `"${printable(path)}"`).join(", ");
  const message =
    `The listing of ${remote.label} cannot be right: of ${count} files that it shows and that were looked at, ` +
    `${gone.length} are not there (${names}). Nothing was changed; run again, or look at the folder with another program.`;
  throw new SyncError("refused", message, { operation: "list", backend: remote.label });
}

/** What is known of files that were gone when they were to be read. */
export class Vanished {
  readonly #relistings: Readonly<Record<Side, Relisting>>;
  #gone = 0;
  #tried = 0;

  constructor(sides: Backends, call: Call) {
    this.#relistings = { local: new Relisting(sides.local, call), remote: new Relisting(sides.remote, call) };
  }

  /** Whether too many files vanished for that to be chance. */
  get areMost(): boolean {
    return this.#gone > FEW && this.#gone * 2 > this.#tried;
  }

  /** Counts a copy that was tried. */
  countTried(): void {
    this.#tried++;
  }

  /** Rejects with notFound if the source is listed still, though it cannot be read; otherwise it has vanished. */
  async lookAgain({ to, source: { path } }: Copy): Promise<void> {
    this.#gone++;
    if (await this.#relistings[otherSide(to)].find(path) === undefined) return;
    const message = `Cannot read "${
      printable(path)
    }": the listing shows it, and the server says that it does not exist`;
    throw new SyncError("notFound", message, { operation: "copy", path });
  }
}

/** How many names are looked at before a run changes anything. */
const PROBED = 8;
/** So many files may vanish by chance between a listing and their transfers. */
const FEW = 10;
const SHOWN = 3;

async function isShown(paths: readonly RelPath[], relisting: Relisting): Promise<boolean> {
  for (const path of paths) if (await relisting.find(path) !== undefined) return true;
  return false;
}
