import type { RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import { mismatch } from "../shared/preconditions.ts";
import { FAILURE, statusOf } from "./errors.ts";
import type { Wire } from "./client.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** A path as callers know it, and as the server names it. */
export interface Spot {
  readonly path: RelPath;
  readonly at: string;
}

/** An entry built from attributes alone. A link's target takes a request of its own. */
export type Seen = Exclude<Entry, { kind: "link" }> | { readonly kind: "link"; readonly path: RelPath };

/** Converts attributes to an entry. Mode bits are masked to rwx; impossible sizes and unknown types become opaque. */
export function toSeen(path: RelPath, attributes: RawAttributes): Seen {
  const { mode, size, mtime } = attributes;
  const modified = mtime === undefined ? {} : { modified: mtime * 1000 };
  const rwx = mode === undefined ? {} : { mode: mode & 0o777 };
  switch (mode === undefined ? undefined : mode & TYPE) {
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
export async function toEntry(wire: Wire, seen: Seen, ask: OperationContext & { readonly at: string }): Promise<Entry> {
  if (seen.kind !== "link") return seen;
  const { path } = seen;
  try {
    const target = await wire.readlink(ask.at, ask);
    if (!target.includes("\ufffd") && target !== "") return { kind: "link", path, target };
    return { kind: "opaque", path, cause: "link", why: "it is a link whose target is no valid Unicode" };
  } catch (error) {
    if (wire.closed.aborted || ask.signal.aborted) throw error;
    return { kind: "opaque", path, cause: "link", why: "it is a link whose target the server does not tell" };
  }
}

/** Returns the current entry, or undefined if there is none. Does not follow a link. */
export async function look(wire: Wire, at: string, ask: OperationContext): Promise<Entry | undefined> {
  try {
    const attributes = await wire.lstat(at, ask);
    return attributes === undefined ? undefined : await toEntry(wire, toSeen(ask.path, attributes), { ...ask, at });
  } catch (error) {
    // A path below a file does not exist, which some servers report as a mere failure.
    if (statusOf(error) !== FAILURE || at === "/") throw error;
    const above = await look(wire, at.slice(0, at.lastIndexOf("/")) || "/", ask);
    if (above !== undefined && above.kind !== "file") throw error;
    return undefined;
  }
}

/** Rejects with kind "changed" unless `found` is as expected. */
export function mustMatch(found: Entry | undefined, ask: OperationContext & Expecting): void {
  const why = ask.expect === undefined ? undefined : mismatch(ask.expect, found);
  if (why !== undefined) throw operationError(ask, "changed", { why });
}

/** Returns the current entry. Rejects with kind "changed" if it is not as expected. */
export async function lookFor(wire: Wire, at: string, ask: OperationContext & Expecting): Promise<Entry | undefined> {
  const found = await look(wire, at, ask);
  mustMatch(found, ask);
  return found;
}

/** Returns the server path of a child. */
export function childOf(dir: string, name: string): string {
  return dir === "/" ? `/${name}` : `${dir}/${name}`;
}

const TYPE = 0o170000;
const FILE = 0o100000;
const DIR = 0o040000;
const LINK = 0o120000;
