import type { Entry, FileEntry } from "../../core/entry.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { strongEtag } from "./entry.ts";
import { type DavClient, type FoundEntry, type ResolvedPath, stat } from "./propfind.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Rejects with changed unless the current entry is as expected. If only the ETag differs, the entry is requested again.
 * An ETag that changes each time, as those of several servers behind one address do, does not identify a version, and
 * is ignored for the rest of the session.
 */
export async function assertUnchanged(
  client: DavClient,
  target: ResolvedPath,
  { expect, seen: found }: { readonly expect: Expected; readonly seen: FoundEntry | undefined },
): Promise<void> {
  const why = describeMismatch(comparable(client, expect), comparable(client, found?.entry));
  if (why === undefined || await hasUnstableEtag(client, target, { expect, seen: found })) return;
  throw operationError(target, "changed", { why });
}

/** Returns the ETag for a precondition, unless this server's ETags do not identify a version. */
export function ifMatchEtag({ observed }: DavClient, found: FoundEntry | undefined): string | undefined {
  return observed.unstableEtags === true ? undefined : strongEtag(found?.davResponse.props.etag);
}

type Expected = Entry | "absent";

/** Whether the file's ETag changed again although size and time did not. Remembered for the session. */
export async function hasUnstableEtag(
  client: DavClient,
  target: ResolvedPath,
  { expect, seen: found }: { readonly expect: Expected; readonly seen: FoundEntry | undefined },
): Promise<boolean> {
  if (client.observed.unstableEtags === true || expect === "absent" || found === undefined) return false;
  const { entry } = found;
  const isTimed = entry.kind === "file" && entry.modified !== undefined;
  if (!isTimed || describeMismatch(withoutRevision(expect), withoutRevision(entry)) !== undefined) return false;
  const again = await stat(client, target);
  const isSame = again !== undefined &&
    describeMismatch(withoutRevision(entry), withoutRevision(again.entry)) === undefined;
  if (!isSame || again.davResponse.props.etag === found.davResponse.props.etag) return false;
  client.observed.unstableEtags = true;
  return true;
}

function comparable<E extends Expected | undefined>({ observed }: DavClient, entry: E): E | FileEntry {
  return observed.unstableEtags === true ? withoutRevision(entry) : entry;
}

function withoutRevision<E extends Expected | undefined>(entry: E): E | FileEntry {
  if (entry === undefined || entry === "absent" || entry.kind !== "file") return entry;
  const { revision: _, ...rest }: FileEntry = entry;
  return rest;
}
