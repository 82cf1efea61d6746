import { type ErrorKind, toSyncError } from "../../core/errors.ts";
import { statusOf } from "../../http/errors.ts";
import { find, type Finder } from "./propfind.ts";
import { encodePath } from "./href.ts";
import type { Draft } from "./put.ts";
import { operationError } from "../../core/operation.ts";

/** Whether the next write of the same tag can resume a failed upload of this file. */
export function canGoOn({ options, dialect, learned }: Draft): boolean {
  return dialect.ranges !== "none" && learned.goesOn !== false && options.tag !== undefined &&
    options.size >= WORTH_KEEPING;
}

/** Whether the leftover of a failed write is worth keeping for the next one. */
export function isWorthKeeping(draft: Draft, error: unknown): boolean {
  return RESUMABLE.includes(toSyncError(error, draft.operation).kind);
}

/** Whether the failure means only that this server requires a file in one request, at its final name. */
export function isUnfit(error: unknown): boolean {
  return error instanceof Unfit || UNFIT.includes(statusOf(error) ?? 0);
}

/**
 * Sends the file by PUT with Content-Range (RFC 9110, section 14.5) to the temporary name, and resumes from a leftover
 * of a failed write of the same tag. A server that ignores the header is detected by the file's size; then it rejects
 * with an error that isUnfit() recognizes.
 */
export async function putParts(finder: Finder, draft: Draft, names: readonly string[]): Promise<void> {
  const { options, dialect } = draft;
  const from = await leftover(finder, { ...draft, names });
  if (from > 0) options.onBytes?.(from);
  if (dialect.ranges === "grows") return await grow(finder, { ...draft, names }, from);
  await addPieces(finder, { ...draft, names }, from);
}

/** The number of bytes worth keeping, and the failures after which they are kept. */
const WORTH_KEEPING = 24 << 20;
const RESUMABLE: readonly ErrorKind[] = ["connection", "timeout", "busy", "cancelled"];
/** The end of a failed write's leftover is not trusted and is sent again. */
const OVERLAP = 1 << 20;
const PIECE = 32 << 20;
const UNFIT: readonly number[] = [400, 403, 404, 405, 409, 411, 413, 415, 416, 501];

class Unfit extends Error {}

/** Returns the byte from which the upload resumes; 0 without a usable leftover. */
async function leftover(finder: Finder, draft: Draft): Promise<number> {
  const found = (await find(finder, draft))?.entry;
  if (found === undefined) return 0;
  if (found.kind !== "file") {
    throw operationError(draft, "exists", { why: "something stands in the way of its temporary name" });
  }
  if (found.size >= WORTH_KEEPING && found.size <= draft.options.size) return found.size - OVERLAP;
  const gone = await finder.link.done({ method: "DELETE", uri: encodePath(draft.names) }, {
    ...draft,
    also: [404, 410],
  });
  await gone.drop();
  return 0;
}

/**
 * Uploads to a server that keeps every byte received: the rest of the file is one part. An empty file is created first,
 * because a file that a broken PUT creates would be removed.
 */
async function grow(finder: Finder, draft: Draft, from: number): Promise<void> {
  const { size } = draft.options;
  if (from === 0) await putRange(finder, draft, { from: 0, to: 0 });
  await putRange(finder, draft, { from, to: size });
  if (from > 0) await mustHold(finder, draft, size);
}

/**
 * Uploads to a server that keeps only complete parts. Each part may cost it a copy of the existing content, so the
 * parts grow with the file.
 */
async function addPieces(finder: Finder, draft: Draft, from: number): Promise<void> {
  const { options, learned } = draft;
  if (from === 0 && learned.goesOn === undefined) await mustKnowRanges(finder, draft);
  for (let at = from; at < options.size;) {
    const to = Math.min(options.size, at + Math.max(PIECE, Math.floor(at / 2)));
    await putRange(finder, draft, { from: at, to });
    if (at > 0) await mustHold(finder, draft, to);
    at = to;
  }
}

/**
 * Rejects with Unfit if parts are not allowed. lighttpd refuses a part of an absent file with 404 if parts are allowed,
 * and as a bad request otherwise.
 */
async function mustKnowRanges({ link }: Finder, draft: Draft): Promise<void> {
  const { names, options } = draft;
  const reply = await link.send({
    method: "PUT",
    uri: encodePath(names),
    headers: { "content-range": `bytes 0-0/${options.size}` },
    body: { size: 1, open: () => Promise.resolve(new Uint8Array(1)) },
  }, draft);
  await reply.drop();
  if (reply.status !== 404) throw new Unfit("parts are not allowed");
}

interface Range {
  readonly from: number;
  /** The end of the range, exclusive. */
  readonly to: number;
}

/**
 * Sends one part. It has no Content-Range if it begins a new file: lighttpd and Apache then create the file completely
 * or not at all. A part that resumes from a leftover must find it: Apache would otherwise put a hole in its place.
 */
async function putRange({ link }: Finder, draft: Draft, { from, to }: Range): Promise<void> {
  const { names, options, dialect, body } = draft;
  const { size } = options;
  const makes = from === 0 && (to === 0 || dialect.ranges === "pieces");
  const whole = from === 0 && to === size;
  // lighttpd refuses a part of an absent file by itself.
  const goesOn = from > 0 && dialect.ranges === "grows";
  const reply = await link.done({
    method: "PUT",
    uri: encodePath(names),
    headers: {
      "content-type": "application/octet-stream",
      ...(makes ? {} : { "content-range": `bytes ${from}-${to - 1}/${size}` }),
      ...(goesOn ? { "if-match": "*" } : {}),
    },
    body: {
      size: to - from,
      open: () => to === 0 ? Promise.resolve(new Uint8Array()) : whole ? body() : body(from, to),
      onBytes: (bytes) => options.onBytes?.(bytes),
    },
  }, { ...draft, also: goesOn ? [412] : [] });
  await reply.drop();
  if (reply.status === 412) throw new Unfit("what was left is gone");
}

async function mustHold(finder: Finder, draft: Draft, size: number): Promise<void> {
  const found = (await find(finder, draft))?.entry;
  if (found?.kind !== "file" || found.size !== size) throw new Unfit("the server put a part where it does not belong");
  draft.learned.goesOn = true;
}
