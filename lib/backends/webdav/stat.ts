import type { Entry, FileEntry } from "../../core/entry.ts";
import { escapeForDisplay, root } from "../../core/path.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import { strongEtag, toEntry } from "./entry.ts";
import { isWithoutSize, withMeasuredSize } from "./file_size.ts";
import { encodePath, locateHref } from "./href.ts";
import {
  type DavClient,
  type FoundEntry,
  hrefBase,
  parentTarget,
  type PathContext,
  propfind,
  readMultistatus,
} from "./client.ts";
import { statToSyncError } from "./errors.ts";
import type { DavResponse } from "./multistatus.ts";
import { operationError } from "../../core/operation.ts";

/** The statuses with which servers refuse a path below a file. */
export const BELOW_FILE_STATUSES: readonly number[] = [400, 403, 405, 409];
/** The statuses of a path with a slash at its end if it is a file, or nothing. */
const ABSENT_FOLDER_STATUSES: readonly number[] = [404, 410, ...BELOW_FILE_STATUSES];

/** Returns the current entry, or undefined if there is none. */
export async function stat(client: DavClient, target: PathContext): Promise<FoundEntry | undefined> {
  return target.path === root ? await statFolder(client, target) : await statAs(client, target, "file");
}

/**
 * Returns the current entry of a path where a folder should be. It is requested with a slash, since servers redirect a
 * folder without one; a file may be absent in that form, so that only the plain path proves that nothing is there.
 */
export async function statFolder(client: DavClient, target: PathContext): Promise<FoundEntry | undefined> {
  return await statAs(client, target, "folder");
}

async function statAs(
  client: DavClient,
  target: PathContext,
  as: "file" | "folder",
): Promise<FoundEntry | undefined> {
  const response = await propfind(client, target, { depth: 0, uri: encodePath(target.serverPath, as) });
  if (as === "folder" && ABSENT_FOLDER_STATUSES.includes(response.status) && target.serverPath.length > 0) {
    await response.discard();
    return await statAs(client, target, "file");
  }
  if (response.status === 404 || response.status === 410) {
    await response.discard();
    return undefined;
  }
  if (response.status !== 207) {
    await response.discard();
    // A path below a file: some servers answer it as a bad request.
    if (BELOW_FILE_STATUSES.includes(response.status) && await isBelowFile(client, target)) return undefined;
    throw statToSyncError(target, response);
  }
  const base = hrefBase(client, target, response);
  let match: DavResponse | undefined;
  let other: string | undefined;
  for await (const davResponse of readMultistatus(response, target, client)) {
    if (match === undefined && locateHref(davResponse.href, base).is === "self") match = davResponse;
    else other ??= davResponse.href;
  }
  if (match === undefined) {
    throw operationError(target, "unexpected", {
      why: "the server answers for another path than the requested one" +
        (other === undefined
          ? ""
          : `: "${
            escapeForDisplay(other).slice(0, 200)
          }"; a proxy that rewrites paths must rewrite those in replies too`),
    });
  }
  if (match.status === 404) return undefined;
  const davResponse = isWithoutSize(match) ? await withMeasuredSize(client, target, match) : match;
  return { entry: toEntry(target.path, davResponse, client), davResponse };
}

async function isBelowFile(client: DavClient, target: PathContext): Promise<boolean> {
  if (target.serverPath.length < 2) return false;
  const found = await statFolder(client, parentTarget(target));
  return found === undefined || found.entry.kind === "file";
}

/**
 * Rejects with changed unless the current entry is as expected. If only the ETag differs, the entry is requested again.
 * An ETag that changes each time, as those of several servers behind one address do, does not identify a version, and
 * is ignored for the rest of the session.
 */
export async function assertUnchanged(
  client: DavClient,
  target: PathContext,
  { expect, found }: { readonly expect: Expected; readonly found: FoundEntry | undefined },
): Promise<void> {
  const why = describeMismatch(comparable(client, expect), comparable(client, found?.entry));
  if (why === undefined || await hasUnstableEtag(client, target, { expect, found })) return;
  throw operationError(target, "changed", { why });
}

/**
 * Returns the current target as the options expect it. Rejects with changed if it is not as expected, and with exists
 * if a file cannot replace it.
 */
export async function statExpecting(
  client: DavClient,
  target: PathContext & { readonly expect?: Entry | "absent" },
): Promise<FoundEntry | undefined> {
  const found = await stat(client, target);
  if (target.expect !== undefined) await assertUnchanged(client, target, { expect: target.expect, found });
  if (found === undefined || found.entry.kind === "file") return found;
  const what = found.entry.kind === "dir" ? "a folder" : "something that must not be touched";
  throw operationError(target, "exists", { why: `${what} is there` });
}

/** Returns the ETag for a precondition, unless this server's ETags do not identify a version. */
export function ifMatchEtag({ observed }: DavClient, found: FoundEntry | undefined): string | undefined {
  return observed.unstableEtags === true ? undefined : strongEtag(found?.davResponse.props.etag);
}

type Expected = Entry | "absent";

/** Whether the file's ETag changed again although size and time did not. Remembered for the session. */
export async function hasUnstableEtag(
  client: DavClient,
  target: PathContext,
  { expect, found }: { readonly expect: Expected; readonly found: FoundEntry | undefined },
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
