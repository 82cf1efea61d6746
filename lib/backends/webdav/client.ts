import { parentOf } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { HttpResponse } from "../../http/client.ts";
import { networkToSyncError } from "../../http/errors.ts";
import { decodePath, type HrefBase } from "./href.ts";
import type { AuthenticatedHttp, DavReply } from "./authenticated_http.ts";
import { type DavResponse, DEFAULT_LIMITS, MultistatusParser, OWN_NAMESPACE } from "./multistatus.ts";
import type { UploadPatience } from "./upload_patience.ts";
import { type OperationContext, operationError, type ResolvedPath } from "../../core/operation.ts";
import type { Semaphore } from "../../net/semaphore.ts";

/** The path of an operation. The server's path is held as names from its root on, not encoded. */
export type PathContext = ResolvedPath<readonly string[]>;

/** Returns the folder above, for the same operation. */
export function parentTarget<T extends PathContext>(target: T): T {
  return { ...target, serverPath: target.serverPath.slice(0, -1), path: parentOf(target.path) };
}

/** An entry, and the server's response for it. */
export interface FoundEntry {
  readonly entry: Entry;
  readonly davResponse: DavResponse;
}

/** The connection to a server and what requests need to know about it. */
export interface DavClient {
  readonly http: AuthenticatedHttp;
  /** The server's host, as the address names it. */
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
  /** Whether a written file may have another size than what was sent. */
  readonly acceptsAltered: boolean;
  /** See listingTimeout(). */
  readonly listingTimeout: number;
  readonly patience: UploadPatience;
  /** The number of times that an upload was sent completely without an answer, by its path. */
  readonly doubtfulUploads: Map<string, number>;
  /** Called once, when a listing has no readable time for any file. */
  onNoTimes(): void;
  /** Called when a listing names another host. */
  onOtherHost(host: string): void;
}

/** The server's behaviour, as found during the session. */
export interface ObservedBehaviour {
  /** Whether the server was seen to write a part into a file. */
  acceptsRanges?: boolean;
  /** Whether listings were seen to show names that begin with a dot, or to leave an existing one out. */
  showsDots?: boolean;
  /** Whether a file that did not change had another ETag each time. */
  unstableEtags?: boolean;
  /** Whether the server refuses names that begin with a dot; false once it took one. */
  refusesDotNames?: boolean;
  /** Whether the server puts chunks of a large file together. */
  takesChunks?: boolean;
  /** Whether a MOVE was carried out, so that a later refusal concerns one path. */
  moves?: boolean;
  /** Whether the server takes a Destination only as a path. */
  pathDestinations?: boolean;
  /** Whether a listing left its own folder out. */
  omitsSelf?: boolean;
  /** Whether the time of any file could be read in a listing. */
  listsTimes?: boolean;
}

const PROPS =
  `<D:resourcetype/><D:getcontentlength/><D:getlastmodified/><D:getetag/><T:edited xmlns:T="${OWN_NAMESPACE}"/>`;
const OC_PROPS = `<O:id xmlns:O="http://owncloud.org/ns"/><O:checksums xmlns:O="http://owncloud.org/ns"/>`;

/** Sends PROPFIND for the path itself, or for it and its children. */
export async function propfind(
  { http, isOwncloud, listingTimeout }: DavClient,
  context: OperationContext,
  { depth, uri }: { readonly depth: 0 | 1; readonly uri: string },
): Promise<DavReply> {
  const props = isOwncloud ? PROPS + OC_PROPS : PROPS;
  return await http.send({
    method: "PROPFIND",
    uri,
    headers: { "depth": String(depth), "content-type": 'application/xml; charset="utf-8"' },
    body: `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>${props}</D:prop></D:propfind>`,
    ...(depth === 0 ? {} : { replyTimeout: listingTimeout }),
  }, context);
}

/** Returns the folder that the hrefs of a reply are relative to. */
export function hrefBase(
  { host, onOtherHost }: DavClient,
  { serverPath }: PathContext,
  { redirectedUri }: DavReply,
): HrefBase {
  return { host, serverPath: redirectedUri === undefined ? serverPath : decodePath(redirectedUri), onOtherHost };
}

/** Parses a reply to PROPFIND while it arrives. Rejects with unexpected if it is not a complete multistatus. */
export async function* readMultistatus(
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
