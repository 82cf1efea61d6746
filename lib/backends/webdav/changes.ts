import { randomBytes } from "node:crypto";
import { nameOf, parentOf, root, toRelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import type { Dialect } from "./server_profile.ts";
import { parseChecksums } from "./entry.ts";
import { conditionOf, isLoose, mustMatch } from "./preconditions.ts";
import { children, find, type Finder, type Seen, type Spot } from "./propfind.ts";
import { encodePath } from "./href.ts";
import { refusal } from "./errors.ts";
import { setEdited } from "./put.ts";
import { lookFor } from "./write.ts";
import { operationError } from "../../core/operation.ts";

/** Creates a folder, for the root its parents too. */
export async function makeFolder(finder: Finder, spot: Spot): Promise<DirEntry> {
  const made: DirEntry = { kind: "dir", path: spot.path };
  const reply = await finder.link.send({ method: "MKCOL", uri: encodePath(spot.names, "folder") }, spot);
  await reply.drop();
  if (reply.status === 201) return made;
  const found = (await find(finder, spot))?.entry;
  if (found?.kind === "dir") return made;
  if (found !== undefined) throw operationError(spot, "exists", { why: "a file is there" });
  if (spot.path === root && spot.names.length > 1 && reply.status === 409) {
    await makeFolder(finder, { ...spot, names: spot.names.slice(0, -1) });
    return await makeFolder(finder, spot);
  }
  const above = await find(finder, { ...spot, names: spot.names.slice(0, -1), path: parentOf(spot.path) });
  if (above === undefined) throw operationError(spot, "notFound", { why: "the folder above does not exist" });
  throw refusal(spot, reply);
}

/** Removes a file or an empty folder if it still matches the entry. */
export async function removeEntry(
  finder: Finder,
  entry: Entry,
  spot: Spot,
): Promise<void> {
  const seen = await find(finder, spot);
  if (seen === undefined) return;
  await mustMatch(finder, spot, { expect: entry, seen });
  const isFolder = entry.kind === "dir";
  if (isFolder) await mustBeEmpty(finder, spot);
  const tag = isFolder ? undefined : conditionOf(finder, seen);
  const reply = await finder.link.done({
    method: "DELETE",
    uri: encodePath(spot.names, isFolder ? "folder" : "file"),
    ...(tag === undefined ? {} : { headers: { "if-match": tag } }),
  }, { ...spot, also: tag === undefined ? [404, 410] : [404, 410, 412] });
  await reply.drop();
  if (reply.status === 412) {
    if (await isLoose(finder, spot, { expect: entry, seen })) return await removeEntry(finder, entry, spot);
    throw refusal(spot, reply);
  }
  if (reply.status === 207) throw operationError(spot, "denied", { why: "the server could not remove all of it" });
}

/** Rejects unless a folder is empty. DELETE removes a folder's whole content, so this check is the only protection. */
async function mustBeEmpty(finder: Finder, spot: Spot): Promise<void> {
  if ((await children(finder, spot)).length > 0) {
    throw operationError(spot, "changed", { why: "the folder is not empty" });
  }
  if (await listsDots(finder, spot)) return;
  const why = "the server's listings hide names that begin with a dot, so it may not be empty";
  throw operationError(spot, "unsupported", { why });
}

/**
 * Whether listings show names that begin with a dot. If that is not known yet, a temporary file is written into the
 * folder and listed.
 */
async function listsDots(finder: Finder, spot: Spot): Promise<boolean> {
  const { learned, link } = finder;
  if (learned.showsDots !== undefined) return learned.showsDots;
  const name = nameOf(tempPath(toRelPath("probe"), randomBytes(8).toString("hex")));
  const uri = encodePath([...spot.names, name]);
  const written = await link.done({ method: "PUT", uri, body: "" }, spot);
  await written.drop();
  const shown = await children(finder, spot).finally(async () => {
    const gone = await link.done({ method: "DELETE", uri }, { ...spot, also: [404, 410] });
    await gone.drop();
  });
  learned.showsDots = shown.some(({ path }) => nameOf(path) === name);
  return learned.showsDots;
}

/** The target of MOVE or COPY. */
export interface Moving extends Spot, Expecting {
  readonly origin: string;
  readonly method: "MOVE" | "COPY";
}

/** Moves or copies a file, or moves a folder. Never replaces a folder: the server would remove its content. */
export async function moveEntry(finder: Finder, from: Spot, to: Moving): Promise<Seen> {
  const source = await find(finder, from);
  if (source === undefined) throw operationError(from, "notFound", { why: "there is no such file or folder" });
  if (source.entry.kind === "opaque") throw operationError(from, "denied", { why: source.entry.why });
  const there = await lookFor(finder, to);
  const above = await find(finder, { ...to, names: to.names.slice(0, -1), path: parentOf(to.path) });
  if (above === undefined) throw operationError(to, "notFound", { why: "the folder above does not exist" });
  const as = source.entry.kind === "dir" ? "folder" : "file";
  const { method, origin } = to;
  const overwrite = there === undefined ? "F" : "T";
  const headers = { destination: origin + encodePath(to.names, as), overwrite };
  const reply = await finder.link.done({ method, uri: encodePath(from.names, as), headers }, to);
  await reply.drop();
  if (reply.status === 207) throw operationError(to, "denied", { why: "the server could not move all of it" });
  return source;
}

/** Sets the time of a file on a server that keeps times. */
export async function setTime(
  finder: Finder,
  modified: number,
  { dialect, ...spot }: Spot & { readonly dialect: Dialect },
): Promise<void> {
  const seen = await find(finder, spot);
  if (seen === undefined) throw operationError(spot, "notFound", { why: "there is no such file" });
  if (dialect.times === "property") return await setEdited(finder, seen, { ...spot, modified });
  const seconds = Math.floor(modified / 1000);
  const reply = await finder.link.done({
    method: "PROPPATCH",
    uri: encodePath(spot.names),
    headers: { "content-type": 'application/xml; charset="utf-8"' },
    body: `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:lastmodified>${seconds}` +
      "</D:lastmodified></D:prop></D:set></D:propertyupdate>",
  }, spot);
  await reply.drop();
  const now = (await find(finder, spot))?.entry;
  // A success reply proves nothing; the time that the server then shows does.
  if (now?.kind === "file" && now.modified === seconds * 1000) return;
  throw operationError(spot, "unsupported", { why: "the server did not take the time" });
}

/** Returns the first wanted checksum that the server holds. */
export async function serverChecksum(
  finder: Finder,
  entry: FileEntry,
  { wanted, ...spot }: Spot & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const seen = await find(finder, spot);
  await mustMatch(finder, spot, { expect: entry, seen });
  const sums = parseChecksums(seen?.response.props.checksums);
  const found = wanted.map((name) => sums.find((sum) => sum.startsWith(`${name}:`)));
  return found.find((sum) => sum !== undefined);
}
