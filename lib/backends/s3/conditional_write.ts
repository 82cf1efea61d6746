import { SyncError } from "../../core/errors.ts";
import type { Entry } from "../../core/entry.ts";
import { mustMatch } from "../shared/preconditions.ts";
import { isAmazon } from "./object_options.ts";
import type { Store } from "./client.ts";
import type { Condition } from "./types.ts";
import { find, keyOf, type Spot, toFile } from "./stat.ts";

/**
 * A store's support for If-None-Match and If-Match on writes. If a store ignores them, a request before the write has
 * to check instead.
 */
export interface Honours {
  absent: "yes" | "no" | undefined;
  match: "quoted" | "bare" | "no" | undefined;
  isAsking: boolean;
}

/**
 * Returns what is known about a store. Amazon S3 has supported both since November 2024; for any other store the first
 * writes find it out.
 */
export function toHonours(endpoint: URL | undefined): Honours {
  return isAmazon(endpoint)
    ? { absent: "yes", match: "quoted", isAsking: false }
    : { absent: undefined, match: undefined, isAsking: false };
}

/** A write that can be repeated under another precondition; each call starts it again. */
export interface Guarded<T> {
  readonly store: Store;
  readonly honours: Honours;
  readonly spot: Spot;
  readonly expect: Entry | "absent" | undefined;
  write(condition: Condition): Promise<T>;
}

/**
 * Writes if the expected entry is there: by a precondition if the store is known to support it, otherwise by a check
 * just before the write.
 */
export async function guarded<T>({ store, honours, spot, expect, write }: Guarded<T>): Promise<T> {
  if (expect === undefined) return await write({});
  const look = () => mustBeExpected(store, spot, expect);
  if (expect === "absent") {
    if (honours.absent !== "yes") await look();
    return await write(honours.absent === "no" ? {} : { ifNoneMatch: true });
  }
  const ifMatch = expect.kind === "file" ? expect.revision : undefined;
  // The mtime can differ although the ETag, which belongs to the content, is the same.
  const isTold = ifMatch !== undefined && expect.kind === "file" && expect.modified === undefined;
  if (!isTold || honours.match === undefined || honours.match === "no") await look();
  if (ifMatch === undefined || honours.match === "no") return await write({});
  if (honours.match !== undefined) return await write({ ifMatch, bare: honours.match === "bare" });
  try {
    return await write({ ifMatch });
  } catch (error) {
    if (!(error instanceof SyncError) || error.kind !== "changed") throw error;
    // Some stores compare the quotes too: the check a moment ago found the expected ETag.
    await look();
    const written = await write({ ifMatch, bare: true });
    honours.match = "bare";
    return written;
  }
}

/** Returns the precondition by which the store itself prevents lost updates, as far as it is known to support one. */
export function knownCondition({ absent, match }: Honours, expect: Entry | "absent" | undefined): Condition {
  if (expect === "absent") return absent === "yes" ? { ifNoneMatch: true } : {};
  const ifMatch = expect?.kind === "file" ? expect.revision : undefined;
  if (ifMatch === undefined || match === undefined || match === "no") return {};
  return { ifMatch, bare: match === "bare" };
}

/** Throws changed unless the expected entry is there now. */
export async function mustBeExpected(store: Store, spot: Spot, expect: Entry | "absent"): Promise<void> {
  const { operation, path, prefix } = spot;
  const facts = await store.head(keyOf(spot), spot);
  const isFolder = facts === undefined && expect !== "absent" && expect.kind === "dir";
  const found = facts === undefined ? isFolder ? await find(store, spot) : undefined : toFile(path, facts);
  mustMatch({ expect }, found, { operation, shown: path || prefix, backend: "s3" });
}

/**
 * Finds out whether the store supports the precondition of a first write, by repeating the write under one that does
 * not hold. If the store refuses it, preconditions work. Never rejects: if the result stays unknown, each write is
 * preceded by a check.
 */
export async function learnHonours(
  honours: Honours,
  expect: Entry | "absent" | undefined,
  again: (condition: Condition) => Promise<unknown>,
): Promise<void> {
  if (expect === undefined || honours.isAsking) return;
  honours.isAsking = true;
  if (expect === "absent" && honours.absent === undefined) {
    honours.absent = await isRefused(again({ ifNoneMatch: true }));
  } else if (expect !== "absent" && honours.match === undefined) {
    const isReal = await isRefused(again({ ifMatch: NO_ETAG }));
    honours.match = isReal === undefined ? undefined : isReal === "yes" ? "quoted" : "no";
  }
  honours.isAsking = false;
}

/** An ETag that no object has. */
const NO_ETAG = "0".repeat(32);

async function isRefused(work: Promise<unknown>): Promise<"yes" | "no" | undefined> {
  try {
    await work;
    return "no";
  } catch (error) {
    return error instanceof SyncError && error.kind === "changed" ? "yes" : undefined;
  }
}
