import { parentOf, printable, type RelPath, root } from "../../core/path.ts";
import { look } from "./stat.ts";
import type { Wire } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * Checks that a path below the root leads through folders only, never through a link to the outside. For listings a
 * result stays valid for a few seconds. Reads, writes and removals check again, since a folder may have become a link
 * meanwhile; concurrent calls share one check.
 */
export class Folders {
  readonly #toAt: (path: RelPath) => string;
  readonly #seen = new Map<RelPath, Seen>();

  /** `toAt`: returns the server path of a path. */
  constructor(toAt: (path: RelPath) => string) {
    this.#toAt = toAt;
  }

  /**
   * Rejects with notFound when `dir` or a folder above it is absent, and with refused when one is a link or no folder.
   */
  async check(wire: Wire, dir: RelPath, ask: OperationContext): Promise<void> {
    if (dir === root) return;
    const now = performance.now();
    const known = this.#seen.get(dir);
    if (known !== undefined && known.until > now) {
      return await settled(
        known.check,
        ask,
        () => this.#look(wire, dir, { ask, check: (above) => this.check(wire, above, ask) }),
      );
    }
    await this.#begin(wire, dir, { ask, check: (above) => this.check(wire, above, ask) });
  }

  /** Checks like check(), but shares only a check that is still running. */
  async checkNow(wire: Wire, dir: RelPath, ask: OperationContext): Promise<void> {
    if (dir === root) return;
    const looking = { ask, check: (above: RelPath) => this.checkNow(wire, above, ask) };
    const known = this.#seen.get(dir);
    if (known?.isUnderWay === true) return await settled(known.check, ask, () => this.#look(wire, dir, looking));
    await this.#begin(wire, dir, looking);
  }

  async #begin(wire: Wire, dir: RelPath, looking: Looking): Promise<void> {
    const seen: Seen = { until: performance.now() + TRUST_MS, isUnderWay: true, check: this.#look(wire, dir, looking) };
    if (this.#seen.size >= MOST) this.#seen.clear();
    this.#seen.set(dir, seen);
    try {
      await seen.check;
      seen.isUnderWay = false;
    } catch (error) {
      if (this.#seen.get(dir) === seen) this.#seen.delete(dir);
      throw error;
    }
  }

  /** Discards the cached result for a folder. */
  forget(dir: RelPath): void {
    this.#seen.delete(dir);
  }

  async #look(wire: Wire, dir: RelPath, { ask, check }: Looking): Promise<void> {
    const [found] = await Promise.all([look(wire, this.#toAt(dir), ask), check(parentOf(dir))]);
    if (found?.kind === "dir") return;
    if (found === undefined) throw operationError(ask, "notFound", { why: `there is no folder "${printable(dir)}"` });
    const what = found.kind === "file" ? "a file" : found.kind === "link" ? "a link" : "something else";
    throw operationError(ask, "refused", { why: `"${printable(dir)}" is ${what}, not a folder` });
  }
}

interface Seen {
  readonly until: number;
  isUnderWay: boolean;
  readonly check: Promise<void>;
}

interface Looking {
  readonly ask: OperationContext;
  /** Checks the parent folder. */
  check(above: RelPath): Promise<void>;
}

const TRUST_MS = 5_000;
const MOST = 10_000;

/**
 * Awaits a check shared with another call. It may fail for a reason of that call alone; then this call checks again.
 */
async function settled(check: Promise<void>, ask: OperationContext, again: () => Promise<void>): Promise<void> {
  try {
    await check;
  } catch (error) {
    if (ask.signal.aborted) throw error;
    await again();
  }
}
