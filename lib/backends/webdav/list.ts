import type { SyncError } from "../../core/errors.ts";
import { nameOf, type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { HttpResponse } from "../../http/client.ts";
import { toChild, toEntry } from "./entry.ts";
import { isWithoutSize, withMeasuredSize } from "./file_size.ts";
import { encodePath } from "./href.ts";
import { type DavClient, hrefBase, type PathContext, propfind, readMultistatus } from "./client.ts";
import { statToSyncError } from "./errors.ts";
import type { DavResponse } from "./multistatus.ts";
import { BELOW_FILE_STATUSES, stat, statFolder } from "./stat.ts";
import { operationError } from "../../core/operation.ts";

/** Lists the children of a folder completely, or rejects. */
export async function list(client: DavClient, target: PathContext): Promise<readonly Entry[]> {
  const response = await propfind(client, target, { depth: 1, uri: encodePath(target.serverPath, "folder") });
  if (response.status !== 207) {
    await response.discard();
    throw await listError(client, target, response);
  }
  const base = hrefBase(client, target, response);
  const found: Entry[] = [];
  const unsized: { readonly path: RelPath; readonly davResponse: DavResponse }[] = [];
  let self: DavResponse | undefined;
  let hasForeign = false;
  for await (const davResponse of readMultistatus(response, target, client)) {
    const child = toChild(target.path, davResponse, { ...base, hasEditTimes: client.hasEditTimes });
    if (child === "self") self = davResponse;
    else if (child === undefined) hasForeign = true;
    else if (child.kind === "opaque" && child.cause === "unreadable" && isWithoutSize(davResponse)) {
      unsized.push({ path: child.path, davResponse });
    } else found.push(child);
  }
  // A listing that names neither its folder nor children alone may belong to another path, or to none at all.
  if (self === undefined && hasForeign) {
    throw operationError(target, "unexpected", { why: "the listing does not name the folder itself" });
  }
  await assertFolder(client, target, self);
  for (const entry of await Promise.all(unsized.map((one) => measured(client, target, one)))) found.push(entry);
  if (found.some(({ path }) => nameOf(path).startsWith("."))) client.observed.showsDots = true;
  observeTimes(client, found);
  return found;
}

/** Rejects unless the listed path is a folder. A server that leaves it out of its listings is asked for it alone. */
async function assertFolder(client: DavClient, target: PathContext, self: DavResponse | undefined): Promise<void> {
  if (self === undefined) client.observed.omitsSelf = true;
  if (self?.status === 404) throw operationError(target, "notFound", { why: "there is no such folder" });
  const own = self === undefined ? (await statFolder(client, target))?.entry : toEntry(target.path, self, client);
  if (own === undefined) throw operationError(target, "notFound", { why: "there is no such folder" });
  if (own.kind === "opaque") throw operationError(target, "denied", { why: own.why });
  if (own.kind !== "dir") throw operationError(target, "refused", { why: "it is a file" });
}

async function measured(
  client: DavClient,
  dir: PathContext,
  { path, davResponse }: { readonly path: RelPath; readonly davResponse: DavResponse },
): Promise<Entry> {
  const target = { ...dir, path, serverPath: [...dir.serverPath, nameOf(path)] };
  return toEntry(path, await withMeasuredSize(client, target, davResponse), client);
}

function observeTimes({ observed, onNoTimes }: DavClient, entries: readonly Entry[]): void {
  const files = observed.listsTimes === true ? [] : entries.filter((entry) => entry.kind === "file");
  if (files.length === 0) return;
  const isFirst = observed.listsTimes === undefined;
  observed.listsTimes = files.some(({ modified }) => modified !== undefined);
  if (isFirst && !observed.listsTimes) onNoTimes();
}

async function listError(client: DavClient, target: PathContext, response: HttpResponse): Promise<SyncError> {
  if (response.status === 404 || response.status === 410) {
    return operationError(target, "notFound", { why: "there is no such folder" });
  }
  const isAbsent = BELOW_FILE_STATUSES.includes(response.status) && await stat(client, target) === undefined;
  return isAbsent
    ? operationError(target, "notFound", { why: "there is no such folder" })
    : statToSyncError(target, response);
}
