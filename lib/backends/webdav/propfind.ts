import { SyncError } from "../../core/errors.ts";
import { nameOf, parentOf, type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { HttpResponse } from "../../http/client.ts";
import { networkToSyncError } from "../../http/errors.ts";
import { toChild, toEntry } from "./entry.ts";
import { encodePath, type HrefBase, locateHref } from "./href.ts";
import type { AuthenticatedHttp } from "./client.ts";
import { statToSyncError } from "./errors.ts";
import { type DavResponse, DEFAULT_LIMITS, MultistatusParser, OWN_NAMESPACE } from "./multistatus.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import type { Semaphore } from "../../net/semaphore.ts";

/** A path as callers know it, and its names from the server's root on. */
export interface ResolvedPath extends OperationContext {
  readonly serverPath: readonly string[];
  readonly path: RelPath;
}

/** An entry, and the server's response for it. */
export interface FoundEntry {
  readonly entry: Entry;
  readonly davResponse: DavResponse;
}

/** The connection to a server and what requests need to know about it. */
export interface DavClient {
  readonly http: AuthenticatedHttp;
  /** The host whose hrefs count. */
  readonly host: string;
  /** Whether requests ask for ownCloud's properties too. */
  readonly isOwncloud: boolean;
  /**
   * Whether edit times are kept in Tandem's own property, because the server's time shows when a file arrived there.
   */
  readonly hasEditTimes: boolean;
  /** The shared limit of pieces of parallel downloads. */
  readonly pieceLimit: Semaphore;
  readonly observed: ObservedBehaviour;
  /** The highest number of bytes of a listing. */
  readonly maxListingBytes: number;
  /** Called once, when a listing has no readable time for any file. */
  onNoTimes(): void;
}

/** The server's behaviour, as found during the session. */
export interface ObservedBehaviour {
  /** Whether the server was seen to write a part into a file. */
  acceptsRanges?: boolean;
  /** Whether listings were seen to show names that begin with a dot, or to leave an existing one out. */
  showsDots?: boolean;
  /** Whether a file that did not change had another ETag each time. */
  unstableEtags?: boolean;
  /** Whether the time of any file could be read in a listing. */
  listsTimes?: boolean;
}

/** Returns the current entry, or undefined if there is none. Does not follow redirects. */
export async function stat(client: DavClient, target: ResolvedPath): Promise<FoundEntry | undefined> {
  const response = await propfind(client, target, { depth: 0, uri: encodePath(target.serverPath) });
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
  const base = hrefBase(client, target);
  let match: DavResponse | undefined;
  for await (const davResponse of readMultistatus(response, target, client)) {
    if (match === undefined && locateHref(davResponse.href, base).is === "self") match = davResponse;
  }
  if (match === undefined) {
    throw operationError(target, "unexpected", {
      why: "the server answers for another path than the requested one",
    });
  }
  return match.status === 404 ? undefined : { entry: toEntry(target.path, match, client), davResponse: match };
}

/** Lists the children of a folder completely, or rejects. */
export async function list(client: DavClient, target: ResolvedPath): Promise<readonly Entry[]> {
  const response = await propfind(client, target, { depth: 1, uri: encodePath(target.serverPath, "folder") });
  if (response.status !== 207) {
    await response.discard();
    throw await listError(client, target, response);
  }
  const base = hrefBase(client, target);
  const found: Entry[] = [];
  let self: DavResponse | undefined;
  for await (const davResponse of readMultistatus(response, target, client)) {
    const child = toChild(target.path, davResponse, { ...base, hasEditTimes: client.hasEditTimes });
    if (child === "self") self = davResponse;
    else if (child !== undefined) {
      found.push(child);
      if (nameOf(child.path).startsWith(".")) client.observed.showsDots = true;
    }
  }
  // A listing that does not name its folder may belong to another path, or to none at all.
  if (self === undefined) {
    throw operationError(target, "unexpected", { why: "the listing does not name the folder itself" });
  }
  if (self.status === 404) throw operationError(target, "notFound", { why: "there is no such folder" });
  const own = toEntry(target.path, self, client);
  if (own.kind === "opaque") throw operationError(target, "denied", { why: own.why });
  if (own.kind !== "dir") throw operationError(target, "refused", { why: "it is a file" });
  observeTimes(client, found);
  return found;
}

function observeTimes({ observed, onNoTimes }: DavClient, entries: readonly Entry[]): void {
  const files = observed.listsTimes === true ? [] : entries.filter((entry) => entry.kind === "file");
  if (files.length === 0) return;
  const isFirst = observed.listsTimes === undefined;
  observed.listsTimes = files.some(({ modified }) => modified !== undefined);
  if (isFirst && !observed.listsTimes) onNoTimes();
}

const PROPS =
  `<D:resourcetype/><D:getcontentlength/><D:getlastmodified/><D:getetag/><T:edited xmlns:T="${OWN_NAMESPACE}"/>`;
const OC_PROPS = `<O:id xmlns:O="http://owncloud.org/ns"/><O:checksums xmlns:O="http://owncloud.org/ns"/>`;
const BELOW_FILE_STATUSES: readonly number[] = [400, 403, 405, 409];

async function propfind(
  { http, isOwncloud }: DavClient,
  context: OperationContext,
  { depth, uri }: { readonly depth: 0 | 1; readonly uri: string },
): Promise<HttpResponse> {
  const props = isOwncloud ? PROPS + OC_PROPS : PROPS;
  return await http.send({
    method: "PROPFIND",
    uri,
    headers: { "depth": String(depth), "content-type": 'application/xml; charset="utf-8"' },
    body: `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>${props}</D:prop></D:propfind>`,
  }, context);
}

function hrefBase({ host }: DavClient, { serverPath: names }: ResolvedPath): HrefBase {
  return { host, serverPath: names };
}

async function* readMultistatus(
  response: HttpResponse,
  context: OperationContext,
  { maxListingBytes }: DavClient,
): AsyncGenerator<DavResponse> {
  const reader = new MultistatusParser({ ...DEFAULT_LIMITS, bytes: maxListingBytes });
  try {
    for await (const bytes of response.chunks()) yield* reader.push(bytes);
    yield* reader.end();
  } catch (error) {
    if (!(error instanceof RangeError)) throw networkToSyncError(context, error);
    throw operationError(context, "unexpected", {
      why: `the server's listing cannot be read: ${error.message}`,
      cause: error,
    });
  }
}

async function isBelowFile(client: DavClient, target: ResolvedPath): Promise<boolean> {
  if (target.serverPath.length < 2) return false;
  const parent = { ...target, serverPath: target.serverPath.slice(0, -1), path: parentOf(target.path) };
  const found = await stat(client, parent);
  return found === undefined || found.entry.kind === "file";
}

async function listError(client: DavClient, target: ResolvedPath, response: HttpResponse): Promise<SyncError> {
  if (response.status === 404 || response.status === 410) {
    return operationError(target, "notFound", { why: "there is no such folder" });
  }
  const isAbsent = BELOW_FILE_STATUSES.includes(response.status) && await stat(client, target) === undefined;
  return isAbsent
    ? operationError(target, "notFound", { why: "there is no such folder" })
    : statToSyncError(target, response);
}
