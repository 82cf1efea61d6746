import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";

/**
 * Returns why `found` does not meet the precondition, or undefined if it does. Files are compared by size, by time
 * (within the coarser of both time steps; unknown times are not compared) and by revision, links by target, others by
 * kind.
 */
export function describeMismatch(expect: Entry | "absent", found: Entry | undefined): string | undefined {
  if (expect === "absent") return found === undefined ? undefined : `${describeEntry(found)} is there now`;
  if (found === undefined) return "it is gone";
  if (expect.kind === "file" && found.kind === "file") {
    if (expect.size !== found.size) return `it has ${found.size} bytes now, ${expect.size} before`;
    const step = Math.max(expect.timeStep ?? 0, found.timeStep ?? 0);
    const [was, is] = [expect.modified, found.modified];
    if (was !== undefined && is !== undefined && Math.abs(is - was) > step) return "it was modified meanwhile";
    const [old, now] = [expect.revision, found.revision];
    return old !== undefined && now !== undefined && old !== now ? "it was replaced meanwhile" : undefined;
  }
  if (expect.kind === "link" && found.kind === "link" && expect.target !== found.target) {
    return "the link points elsewhere now";
  }
  return expect.kind === found.kind ? undefined : `${describeEntry(found)} is there now`;
}

/**
 * Throws kind "changed" unless `found` meets the precondition in the options. `shown` is the path as messages show it.
 */
export function assertUnchanged(
  options: Precondition,
  found: Entry | undefined,
  facts: { readonly operation: string; readonly shown: string; readonly backend: string },
): void {
  if (options.expect === undefined) return;
  const why = describeMismatch(options.expect, found);
  if (why === undefined) return;
  const { operation, shown, backend } = facts;
  throw new SyncError("changed", `Cannot ${operation} "${escapeForDisplay(shown)}": ${why}`, {
    operation,
    backend,
    ...(found === undefined ? {} : { path: found.path }),
  });
}

function describeEntry(entry: Entry): string {
  switch (entry.kind) {
    case "file":
      return "a file";
    case "dir":
      return "a folder";
    case "link":
      return "a link";
    case "opaque":
      return "something that must not be touched";
    default:
      return entry satisfies never;
  }
}
