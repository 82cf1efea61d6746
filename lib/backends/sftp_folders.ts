import { parentOf, printable, type RelPath, root } from "../path.ts";
import { look } from "./sftp_entry.ts";
import { type Ask, failure } from "./sftp_status.ts";
import type { Wire } from "./sftp_wire.ts";

/**
 * Makes sure that a path below the root leads through folders only, never through a link that leads out of it. What was
 * seen stays true for a few seconds, so that hundreds of files in one folder cost one look.
 */
export class Folders {
  readonly #toAt: (path: RelPath) => string;
  readonly #seen = new Map<RelPath, Seen>();

  /** `toAt`: a path as the server names it. */
  constructor(toAt: (path: RelPath) => string) {
    this.#toAt = toAt;
  }

  /** Rejects with notFound when `dir` or a folder above it is absent, with refused when one is a link or no folder. */
  async check(wire: Wire, dir: RelPath, ask: Ask): Promise<void> {
    if (dir === root) return;
    const now = performance.now();
    const known = this.#seen.get(dir);
    if (known !== undefined && known.until > now) {
      return await settled(known.check, ask, () => this.#look(wire, dir, ask));
    }
    const check = this.#look(wire, dir, ask);
    if (this.#seen.size >= MOST) this.#seen.clear();
    this.#seen.set(dir, { until: now + TRUST_MS, check });
    try {
      await check;
    } catch (error) {
      this.#seen.delete(dir);
      throw error;
    }
  }

  /** What was seen there holds no longer. */
  forget(dir: RelPath): void {
    this.#seen.delete(dir);
  }

  async #look(wire: Wire, dir: RelPath, ask: Ask): Promise<void> {
    const [found] = await Promise.all([
      look(wire, this.#toAt(dir), ask),
      this.check(wire, parentOf(dir), ask),
    ]);
    if (found?.kind === "dir") return;
    if (found === undefined) throw failure(ask, "notFound", { why: `there is no folder "${printable(dir)}"` });
    const what = found.kind === "file" ? "a file" : found.kind === "link" ? "a link" : "something else";
    throw failure(ask, "refused", { why: `"${printable(dir)}" is ${what}, not a folder` });
  }
}

interface Seen {
  readonly until: number;
  readonly check: Promise<void>;
}

const TRUST_MS = 5_000;
const MOST = 10_000;

/** A look shared with another call may fail for a reason of that call alone: then one of our own decides. */
async function settled(check: Promise<void>, ask: Ask, again: () => Promise<void>): Promise<void> {
  try {
    await check;
  } catch (error) {
    if (ask.signal.aborted) throw error;
    await again();
  }
}
