import { escapeForDisplay, parentOf, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { FAILURE, statusOf } from "./errors.ts";
import type { SftpClient } from "./client.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import { type OperationContext, operationError, type ResolvedPath } from "../../core/operation.ts";

/** The context of an operation on one path, with the check of the folders above it. */
export interface PathContext extends ResolvedPath {
  /** Checks the parent folders. Rejects if one is absent, a link or no folder. */
  checkParent(client: SftpClient): Promise<void>;
}

/** An entry built from attributes alone. A link's target takes a request of its own. */
export type StatEntry = Exclude<Entry, { kind: "link" }> | { readonly kind: "link"; readonly path: RelPath };

/** Converts attributes to an entry. Mode bits are masked to rwx; impossible sizes and unknown types become opaque. */
export function parseStat(path: RelPath, attributes: RawAttributes): StatEntry {
  const { mode, size, mtime } = attributes;
  const modified = mtime === undefined ? {} : { modified: mtime * 1000 };
  const rwx = mode === undefined ? {} : { mode: mode & 0o777 };
  switch (mode === undefined ? undefined : mode & TYPE_MASK) {
    case FILE:
      if (size === undefined || !Number.isSafeInteger(size)) {
        return { kind: "opaque", path, cause: "unreadable", why: "the server reports no valid size" };
      }
      return { kind: "file", path, size, ...modified, ...rwx };
    case DIR:
      return { kind: "dir", path, ...modified, ...rwx };
    case LINK:
      return { kind: "link", path };
    case undefined:
      return { kind: "opaque", path, cause: "unreadable", why: "the server does not report its type" };
    default:
      return { kind: "opaque", path, cause: "special", why: "it is a device, a pipe or a socket" };
  }
}

/** Completes an entry with a link's target. A link without a readable target becomes opaque. */
export async function withLinkTarget(
  client: SftpClient,
  entry: StatEntry,
  context: OperationContext & { readonly serverPath: string },
): Promise<Entry> {
  if (entry.kind !== "link") return entry;
  const { path } = entry;
  try {
    const target = await client.readlink(context.serverPath, context);
    if (!target.includes("\ufffd") && target !== "") return { kind: "link", path, target };
    return { kind: "opaque", path, cause: "link", why: "it is a link whose target is no valid Unicode" };
  } catch (error) {
    if (client.closed.aborted || context.signal.aborted) throw error;
    return { kind: "opaque", path, cause: "link", why: "it is a link whose target the server does not report" };
  }
}

/** Returns the current entry, or undefined if there is none. Does not follow a link. */
export async function stat(
  client: SftpClient,
  serverPath: string,
  context: OperationContext,
): Promise<Entry | undefined> {
  try {
    const attributes = await client.lstat(serverPath, context);
    return attributes === undefined
      ? undefined
      : await withLinkTarget(client, parseStat(context.path, attributes), { ...context, serverPath });
  } catch (error) {
    // A path below a file does not exist, which some servers report as a mere failure.
    if (statusOf(error) !== FAILURE || serverPath === "/") throw error;
    const parent = await stat(client, serverPath.slice(0, serverPath.lastIndexOf("/")) || "/", context);
    if (parent !== undefined && parent.kind !== "file") throw error;
    return undefined;
  }
}

/** Rejects with kind "changed" unless `found` is as expected. */
export function assertUnchanged(found: Entry | undefined, context: OperationContext & Precondition): void {
  const why = context.expect === undefined ? undefined : describeMismatch(context.expect, found);
  if (why !== undefined) throw operationError(context, "changed", { why });
}

/** Returns the current entry. Rejects with kind "changed" if it is not as expected. */
export async function statExpecting(
  client: SftpClient,
  serverPath: string,
  context: OperationContext & Precondition,
): Promise<Entry | undefined> {
  const found = await stat(client, serverPath, context);
  assertUnchanged(found, context);
  return found;
}

/** Returns the precondition alone. */
export function pickExpected({ expect }: Precondition): Precondition {
  return expect === undefined ? {} : { expect };
}

/** Returns the server path of a child. */
export function childOf(dir: string, name: string): string {
  return dir === "/" ? `/${name}` : `${dir}/${name}`;
}

const TYPE_MASK = 0o170000;
const FILE = 0o100000;
const DIR = 0o040000;
const LINK = 0o120000;

/**
 * Checks that a path below the root leads through folders only, never through a link to the outside. For listings a
 * result stays valid for a few seconds. Reads, writes and removals check again, since a folder may have become a link
 * meanwhile; concurrent calls share one check.
 */
export class ParentCheck {
  readonly #toServerPath: (path: RelPath) => string;
  readonly #checks = new Map<RelPath, CachedCheck>();

  /** `toServerPath`: returns the server path of a path. */
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
    { context, checkParent }: CheckOptions,
  ): Promise<void> {
    const [found] = await Promise.all([stat(client, this.#toServerPath(dir), context), checkParent(parentOf(dir))]);
    if (found?.kind === "dir") return;
    if (found === undefined) {
      throw operationError(context, "notFound", { why: `there is no folder "${escapeForDisplay(dir)}"` });
    }
    const what = found.kind === "file" ? "a file" : found.kind === "link" ? "a link" : "something else";
    throw operationError(context, "refused", { why: `"${escapeForDisplay(dir)}" is ${what}, not a folder` });
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
