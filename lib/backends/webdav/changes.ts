import { randomBytes } from "node:crypto";
import { nameOf, root, toRelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import type { ServerProfile } from "./server_profile.ts";
import { parseChecksums } from "./entry.ts";
import { encodePath } from "./href.ts";
import { toSyncError } from "./errors.ts";
import { setEditTime } from "./put.ts";
import { operationError } from "../../core/operation.ts";
import { type DavClient, type FoundEntry, parentTarget, type PathContext } from "./client.ts";
import { list } from "./list.ts";
import { requestMove } from "./move.ts";
import { assertUnchanged, hasUnstableEtag, ifMatchEtag, stat, statExpecting, statFolder } from "./stat.ts";

/** Creates a folder, for the root its parents too. */
export async function makeDir(client: DavClient, target: PathContext): Promise<DirEntry> {
  const made: DirEntry = { kind: "dir", path: target.path };
  const response = await client.http.send({ method: "MKCOL", uri: encodePath(target.serverPath, "folder") }, target);
  await response.discard();
  if (response.status === 201) return made;
  const found = (await statFolder(client, target))?.entry;
  if (found?.kind === "dir") return made;
  if (found !== undefined) throw operationError(target, "exists", { why: "a file is there" });
  if (target.path === root && target.serverPath.length > 1 && response.status === 409) {
    await makeDir(client, { ...target, serverPath: target.serverPath.slice(0, -1) });
    return await makeDir(client, target);
  }
  const parent = await statFolder(client, parentTarget(target));
  if (parent === undefined) throw operationError(target, "notFound", { why: "the folder above does not exist" });
  throw toSyncError(target, response);
}

/** Removes a file or an empty folder if it still matches the entry. */
export async function removeEntry(
  client: DavClient,
  entry: Entry,
  target: PathContext,
): Promise<void> {
  const isFolder = entry.kind === "dir";
  const found = await (isFolder ? statFolder(client, target) : stat(client, target));
  if (found === undefined) return;
  await assertUnchanged(client, target, { expect: entry, found });
  if (isFolder) await assertEmpty(client, target);
  const tag = isFolder ? undefined : ifMatchEtag(client, found);
  const response = await client.http.sendOk({
    method: "DELETE",
    uri: encodePath(target.serverPath, isFolder ? "folder" : "file"),
    ...(tag === undefined ? {} : { headers: { "if-match": tag } }),
  }, { ...target, acceptedStatuses: tag === undefined ? [404, 410] : [404, 410, 412] });
  await response.discard();
  if (response.status === 412) {
    if (await hasUnstableEtag(client, target, { expect: entry, found })) {
      return await removeEntry(client, entry, target);
    }
    throw toSyncError(target, response);
  }
  if (response.status === 207) throw operationError(target, "denied", { why: "the server could not remove all of it" });
}

/** Rejects unless a folder is empty. DELETE removes a folder's whole content, so this check is the only protection. */
async function assertEmpty(client: DavClient, target: PathContext): Promise<void> {
  if ((await list(client, target)).length > 0) {
    throw operationError(target, "changed", { why: "the folder is not empty" });
  }
  if (await listsDotNames(client, target)) return;
  const why = "the server's listings hide names that begin with a dot, so it may not be empty";
  throw operationError(target, "unsupported", { why });
}

/**
 * Whether listings show names that begin with a dot. If that is not known yet, a temporary file is written into the
 * folder and listed.
 */
async function listsDotNames(client: DavClient, target: PathContext): Promise<boolean> {
  const { observed, http } = client;
  // An empty listing that does not name its folder proves less than one that shows a file.
  if (observed.showsDots !== undefined && observed.omitsSelf !== true) return observed.showsDots;
  const name = nameOf(tempPath(toRelPath("probe"), randomBytes(8).toString("hex")));
  const uri = encodePath([...target.serverPath, name]);
  const written = await http.sendOk({ method: "PUT", uri, body: "" }, target);
  await written.discard();
  const listed = await list(client, target).finally(async () => {
    const removed = await http.sendOk({ method: "DELETE", uri }, { ...target, acceptedStatuses: [404, 410] });
    await removed.discard();
  });
  observed.showsDots = listed.some(({ path }) => nameOf(path) === name);
  return observed.showsDots;
}

/** The target of MOVE or COPY. */
export interface MoveTarget extends PathContext, Precondition {
  readonly method: "MOVE" | "COPY";
}

/** Moves or copies a file, or moves a folder. Never replaces a folder: the server would remove its content. */
export async function moveEntry(client: DavClient, from: PathContext, to: MoveTarget): Promise<FoundEntry> {
  const source = await stat(client, from);
  if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file or folder" });
  if (source.entry.kind === "opaque") throw operationError(from, "denied", { why: source.entry.why });
  const existing = await statExpecting(client, to);
  const parent = await statFolder(client, parentTarget(to));
  if (parent === undefined) throw operationError(to, "notFound", { why: "the folder above does not exist" });
  const as = source.entry.kind === "dir" ? "folder" : "file";
  const isDone = async () =>
    (to.method === "COPY" || await stat(client, from) === undefined) && await isThere(client, to, source);
  const response = await requestMove(client, to, {
    method: to.method,
    from: from.serverPath,
    to: to.serverPath,
    as,
    overwrite: existing === undefined ? "F" : "T",
    size: source.entry.kind === "file" ? source.entry.size : 0,
    isDone,
  });
  if (response?.status === 207) throw operationError(to, "denied", { why: "the server could not move all of it" });
  return source;
}

/** Whether the target of a move is what was moved. */
async function isThere(client: DavClient, to: PathContext, { entry }: FoundEntry): Promise<boolean> {
  const found = (await stat(client, to))?.entry;
  return found?.kind === entry.kind && (found.kind !== "file" || entry.kind !== "file" || found.size === entry.size);
}

/** Sets the time of a file on a server that keeps times. */
export async function setModified(
  client: DavClient,
  modified: number,
  { dialect: profile, ...target }: PathContext & { readonly dialect: ServerProfile },
): Promise<void> {
  const found = await stat(client, target);
  if (found === undefined) throw operationError(target, "notFound", { why: "there is no such file" });
  if (profile.times === "property") return await setEditTime(client, found, { ...target, modified });
  const seconds = Math.floor(modified / 1000);
  const response = await client.http.sendOk({
    method: "PROPPATCH",
    uri: encodePath(target.serverPath),
    headers: { "content-type": 'application/xml; charset="utf-8"' },
    body: `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:lastmodified>${seconds}` +
      "</D:lastmodified></D:prop></D:set></D:propertyupdate>",
  }, target);
  await response.discard();
  const now = (await stat(client, target))?.entry;
  // A success reply proves nothing; the time that the server then shows does.
  if (now?.kind === "file" && now.modified === seconds * 1000) return;
  throw operationError(target, "unsupported", { why: "the server did not store the time" });
}

/** Returns the first wanted checksum that the server holds. */
export async function fetchChecksum(
  client: DavClient,
  entry: FileEntry,
  { wanted, ...target }: PathContext & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const found = await stat(client, target);
  await assertUnchanged(client, target, { expect: entry, found });
  const sums = parseChecksums(found?.davResponse.props.checksums);
  const matches = wanted.map((name) => sums.find((sum) => sum.startsWith(`${name}:`)));
  return matches.find((sum) => sum !== undefined);
}
