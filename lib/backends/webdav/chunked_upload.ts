import { createHash, randomBytes } from "node:crypto";
import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf } from "../../core/path.ts";
import { statusOf } from "../../http/errors.ts";
import type { FileEntry } from "../../core/entry.ts";
import { isResumableFailure } from "../shared/upload_resume.ts";
import type { DavClient, PathContext } from "./client.ts";
import { encodePath } from "./href.ts";
import { list } from "./list.ts";
import { requestMove } from "./move.ts";
import { sendPatiently } from "./patient_put.ts";
import { assertWritten, mtimeHeader, type PendingWrite, warnOfTime } from "./put.ts";
import { stat, statExpecting } from "./stat.ts";

/** A refusal of the first step of a chunked upload: the file can still be sent in one request. */
export class ChunksRefused extends Error {}

/**
 * Whether a file goes in chunks (Nextcloud's and ownCloud's chunked upload, version 2): a large one, to the files of an
 * account, if the server says that it puts chunks together. It is asked once, before the first large file.
 */
export async function usesChunks(client: DavClient, pending: PendingWrite): Promise<boolean> {
  const { options, serverPath, directWrites, observed } = pending;
  if (!client.isOwncloud || options.size < MIN_CHUNKED_SIZE || options.inPlace === true || directWrites.isOn) {
    return false;
  }
  const account = accountOf(serverPath);
  if (account === undefined || observed.takesChunks === false) return false;
  observed.takesChunks ??= await offersChunks(client, pending, account.base).catch(() => false);
  return observed.takesChunks;
}

/**
 * Uploads a file in chunks to a folder of its own beside the account's files, and moves the whole to its place. A later
 * write of the same tag goes on after the chunks that arrived.
 */
export async function writeChunked(client: DavClient, pending: PendingWrite): Promise<FileEntry> {
  const { options, serverPath, observed } = pending;
  const { tag = randomBytes(8).toString("hex"), size } = options;
  await statExpecting(client, withExpected(pending));
  const target = createHash("sha256").update(encodePath(serverPath)).digest("hex").slice(0, 8);
  const folder = [...accountOf(serverPath)?.uploads ?? [], `tandem-${tag}-${target}`];
  try {
    const kept = await openUpload(client, pending, folder);
    for (const chunk of chunksOf(size)) {
      const bytes = chunk.to - chunk.from;
      if (kept.get(String(chunk.number)) === bytes) options.onBytes?.(bytes);
      else await putChunk(client, pending, { folder, chunk });
    }
    await assemble(client, pending, folder);
    return (await assertWritten(client, pending, serverPath)).entry;
  } catch (error) {
    if (error instanceof ChunksRefused) observed.takesChunks = false;
    else if (options.tag === undefined || !isResumableFailure(toSyncError(error, pending.operation).kind)) {
      await removeUpload(client, pending, folder);
    }
    throw error;
  }
}

const MIB = 1 << 20;
/** The servers take chunks of 5 MiB and more; this size is worth one request each on any line. */
const CHUNK_SIZE = 16 * MIB;
const MIN_CHUNKED_SIZE = 2 * CHUNK_SIZE;
const MAX_CHUNKS = 10_000;

interface Account {
  /** The path at which the cloud is installed. */
  readonly base: readonly string[];
  readonly uploads: readonly string[];
}

/** Finds the account in "…/remote.php/dav/files/<user>/…", where chunked uploads exist. */
function accountOf(serverPath: readonly string[]): Account | undefined {
  const at = serverPath.findIndex((name, i) =>
    name === "remote.php" && serverPath[i + 1] === "dav" && serverPath[i + 2] === "files"
  );
  const user = serverPath[at + 3];
  if (at < 0 || user === undefined || serverPath.length < at + 5) return undefined;
  const base = serverPath.slice(0, at);
  return { base, uploads: [...base, "remote.php", "dav", "uploads", user] };
}

async function offersChunks(client: DavClient, context: PathContext, base: readonly string[]): Promise<boolean> {
  const path = encodePath([...base, "ocs", "v2.php", "cloud", "capabilities"]);
  const headers = { "ocs-apirequest": "true", "accept": "application/json" };
  const response = await client.http.sendOk({ method: "GET", uri: `${path}?format=json`, headers }, context);
  const text = new TextDecoder().decode(await response.readAll(MAX_CAPABILITIES));
  const answer: unknown = JSON.parse(text);
  const chunking = ["ocs", "data", "capabilities", "dav", "chunking"].reduce<unknown>(
    (at, name) => typeof at === "object" && at !== null ? Reflect.get(at, name) : undefined,
    answer,
  );
  return typeof chunking === "string" && /^\d/.test(chunking);
}

