import { SyncError } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Reply } from "../../http/client.ts";
import { toSyncError } from "../../http/errors.ts";
import type { Budget } from "../../http/parallel_download.ts";
import { toChild, toEntry } from "./entry.ts";
import { encodePath, type HrefBase, placeHref } from "./href.ts";
import type { Link } from "./client.ts";
import { lookRefusal } from "./errors.ts";
import { type DavResponse, Multistatus, OWN_NAMESPACE, usualBounds } from "./multistatus.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** A path as callers know it, and its names from the server's root on. */
export interface Spot extends OperationContext {
  readonly names: readonly string[];
  readonly path: RelPath;
}

/** An entry, and the server's response for it. */
export interface Seen {
  readonly entry: Entry;
  readonly response: DavResponse;
}

/** The connection to a server and what requests need to know about it. */
export interface Finder {
  readonly link: Link;
  /** The host whose hrefs count. */
  readonly host: string;
  /** Whether requests ask for ownCloud's properties too. */
  readonly asksChecksums: boolean;
  /**
   * Whether edit times are kept in Tandem's own property, because the server's time shows when a file arrived there.
   */
  readonly ownTimes: boolean;
  /** The shared limit of pieces of parallel downloads. */
  readonly budget: Budget;
  readonly learned: Learned;
  /** The highest number of bytes of a listing. */
  readonly most: number;
  /** Called once, when a listing has no readable time for any file. */
  onNoTimes(): void;
}

/** The server's behaviour, as found during the session. */
export interface Learned {
  /** Whether the server was seen to write a part into a file. */
  goesOn?: boolean;
  /** Whether listings were seen to show names that begin with a dot, or to leave an existing one out. */
  showsDots?: boolean;
  /** Whether a file that did not change had another ETag each time. */
  looseTags?: boolean;
  /** Whether the time of any file could be read in a listing. */
  tellsTimes?: boolean;
}

/** Returns the current entry, or undefined if there is none. Does not follow redirects. */
export async function find(finder: Finder, spot: Spot): Promise<Seen | undefined> {
  const reply = await propfind(finder, spot, { depth: 0, uri: encodePath(spot.names) });
  if (reply.status === 404 || reply.status === 410) {
    await reply.drop();
    return undefined;
  }
  if (reply.status !== 207) {
    await reply.drop();
    // A path below a file: some servers answer it as a bad request.
    if (BELOW_A_FILE.includes(reply.status) && await isBelowFile(finder, spot)) return undefined;
    throw lookRefusal(spot, reply);
  }
  const base = baseOf(finder, spot);
  let found: DavResponse | undefined;
  for await (const response of responsesOf(reply, spot, finder)) {
    if (found === undefined && placeHref(response.href, base).is === "self") found = response;
  }
  if (found === undefined) {
    throw operationError(spot, "unexpected", {
      why: "the server answers for another path than the one it was asked for",
    });
  }
  return found.status === 404 ? undefined : { entry: toEntry(spot.path, found, finder), response: found };
}

/** Lists the children of a folder completely, or rejects. */
export async function children(finder: Finder, spot: Spot): Promise<readonly Entry[]> {
  const reply = await propfind(finder, spot, { depth: 1, uri: encodePath(spot.names, "folder") });
  if (reply.status !== 207) {
    await reply.drop();
    throw await whyNotListed(finder, spot, reply);
  }
  const base = baseOf(finder, spot);
  const found: Entry[] = [];
  let self: DavResponse | undefined;
  for await (const response of responsesOf(reply, spot, finder)) {
    const child = toChild(spot.path, response, { ...base, ownTimes: finder.ownTimes });
    if (child === "self") self = response;
    else if (child !== undefined) {
      found.push(child);
      if (nameOf(child.path).startsWith(".")) finder.learned.showsDots = true;
    }
  }
  // A listing that does not name its folder may belong to another path, or to none at all.
  if (self === undefined) {
    throw operationError(spot, "unexpected", { why: "the listing does not name the folder itself" });
  }
  if (self.status === 404) throw operationError(spot, "notFound", { why: "there is no such folder" });
  const own = toEntry(spot.path, self, finder);
  if (own.kind === "opaque") throw operationError(spot, "denied", { why: own.why });
  if (own.kind !== "dir") throw operationError(spot, "refused", { why: "it is a file" });
  learnTimes(finder, found);
  return found;
}

function learnTimes({ learned, onNoTimes }: Finder, entries: readonly Entry[]): void {
  const files = learned.tellsTimes === true ? [] : entries.filter((entry) => entry.kind === "file");
  if (files.length === 0) return;
  const isFirst = learned.tellsTimes === undefined;
  learned.tellsTimes = files.some(({ modified }) => modified !== undefined);
  if (isFirst && !learned.tellsTimes) onNoTimes();
}

const PROPS =
  `<D:resourcetype/><D:getcontentlength/><D:getlastmodified/><D:getetag/><T:edited xmlns:T="${OWN_NAMESPACE}"/>`;
const OC_PROPS = `<O:id xmlns:O="http://owncloud.org/ns"/><O:checksums xmlns:O="http://owncloud.org/ns"/>`;
const BELOW_A_FILE: readonly number[] = [400, 403, 405, 409];

async function propfind(
  { link, asksChecksums }: Finder,
  ask: OperationContext,
  { depth, uri }: { readonly depth: 0 | 1; readonly uri: string },
): Promise<Reply> {
  const props = asksChecksums ? PROPS + OC_PROPS : PROPS;
  return await link.send({
    method: "PROPFIND",
    uri,
    headers: { "depth": String(depth), "content-type": 'application/xml; charset="utf-8"' },
    body: `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>${props}</D:prop></D:propfind>`,
  }, ask);
}

function baseOf({ host }: Finder, { names }: Spot): HrefBase {
  return { host, names };
}

async function* responsesOf(reply: Reply, ask: OperationContext, { most }: Finder): AsyncGenerator<DavResponse> {
  const reader = new Multistatus({ ...usualBounds, bytes: most });
  try {
    for await (const bytes of reply.chunks()) yield* reader.push(bytes);
    yield* reader.end();
  } catch (error) {
    if (!(error instanceof RangeError)) throw toSyncError(ask, error);
    throw operationError(ask, "unexpected", {
      why: `the server's listing cannot be read: ${error.message}`,
      cause: error,
    });
  }
}

async function isBelowFile(finder: Finder, spot: Spot): Promise<boolean> {
  if (spot.names.length < 2) return false;
  const parent = { ...spot, names: spot.names.slice(0, -1), path: parentOf(spot.path) };
  const found = await find(finder, parent);
  return found === undefined || found.entry.kind === "file";
}

async function whyNotListed(finder: Finder, spot: Spot, reply: Reply): Promise<SyncError> {
  if (reply.status === 404 || reply.status === 410) {
    return operationError(spot, "notFound", { why: "there is no such folder" });
  }
  const isAbsent = BELOW_A_FILE.includes(reply.status) && await find(finder, spot) === undefined;
  return isAbsent ? operationError(spot, "notFound", { why: "there is no such folder" }) : lookRefusal(spot, reply);
}
