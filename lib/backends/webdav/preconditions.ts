import type { Entry, FileEntry } from "../../core/entry.ts";
import { mismatch } from "../shared/preconditions.ts";
import { strongTag } from "./entry.ts";
import { find, type Finder, type Seen, type Spot } from "./propfind.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Rejects with changed unless the current entry is as expected. If only the ETag differs, the entry is requested again.
 * An ETag that changes each time, as those of several servers behind one address do, does not identify a version, and
 * is ignored for the rest of the session.
 */
export async function mustMatch(
  finder: Finder,
  spot: Spot,
  { expect, seen }: { readonly expect: Expected; readonly seen: Seen | undefined },
): Promise<void> {
  const why = mismatch(known(finder, expect), known(finder, seen?.entry));
  if (why === undefined || await isLoose(finder, spot, { expect, seen })) return;
  throw operationError(spot, "changed", { why });
}

/** Returns the ETag for a precondition, unless this server's ETags do not identify a version. */
export function conditionOf({ learned }: Finder, seen: Seen | undefined): string | undefined {
  return learned.looseTags === true ? undefined : strongTag(seen?.response.props.etag);
}

type Expected = Entry | "absent";

/** Whether the file's ETag changed again although size and time did not. Remembered for the session. */
export async function isLoose(
  finder: Finder,
  spot: Spot,
  { expect, seen }: { readonly expect: Expected; readonly seen: Seen | undefined },
): Promise<boolean> {
  if (finder.learned.looseTags === true || expect === "absent" || seen === undefined) return false;
  const { entry } = seen;
  const isTimed = entry.kind === "file" && entry.modified !== undefined;
  if (!isTimed || mismatch(withoutTag(expect), withoutTag(entry)) !== undefined) return false;
  const again = await find(finder, spot);
  const isSame = again !== undefined && mismatch(withoutTag(entry), withoutTag(again.entry)) === undefined;
  if (!isSame || again.response.props.etag === seen.response.props.etag) return false;
  finder.learned.looseTags = true;
  return true;
}

function known<E extends Expected | undefined>({ learned }: Finder, entry: E): E | FileEntry {
  return learned.looseTags === true ? withoutTag(entry) : entry;
}

function withoutTag<E extends Expected | undefined>(entry: E): E | FileEntry {
  if (entry === undefined || entry === "absent" || entry.kind !== "file") return entry;
  const { revision: _, ...rest }: FileEntry = entry;
  return rest;
}
