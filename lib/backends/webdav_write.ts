import { createHash, randomBytes } from "node:crypto";
import { parentOf, printable } from "../path.ts";
import { tempPath } from "../temp.ts";
import type { Entry, FileEntry } from "../types.ts";
import type { Body, Content, WriteOptions } from "./backend.ts";
import { mismatch } from "./expect.ts";
import type { Upload } from "./http.ts";
import { failure, statusOf } from "./http_status.ts";
import type { Dialect } from "./webdav_dialect.ts";
import { formatEdited, strongTag } from "./webdav_entry.ts";
import { find, type Finder, type Seen, type Spot } from "./webdav_find.ts";
import { encodePath } from "./webdav_href.ts";
import { OWN_NAMESPACE } from "./webdav_xml.ts";

/** A file that is being written. `origin`: "https://host:port", for the targets of MOVE. */
export interface Draft extends Spot {
  readonly options: WriteOptions;
  readonly body: Body;
  readonly dialect: Dialect;
  readonly origin: string;
}

/** Writes the file in the way that this server makes safest, and gives it as the server then shows it. */
export async function writeFile(finder: Finder, draft: Draft): Promise<FileEntry> {
  try {
    return await (draft.dialect.writes === "direct" ? writeDirect(finder, draft) : writeStaged(finder, draft));
  } catch (error) {
    throw await whyRefused(finder, error, draft);
  }
}

/** Writes the time of an edit into our own property. `seen`: the version that it belongs to. Rejects where the server refuses. */
export async function setEdited(
  finder: Finder,
  { response }: Seen,
  { modified, ...spot }: Spot & { readonly modified: number },
): Promise<void> {
  const value = formatEdited(modified, response.props);
  const edited = `<T:edited xmlns:T="${OWN_NAMESPACE}">${escapeXml(value)}</T:edited>`;
  const reply = await finder.link.done({
    method: "PROPPATCH",
    uri: encodePath(spot.names),
    headers: { "content-type": 'application/xml; charset="utf-8"' },
    body:
      `<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>${edited}</D:prop></D:set></D:propertyupdate>`,
  }, spot);
  if (reply.status !== 207) return await reply.drop();
  const said = new TextDecoder().decode(await reply.collect(MOST_SAID));
  const status = /<[^>]*status[^>]*>\s*HTTP\/[\d.]+ (\d{3})/i.exec(said)?.[1];
  if (status?.startsWith("2") === true) return;
  throw failure(spot, "unsupported", { why: `the server keeps no properties of files (${status ?? "no status"})` });
}

/** What lies at the place, as the options expect it. Rejects with changed, and with exists where no file may go. */
export async function lookFor(
  finder: Finder,
  spot: Spot & { readonly expect?: Entry | "absent" },
): Promise<Seen | undefined> {
  const seen = await find(finder, spot);
  const why = spot.expect === undefined ? undefined : mismatch(spot.expect, seen?.entry);
  if (why !== undefined) throw failure(spot, "changed", { why });
  if (seen === undefined || seen.entry.kind === "file") return seen;
  const what = seen.entry.kind === "dir" ? "a folder" : "something that must not be touched";
  throw failure(spot, "exists", { why: `${what} is there` });
}

const MOST_SAID = 1 << 20;
/** From here on a target is looked at before the upload too. */
const WORTH_LOOKING_FIRST = 1 << 20;

/** PUT to its own name: the server replaces the file in one step when all bytes came, and compares for us where there are marks. */
async function writeDirect(finder: Finder, draft: Draft): Promise<FileEntry> {
  const { options } = draft;
  const seen = options.expect === "absent" ? undefined : await lookFor(finder, { ...draft, ...expecting(options) });
  const tag = strongTag(seen?.response.props.etag);
  const headers: Record<string, string> = {
    ...(tag === undefined ? {} : { "if-match": tag }),
    ...(options.expect === "absent" ? { "if-none-match": "*" } : {}),
  };
  await put(finder, draft, { names: draft.names, headers });
  return await finish(finder, draft, draft.names);
}

