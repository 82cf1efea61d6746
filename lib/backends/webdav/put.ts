import { createHash } from "node:crypto";
import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, Content, WriteOptions } from "../../core/backend.ts";
import type { HttpResponse, RequestBody } from "../../http/client.ts";
import { statusOf } from "../../http/errors.ts";
import type { DirectWrites } from "../shared/direct_writes.ts";
import type { ServerProfile } from "./server_profile.ts";
import { formatEditTime } from "./entry.ts";
import { encodePath } from "./href.ts";
import { OWN_NAMESPACE } from "./multistatus.ts";
import { failureReason, operationError } from "../../core/operation.ts";
import type { DavClient, FoundEntry, ObservedBehaviour, PathContext } from "./client.ts";
import { sendPatiently } from "./patient_put.ts";
import { stat } from "./stat.ts";

/** A file being written. */
export interface PendingWrite extends PathContext {
  readonly options: WriteOptions;
  readonly body: Body;
  readonly profile: ServerProfile;
  readonly observed: ObservedBehaviour;
  readonly directWrites: DirectWrites;
}

/**
 * Writes the edit time into Tandem's own property. `found`: the version it belongs to. Rejects if the server refuses.
 */
export async function setEditTime(
  client: DavClient,
  { davResponse }: FoundEntry,
  { modified, ...target }: PathContext & { readonly modified: number },
): Promise<void> {
  const value = formatEditTime(modified, davResponse.props);
  const edited = `<T:edited xmlns:T="${OWN_NAMESPACE}">${escapeXml(value)}</T:edited>`;
  const response = await client.http.sendOk({
    method: "PROPPATCH",
    uri: encodePath(target.serverPath),
    headers: { "content-type": 'application/xml; charset="utf-8"' },
    body:
      `<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>${edited}</D:prop></D:set></D:propertyupdate>`,
  }, target);
  if (response.status !== 207) return await response.discard();
  const body = new TextDecoder().decode(await response.readAll(MAX_RESPONSE));
  const status = /<[^>]*status[^>]*>\s*HTTP\/[\d.]+ (\d{3})/i.exec(body)?.[1];
  if (status?.startsWith("2") === true) return;
  throw operationError(target, "unsupported", {
    why: `the server keeps no properties of files (${status ?? "no status"})`,
  });
}

const MAX_RESPONSE = 1 << 20;
/** The largest file that is held in memory for its hash. */
const MAX_HASHED = 1 << 20;
/** The target of a PUT, and its precondition headers. */
export interface PutTarget {
  readonly serverPath: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly replaces?: FoundEntry | undefined;
}

/**
 * Sends one PUT of the whole file. If its reply is lost, the server's file decides. `replaces`: the file that was there
 * before, which must not be taken for the new one.
 */
export async function putWhole(
  client: DavClient,
  pending: PendingWrite,
  { serverPath, headers, replaces }: PutTarget,
): Promise<void> {
  const { options, body, profile } = pending;
  const first = await contentToHash(pending);
  let unused: Content | undefined = first;
  const upload: RequestBody = {
    size: options.size,
    open: () => {
      const content = unused;
      unused = undefined;
      return content === undefined ? body() : Promise.resolve(content);
    },
    onBytes: (bytes) => options.onBytes?.(bytes),
  };
  const request = {
    method: "PUT",
    uri: encodePath(serverPath),
    headers: {
      "content-type": "application/octet-stream",
      ...headers,
      ...mtimeHeader(pending),
      ...(profile.checksums && first instanceof Uint8Array
        ? { "oc-checksum": `SHA1:${createHash("sha1").update(first).digest("hex")}` }
        : {}),
    },
    body: upload,
  };
  const isDone = () => isStored(client, { ...pending, serverPath }, replaces);
  const response = await sendPatiently(client, pending, { request, size: options.size, isDone });
  if (response !== undefined) warnOfTime(pending, response);
}

/** Returns the header with which ownCloud and Nextcloud take the edit time. */
export function mtimeHeader({ profile, options: { modified } }: PendingWrite): Readonly<Record<string, string>> {
  return profile.times === "header" && modified !== undefined
    ? { "x-oc-mtime": String(Math.floor(modified / 1000)) }
    : {};
}

/** Warns if a reply does not confirm the edit time. */
export function warnOfTime(pending: PendingWrite, { headers }: HttpResponse): void {
  const { path, options } = pending;
  if (mtimeHeader(pending)["x-oc-mtime"] === undefined || headers["x-oc-mtime"] === "accepted") return;
  options.onWarning?.(`The server did not store the time of "${escapeForDisplay(path)}"`, "time");
}

/** Whether the file is there with all its bytes, and is not the one before. */
async function isStored(client: DavClient, pending: PendingWrite, before: FoundEntry | undefined): Promise<boolean> {
  const found = await stat(client, pending);
  if (found?.entry.kind !== "file" || found.entry.size !== pending.options.size) return false;
  if (before === undefined) return true;
  // An ETag may become strong, or be another one in each reply: it counts only if there is no time.
  const [was, is] = [before.davResponse.props, found.davResponse.props];
  return is.modified === undefined ? is.etag !== was.etag : is.modified !== was.modified;
}

/** Reads the content before the request if its hash goes into a header; returns undefined otherwise. */
async function contentToHash({ profile, body, options }: PendingWrite): Promise<Content | undefined> {
  if (!profile.checksums || options.size > MAX_HASHED) return undefined;
  return await body();
}

/** Checks the size on the server, then writes the time into Tandem's own property. */
export async function finalize(
  client: DavClient,
  pending: PendingWrite,
  serverPath: readonly string[],
): Promise<FileEntry> {
  const { entry, found } = await assertWritten(client, pending, serverPath);
  const { modified, onWarning } = pending.options;
  if (pending.profile.times !== "property" || modified === undefined) return entry;
  try {
    await setEditTime(client, found, { ...pending, serverPath, modified });
  } catch (error) {
    if (statusOf(error) === undefined && pending.signal.aborted) throw error;
    onWarning?.(
      `The time of "${escapeForDisplay(pending.path)}" could not be stored: ${
        failureReason(toSyncError(error, pending.operation))
      }`,
      "time",
    );
    return entry;
  }
  const { timeStep: _, isUploadTime: _arrival, ...rest } = entry;
  return { ...rest, modified };
}

/** A file as the server shows it. */
export interface WrittenFile {
  readonly entry: FileEntry;
  readonly found: FoundEntry;
}

/** Returns the file that was written. Rejects with changed if the server holds another size. */
export async function assertWritten(
  client: DavClient,
  pending: PendingWrite,
  serverPath: readonly string[],
): Promise<WrittenFile> {
  const { options } = pending;
  const found = await stat(client, { ...pending, serverPath });
  if (found?.entry.kind === "file" && (found.entry.size === options.size || client.acceptsAltered)) {
    return { entry: found.entry, found };
  }
  const now = found === undefined ? "nothing" : found.entry.kind === "file" ? `${found.entry.size} bytes` : "no file";
  const advice = found?.entry.kind === "file"
    ? "; if it alters files on purpose, -AcceptAltered takes what it makes of them"
    : "";
  throw operationError(pending, "changed", {
    why: `the server holds ${now} after ${options.size} bytes were written${advice}`,
  });
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