const MAX_CAPABILITIES = MIB;

interface Chunk {
  /** From 1 on; the server puts the chunks together in this order. */
  readonly number: number;
  readonly from: number;
  /** The end of the range, exclusive. */
  readonly to: number;
}

/** Divides a file by its size alone, so that a later run finds the same chunks. */
function* chunksOf(size: number): Generator<Chunk> {
  const step = Math.max(CHUNK_SIZE, Math.ceil(size / MAX_CHUNKS / MIB) * MIB);
  for (let from = 0, number = 1; from < size; from += step, number++) {
    yield { number, from, to: Math.min(size, from + step) };
  }
}

/** Returns the sizes of the chunks that an earlier write of the same tag left; creates the folder if there is none. */
async function openUpload(
  client: DavClient,
  pending: PendingWrite,
  folder: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (pending.options.tag !== undefined) {
    const found = await list(client, { ...pending, serverPath: folder }).catch(() => []);
    const sizes = found.map((entry) => [nameOf(entry.path), entry.kind === "file" ? entry.size : -1] as const);
    if (sizes.length > 0) return new Map(sizes);
  }
  const response = await client.http.send({
    method: "MKCOL",
    uri: encodePath(folder, "folder"),
    headers: uploadHeaders(client, pending),
  }, pending);
  await response.discard();
  if (response.status !== 201 && response.status !== 405) throw new ChunksRefused(`MKCOL: ${response.status}`);
  return new Map();
}

function uploadHeaders(client: DavClient, { serverPath, options }: PendingWrite): Record<string, string> {
  return {
    "destination": client.http.origin + encodePath(serverPath),
    "oc-total-length": String(options.size),
  };
}

async function putChunk(
  client: DavClient,
  pending: PendingWrite,
  { folder, chunk: { number, from, to } }: { readonly folder: readonly string[]; readonly chunk: Chunk },
): Promise<void> {
  const serverPath = [...folder, String(number)];
  const request = {
    method: "PUT",
    uri: encodePath(serverPath),
    headers: { "content-type": "application/octet-stream", ...uploadHeaders(client, pending) },
    body: {
      size: to - from,
      open: () => pending.body(from, to),
      onBytes: (bytes: number) => pending.options.onBytes?.(bytes),
    },
  };
  const isDone = async () => {
    const found = (await stat(client, { ...pending, serverPath }))?.entry;
    return found?.kind === "file" && found.size === to - from;
  };
  await sendPatiently(client, { ...pending, serverPath }, { request, size: to - from, isDone });
}

/** Puts the chunks together at the target, if that is still the expected one. */
async function assemble(client: DavClient, pending: PendingWrite, folder: readonly string[]): Promise<void> {
  const { options, serverPath } = pending;
  const existing = await statExpecting(client, withExpected(pending));
  const isDone = async () => {
    const found = (await stat(client, pending))?.entry;
    const isThere = found?.kind === "file" && found.size === options.size;
    return isThere && await stat(client, { ...pending, serverPath: folder }) === undefined;
  };
  const response = await requestMove(client, pending, {
    method: "MOVE",
    from: [...folder, ".file"],
    to: serverPath,
    as: "file",
    overwrite: existing === undefined ? "F" : "T",
    size: options.size,
    headers: { "oc-total-length": String(options.size), ...mtimeHeader(pending) },
    isDone,
  });
  if (response !== undefined) warnOfTime(pending, response);
}

function withExpected(pending: PendingWrite): PathContext & Pick<PendingWrite["options"], "expect"> {
  const { expect } = pending.options;
  return { ...pending, ...(expect === undefined ? {} : { expect }) };
}

/** Removes the chunks of an upload that no later write can go on with. */
async function removeUpload(client: DavClient, pending: PendingWrite, folder: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const context = { ...pending, signal, acceptedStatuses: [404, 410] };
  try {
    const response = await client.http.sendOk({ method: "DELETE", uri: encodePath(folder, "folder") }, context);
    await response.discard();
  } catch (error) {
    const status = statusOf(error);
    pending.options.onWarning?.(
      `The chunks of "${escapeForDisplay(pending.path)}" could not be removed${
        status === undefined ? "" : ` (status ${status})`
      }: the server removes them by itself after a day`,
    );
  }
}
