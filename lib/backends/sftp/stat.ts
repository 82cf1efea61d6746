import type { RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { FAILURE, statusOf } from "./errors.ts";
import type { SftpClient } from "./client.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** A path as callers know it, and as the server names it. */
export interface ResolvedPath {
  readonly path: RelPath;
  readonly serverPath: string;
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
        return { kind: "opaque", path, cause: "unreadable", why: "the server tells no possible size" };
      }
      return { kind: "file", path, size, ...modified, ...rwx };
    case DIR:
      return { kind: "dir", path, ...modified, ...rwx };
    case LINK:
      return { kind: "link", path };
    case undefined:
      return { kind: "opaque", path, cause: "unreadable", why: "the server does not tell what it is" };
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
    return { kind: "opaque", path, cause: "link", why: "it is a link whose target the server does not tell" };
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

/** Returns the server path of a child. */
export function childOf(dir: string, name: string): string {
  return dir === "/" ? `/${name}` : `${dir}/${name}`;
}

const TYPE_MASK = 0o170000;
const FILE = 0o100000;
const DIR = 0o040000;
const LINK = 0o120000;
