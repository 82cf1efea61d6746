import { createHash } from "node:crypto";
import { printable } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, Content, WriteOptions } from "../../core/backend.ts";
import type { Upload } from "../../http/client.ts";
import { statusOf } from "../../http/errors.ts";
import type { Dialect } from "./server_profile.ts";
import { formatEdited } from "./entry.ts";
import { find, type Finder, type Learned, type Seen, type Spot } from "./propfind.ts";
import { encodePath } from "./href.ts";
import { OWN_NAMESPACE } from "./multistatus.ts";
import { operationError } from "../../core/operation.ts";

/** A file being written. `origin`: "https://host:port", for the targets of MOVE. */
export interface Draft extends Spot {
  readonly options: WriteOptions;
  readonly body: Body;
  readonly dialect: Dialect;
  readonly origin: string;
  readonly learned: Learned;
}

/**
 * Writes the edit time into Tandem's own property. `seen`: the version it belongs to. Rejects if the server refuses.
 */
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
  throw operationError(spot, "unsupported", {
    why: `the server keeps no properties of files (${status ?? "no status"})`,
  });
}

const MOST_SAID = 1 << 20;
/** The largest file that is held in memory for its hash. */
const MOST_HASHED = 1 << 20;
/** The target of a PUT, and its precondition headers. */
export interface Putting {
  readonly names: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends one PUT of the whole file. */
export async function put(finder: Finder, draft: Draft, { names, headers }: Putting): Promise<void> {
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
    options.onWarning?.(`The server did not take the time of "${printable(draft.path)}"`, "time");
  }
}

/** Reads the content before the request if its hash goes into a header; returns undefined otherwise. */
async function firstContent({ dialect, body, options }: Draft): Promise<Content | undefined> {
  if (!dialect.checksums || options.size > MOST_HASHED) return undefined;
  return await body();
}

/** Checks the size on the server, then writes the time into Tandem's own property. */
export async function finish(finder: Finder, draft: Draft, names: readonly string[]): Promise<FileEntry> {
  const { entry, seen } = await mustBeWritten(finder, draft, names);
  const { modified, onWarning } = draft.options;
  if (draft.dialect.times !== "property" || modified === undefined) return entry;
  try {
    await setEdited(finder, seen, { ...draft, names, modified });
  } catch (error) {
    if (statusOf(error) === undefined && draft.signal.aborted) throw error;
    onWarning?.(
      `The time of "${printable(draft.path)}" could not be kept: ${error instanceof Error ? error.message : ""}`,
      "time",
    );
    return entry;
  }
  const { timeStep: _, isArrival: _arrival, ...rest } = entry;
  return { ...rest, modified };
}

/** A file as the server shows it. */
export interface Written {
  readonly entry: FileEntry;
  readonly seen: Seen;
}

/** Returns the file that was written. Rejects with changed if the server holds another size. */
export async function mustBeWritten(finder: Finder, draft: Draft, names: readonly string[]): Promise<Written> {
  const { options } = draft;
  const seen = await find(finder, { ...draft, names });
  if (seen?.entry.kind === "file" && seen.entry.size === options.size) return { entry: seen.entry, seen };
  const now = seen === undefined ? "nothing" : seen.entry.kind === "file" ? `${seen.entry.size} bytes` : "no file";
  throw operationError(draft, "changed", { why: `the server holds ${now} after ${options.size} bytes were written` });
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