/** PUT to a name of our own, its size checked there, then MOVE to its place. */
async function writeStaged(finder: Finder, draft: Draft): Promise<FileEntry> {
  const { options, dialect, path } = draft;
  const { expect, tag = randomBytes(8).toString("hex") } = options;
  const look = () => lookFor(finder, { ...draft, ...expecting(options) });
  if (expect !== "absent" && options.size > WORTH_LOOKING_FIRST) await look();
  const names = [
    ...draft.names.slice(0, -1),
    tempPath(path, tag, dialect.maxNameBytes).slice(parentOf(path).length).replace(/^\//, ""),
  ];
  try {
    await put(finder, draft, { names, headers: {} });
    const written = await finish(finder, draft, names);
    const there = expect === "absent" ? undefined : await look();
    await finder.link.done({
      method: "MOVE",
      uri: encodePath(names),
      headers: {
        destination: draft.origin + encodePath(draft.names),
        // Over a folder it would remove what that holds: only what was seen to be a file is replaced.
        overwrite: there === undefined ? "F" : "T",
      },
    }, draft).then((reply) => reply.drop());
    return dialect.keepsTags ? written : await mustBeWritten(finder, draft, draft.names).then(({ entry }) => entry);
  } catch (error) {
    await removeTemp(finder, draft, names);
    throw error;
  }
}

interface Putting {
  readonly names: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

async function put(finder: Finder, draft: Draft, { names, headers }: Putting): Promise<void> {
  const { options, body, dialect } = draft;
  const first = await firstContent(draft);
  let unused: Content | undefined = first;
  const upload: Upload = {
    size: options.size,
    open: () => {
      const content = unused;
      unused = undefined;
      return content === undefined ? body() : Promise.resolve(content);
    },
    onBytes: (bytes) => options.onBytes?.(bytes),
  };
  const reply = await finder.link.done({
    method: "PUT",
    uri: encodePath(names),
    headers: {
      "content-type": "application/octet-stream",
      ...headers,
      ...(dialect.times === "header" && options.modified !== undefined
        ? { "x-oc-mtime": String(Math.floor(options.modified / 1000)) }
        : {}),
      ...(dialect.checksums && first instanceof Uint8Array
        ? { "oc-checksum": `SHA1:${createHash("sha1").update(first).digest("hex")}` }
        : {}),
    },
    body: upload,
  }, draft);
  await reply.drop();
  if (dialect.times === "header" && options.modified !== undefined && reply.headers["x-oc-mtime"] !== "accepted") {
    options.onWarning?.(`The server did not take the time of "${printable(draft.path)}"`);
  }
}

/** Only a header that tells the content's hash needs it before the request. */
async function firstContent({ dialect, body, options }: Draft): Promise<Content | undefined> {
  if (!dialect.checksums || options.size > WORTH_LOOKING_FIRST) return undefined;
  return await body();
}

/** The size as the server has it, then the time in our own property. */
async function finish(finder: Finder, draft: Draft, names: readonly string[]): Promise<FileEntry> {
  const { entry, seen } = await mustBeWritten(finder, draft, names);
  const { modified, onWarning } = draft.options;
  if (draft.dialect.times !== "property" || modified === undefined) return entry;
  try {
    await setEdited(finder, seen, { ...draft, names, modified });
  } catch (error) {
    if (statusOf(error) === undefined && draft.signal.aborted) throw error;
    onWarning?.(
      `The time of "${printable(draft.path)}" could not be kept: ${error instanceof Error ? error.message : ""}`,
    );
    return entry;
  }
  const { timeStep: _, ...rest } = entry;
  return { ...rest, modified };
}

interface Written {
  readonly entry: FileEntry;
  readonly seen: Seen;
}

async function mustBeWritten(finder: Finder, draft: Draft, names: readonly string[]): Promise<Written> {
  const { options } = draft;
  const seen = await find(finder, { ...draft, names });
  if (seen?.entry.kind === "file" && seen.entry.size === options.size) return { entry: seen.entry, seen };
  const now = seen === undefined ? "nothing" : seen.entry.kind === "file" ? `${seen.entry.size} bytes` : "no file";
  throw failure(draft, "changed", { why: `the server holds ${now} after ${options.size} bytes were written` });
}

/**
 * Removes the temporary file after a failure; what stays behind is told. A server that writes while it receives may still be at it
 * when the upload is broken off, refuse to remove the file, or make it anew: it is looked at again.
 */
async function removeTemp(finder: Finder, draft: Draft, names: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const spot = { ...draft, names, signal, also: [404, 409, 410] };
  let left: unknown;
  for (const wait of draft.dialect.atomic ? [0] : LOOK_AGAIN_MS) {
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      left = undefined;
      if (wait > 0 && await find(finder, spot) === undefined) continue;
      const reply = await finder.link.done({ method: "DELETE", uri: encodePath(names) }, spot);
      await reply.drop();
    } catch (error) {
      left = error;
      if (statusOf(error) === undefined) break;
    }
  }
  if (left === undefined) return;
  draft.options.onWarning?.(`A temporary file was left behind: ${left instanceof Error ? left.message : left}`);
}

const LOOK_AGAIN_MS: readonly number[] = [0, 50, 200, 500];

const UNCLEAR: readonly number[] = [400, 403, 404, 405, 409, 500];

/** A status alone may not tell what stood in the way: the folder above, and the place itself, are looked at. */
async function whyRefused(finder: Finder, error: unknown, draft: Draft): Promise<unknown> {
  const status = statusOf(error);
  if (status === undefined || !UNCLEAR.includes(status) || draft.signal.aborted) return error;
  const above = { ...draft, names: draft.names.slice(0, -1), path: parentOf(draft.path) };
  try {
    const parent = (await find(finder, above))?.entry;
    if (parent === undefined) {
      return failure(draft, "notFound", { why: "the folder above does not exist", cause: error });
    }
    if (parent.kind === "file") {
      return failure(draft, "exists", { why: "what stands above it is a file", cause: error });
    }
    if ((await find(finder, draft))?.entry.kind !== "dir") {
      if (status !== 500) return error;
      const why = "the server could not store it (500): no right to write there, or no room; its log tells which";
      return failure(draft, "unexpected", { why, cause: error });
    }
  } catch {
    // A look that fails explains nothing: the refusal itself stands.
    return error;
  }
  const kind = draft.options.expect === undefined ? "exists" : "changed";
  return failure(draft, kind, { why: "a folder is there", cause: error });
}

function expecting({ expect }: WriteOptions): { readonly expect?: Entry | "absent" } {
  return expect === undefined ? {} : { expect };
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
