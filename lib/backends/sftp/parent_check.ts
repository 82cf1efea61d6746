import { escapeForDisplay, parentOf, type RelPath, root } from "../../core/path.ts";
import { stat } from "./stat.ts";
import type { SftpClient } from "./client.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * Checks that a path below the root leads through folders only, never through a link to the outside. For listings a
 * result stays valid for a few seconds. Reads, writes and removals check again, since a folder may have become a link
 * meanwhile; concurrent calls share one check.
 */
export class ParentCheck {
  readonly #toServerPath: (path: RelPath) => string;
  readonly #checks = new Map<RelPath, CachedCheck>();

  /** `toAt`: returns the server path of a path. */
  constructor(toServerPath: (path: RelPath) => string) {
    this.#toServerPath = toServerPath;
  }

  /**
   * Rejects with notFound when `dir` or a folder above it is absent, and with refused when one is a link or no folder.
   */
  async check(client: SftpClient, dir: RelPath, context: OperationContext): Promise<void> {
    if (dir === root) return;
    const now = performance.now();
    const cached = this.#checks.get(dir);
    if (cached !== undefined && cached.validUntil > now) {
      return await awaitShared(
        cached.result,
        context,
        () => this.#statFolder(client, dir, { context, checkParent: (above) => this.check(client, above, context) }),
      );
    }
    await this.#start(client, dir, { context, checkParent: (above) => this.check(client, above, context) });
  }

  /** Checks like check(), but shares only a check that is still running. */
  async checkNow(client: SftpClient, dir: RelPath, context: OperationContext): Promise<void> {
    if (dir === root) return;
    const options = { context, checkParent: (above: RelPath) => this.checkNow(client, above, context) };
    const cached = this.#checks.get(dir);
    if (cached?.isRunning === true) {
      return await awaitShared(cached.result, context, () => this.#statFolder(client, dir, options));
    }
    await this.#start(client, dir, options);
  }

  async #start(client: SftpClient, dir: RelPath, options: CheckOptions): Promise<void> {
    const cached: CachedCheck = {
      validUntil: performance.now() + CACHE_MS,
      isRunning: true,
      result: this.#statFolder(client, dir, options),
    };
    if (this.#checks.size >= MAX_CACHED) this.#checks.clear();
    this.#checks.set(dir, cached);
    try {
      await cached.result;
      cached.isRunning = false;
    } catch (error) {
      if (this.#checks.get(dir) === cached) this.#checks.delete(dir);
      throw error;
    }
  }

  /** Discards the cached result for a folder. */
  invalidate(dir: RelPath): void {
    this.#checks.delete(dir);
  }

  async #statFolder(
    client: SftpClient,
    dir: RelPath,
    { context: ask, checkParent: check }: CheckOptions,
  ): Promise<void> {
    const [found] = await Promise.all([stat(client, this.#toServerPath(dir), ask), check(parentOf(dir))]);
    if (found?.kind === "dir") return;
    if (found === undefined) {
      throw operationError(ask, "notFound", { why: `there is no folder "${escapeForDisplay(dir)}"` });
    }
    const what = found.kind === "file" ? "a file" : found.kind === "link" ? "a link" : "something else";
    throw operationError(ask, "refused", { why: `"${escapeForDisplay(dir)}" is ${what}, not a folder` });
  }
}

interface CachedCheck {
  readonly validUntil: number;
  isRunning: boolean;
  readonly result: Promise<void>;
}

interface CheckOptions {
  readonly context: OperationContext;
  /** Checks the parent folder. */
  checkParent(above: RelPath): Promise<void>;
}

const CACHE_MS = 5_000;
const MAX_CACHED = 10_000;

/**
 * Awaits a check shared with another call. It may fail for a reason of that call alone; then this call checks again.
 */
async function awaitShared(check: Promise<void>, context: OperationContext, retry: () => Promise<void>): Promise<void> {
  try {
    await check;
  } catch (error) {
    if (context.signal.aborted) throw error;
    await retry();
  }
}
