import { SyncError } from "../../core/errors.ts";
import type { Entry } from "../../core/entry.ts";
import { assertUnchanged } from "../shared/preconditions.ts";
import { isAmazon } from "./object_options.ts";
import type { S3Client } from "./client.ts";
import { mayRefusePrecondition } from "./errors.ts";
import type { Condition } from "./types.ts";
import { keyOf, type ObjectContext } from "./keys.ts";
import { stat, toFileEntry } from "./stat.ts";

/**
 * A store's support for If-None-Match and If-Match on writes. If a store ignores them, a request before the write has
 * to check instead.
 */
export interface ConditionalWriteSupport {
  ifNoneMatch: "yes" | "no" | undefined;
  ifMatch: "quoted" | "bare" | "no" | undefined;
  isProbing: boolean;
  /** Reports that the store refuses preconditions. */
  readonly warnRefused: () => void;
}

/**
 * Returns what is known about a store. Amazon S3 has supported both since November 2024; for any other store the first
 * writes find it out.
 */
export function initialSupport(endpoint: URL | undefined, warnRefused: () => void): ConditionalWriteSupport {
  return isAmazon(endpoint)
    ? { ifNoneMatch: "yes", ifMatch: "quoted", isProbing: false, warnRefused }
    : { ifNoneMatch: undefined, ifMatch: undefined, isProbing: false, warnRefused };
}

/** Returns the warning about a store that refuses preconditions. */
export function refusedPreconditionsWarning(label: string): string {
  return `${label} refuses If-Match and If-None-Match: what is there is compared just before each write instead, so ` +
    "what another program writes in that moment is replaced.";
}

/** A write that can be repeated under another precondition; each call starts it again. */
export interface ConditionalWrite<T> {
  readonly client: S3Client;
  readonly support: ConditionalWriteSupport;
  readonly context: ObjectContext;
  readonly expect: Entry | "absent" | undefined;
  write(condition: Condition): Promise<T>;
}

/**
 * Writes if the expected entry is there: by a precondition if the store is known to support it, otherwise by a check
 * just before the write.
 */
export async function writeConditionally<T>(
  { client, support, context, expect, write }: ConditionalWrite<T>,
): Promise<T> {
  if (expect === undefined) return await write({});
  const look = () => assertExpected(client, context, expect);
  if (expect === "absent") {
    if (support.ifNoneMatch !== "yes") await look();
    if (support.ifNoneMatch === "no") return await write({});
    return await writeUnlessRefused({ support, condition: { ifNoneMatch: true }, look, write });
  }
  const ifMatch = expect.kind === "file" ? expect.revision : undefined;
  // The mtime can differ although the ETag, which belongs to the content, is the same.
  const isTold = ifMatch !== undefined && expect.kind === "file" && expect.modified === undefined;
  if (!isTold || support.ifMatch === undefined || support.ifMatch === "no") await look();
  if (ifMatch === undefined || support.ifMatch === "no") return await write({});
  const bare = support.ifMatch === "bare";
  try {
    return await writeUnlessRefused({ support, condition: { ifMatch, bare }, look, write });
  } catch (error) {
    if (support.ifMatch !== undefined || !(error instanceof SyncError) || error.kind !== "changed") throw error;
    // Some stores compare the quotes too: the check a moment ago found the expected ETag.
    await look();
    const written = await write({ ifMatch, bare: true });
    support.ifMatch = "bare";
    return written;
  }
}

/**
 * Writes under the precondition. If the store refuses the precondition itself, it is replaced by a check, for all
 * further writes too.
 */
export async function writeUnlessRefused<T>(
  { support, condition, look, write }: Pick<ConditionalWrite<T>, "support" | "write"> & {
    readonly condition: Condition;
    look(): Promise<void>;
  },
): Promise<T> {
  try {
    return await write(condition);
  } catch (error) {
    if (!mayRefusePrecondition(error)) throw error;
    await look();
    // If something else was refused, this is refused as well, and teaches nothing.
    const written = await write({});
    if (condition.ifNoneMatch === true) support.ifNoneMatch = "no";
    else support.ifMatch = "no";
    support.warnRefused();
    return written;
  }
}

/** Returns the precondition by which the store itself prevents lost updates, as far as it is known to support one. */
export function supportedCondition(
  { ifNoneMatch: absent, ifMatch: match }: ConditionalWriteSupport,
  expect: Entry | "absent" | undefined,
): Condition {
  if (expect === "absent") return absent === "yes" ? { ifNoneMatch: true } : {};
  const ifMatch = expect?.kind === "file" ? expect.revision : undefined;
  if (ifMatch === undefined || match === undefined || match === "no") return {};
  return { ifMatch, bare: match === "bare" };
}

/** Throws changed unless the expected entry is there now. */
export async function assertExpected(
  client: S3Client,
  context: ObjectContext,
  expect: Entry | "absent",
): Promise<void> {
  const { operation, path, prefix } = context;
  const facts = await client.head(keyOf(context), context);
  const isFolder = facts === undefined && expect !== "absent" && expect.kind === "dir";
  const found = facts === undefined ? isFolder ? await stat(client, context) : undefined : toFileEntry(path, facts);
  assertUnchanged({ expect }, found, { operation, shown: path || prefix, backend: "s3" });
}

/**
 * Finds out whether the store supports the precondition of a first write, by repeating the write under one that does
 * not hold. If the store refuses it, preconditions work. Never rejects: if the result stays unknown, each write is
 * preceded by a check.
 */
export async function probeSupport(
  support: ConditionalWriteSupport,
  expect: Entry | "absent" | undefined,
  again: (condition: Condition) => Promise<unknown>,
): Promise<void> {
  if (expect === undefined || support.isProbing) return;
  support.isProbing = true;
  if (expect === "absent" && support.ifNoneMatch === undefined) {
    support.ifNoneMatch = await isRejected(again({ ifNoneMatch: true }));
  } else if (expect !== "absent" && support.ifMatch === undefined) {
    const isReal = await isRejected(again({ ifMatch: IMPOSSIBLE_ETAG }));
    support.ifMatch = isReal === undefined ? undefined : isReal === "yes" ? "quoted" : "no";
  }
  support.isProbing = false;
}

/** An ETag that no object has. */
const IMPOSSIBLE_ETAG = "0".repeat(32);

async function isRejected(work: Promise<unknown>): Promise<"yes" | "no" | undefined> {
  try {
    await work;
    return "no";
  } catch (error) {
    return error instanceof SyncError && error.kind === "changed" ? "yes" : undefined;
  }
}
