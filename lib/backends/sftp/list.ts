import { Buffer } from "node:buffer";
import { checkName, type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { childOf, parseStat, type StatEntry, withLinkTarget } from "./stat.ts";
import type { Handle } from "./open_handles.ts";
import { markHandled } from "./requests.ts";
import { FAILURE, isMereFailure, NO_SUCH_FILE, statusOf } from "./errors.ts";
import type { SftpClient } from "./client.ts";
import type { RawAttributes, RawName } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

export interface ListOptions extends OperationContext {
  /** The server path of the folder. */
  readonly serverPath: string;
  /** Rejects unless the path is a folder, reached through folders only. */
  readonly folderCheck: Promise<void>;
  /** Called when the listing contains ".": such a listing leaves out no name that begins with a dot. */
  onDotEntry?(): void;
}

/** Lists the children of one folder. Rejects when it is no folder, cannot be read or its listing never ends. */
export async function list(client: SftpClient, options: ListOptions): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  const handle = await openFolder(client, options);
  if (handle === undefined) return found;
  const names = new Set<string>();
  const limit = new ListingLimit(client, options);
  const requested: Promise<readonly RawName[] | undefined>[] = [];
  const maxRequests = client.software.startsWith("OpenSSH") ? MAX_READDIRS : MAX_READDIRS_UNKNOWN;
  // For most folders the second answer is the last.
  let wantedRequests = 2;
  let ended = false;
  try {
    while (!ended || requested.length > 0) {
      while (!ended && requested.length < wantedRequests) {
        requested.push(markHandled(client.readdir(handle, options)));
      }
      const answer = await requested.shift()?.catch(async (error) => {
        if (names.size > 0 || !(await isEmptyFolder(client, error, options))) throw error;
        return undefined;
      });
      if (answer === undefined) {
        ended = true;
        continue;
      }
      wantedRequests = maxRequests;
      if (answer.some(({ filename }) => filename === ".")) options.onDotEntry?.();
      const newNames = answer.filter((one) => isNewName(one.filename, names));
      limit.count(answer, { fresh: newNames.length, all: names.size });
      for (const entry of await toEntries(client, newNames, options)) found.push(entry);
    }
    return found;
  } finally {
    client.closeInBackground(handle);
  }
}

/**
 * The number of READDIRs in flight on one handle. OpenSSH answers them in order; other servers may not support many.
 */
const MAX_READDIRS = 4;
const MAX_READDIRS_UNKNOWN = 2;
const MAX_NAMES = 5_000_000;
/** The size limit of one folder's listing: 64 MiB hold about 400,000 names. */
const MAX_LISTING_BYTES = 64 << 20;
const ATTRIBUTES_BYTES = 32;
/** The number of successive answers without a new name that are allowed. */
const MAX_IDLE_ANSWERS = 64;
/** A limit above the longest name that any file system allows. */
const MAX_NAME_BYTES = 1024;
const LINKS_AT_ONCE = 64;

/** The limits of one listing. A listing that never ends, repeats its names or arrives too slowly is refused. */
class ListingLimit {
  readonly #client: SftpClient;
  readonly #context: OperationContext;
  readonly #startedAt = performance.now();
  #bytes = 0;
  #idleAnswers = 0;

  constructor(client: SftpClient, context: OperationContext) {
    this.#client = client;
    this.#context = context;
  }

  /**
   * Counts one answer. Throws refused when the limit of bytes, names or idle answers is exceeded, and timeout when
   * names arrive too slowly.
   */
  count(
    answer: readonly RawName[],
    { fresh: newNames, all: allNames }: { readonly fresh: number; readonly all: number },
  ): void {
    for (const { filename, longname } of answer) this.#bytes += filename.length + longname.length + ATTRIBUTES_BYTES;
    this.#idleAnswers = newNames > 0 ? 0 : this.#idleAnswers + 1;
    if (allNames > MAX_NAMES) throw this.#refusedError(`it holds over ${MAX_NAMES} names`);
    if (this.#bytes > MAX_LISTING_BYTES) {
      throw this.#refusedError(`its listing is longer than ${MAX_LISTING_BYTES >> 20} MiB`);
    }
    if (this.#idleAnswers > MAX_IDLE_ANSWERS) {
      throw this.#refusedError(`its listing repeats names and does not end (${MAX_IDLE_ANSWERS} answers)`);
    }
    const seconds = (performance.now() - this.#startedAt) / 1000;
    if (seconds * 1000 <= this.#client.operationTimeout || allNames >= seconds) return;
    const why = `its listing returned only ${allNames} names in ${Math.round(seconds)} s, 20 times -Timeout`;
    throw operationError(this.#context, "timeout", { why });
  }

  #refusedError(why: string): Error {
    return operationError(this.#context, "refused", { why });
  }
}

/** Opens a folder. Returns undefined if the server cannot open it because it is empty. */
async function openFolder(client: SftpClient, options: ListOptions): Promise<Handle | undefined> {
  const [opened, checked] = await Promise.allSettled([
    client.opendir(options.serverPath, options),
    options.folderCheck,
  ]);
  if (opened.status === "fulfilled" && checked.status === "fulfilled") return opened.value;
  if (opened.status === "fulfilled") client.closeInBackground(opened.value);
  if (checked.status === "rejected") throw checked.reason;
  const error: unknown = opened.status === "rejected" && opened.reason;
  if (await isEmptyFolder(client, error, options)) return undefined;
  throw error;
}

/**
 * Whether a refused listing means an empty folder: gateways to object stores say that there is no such file, or just
 * FAILURE. It counts only if a stat shows the folder, and nothing is removed for it before each name was asked for.
 */
async function isEmptyFolder(client: SftpClient, error: unknown, options: ListOptions): Promise<boolean> {
  const status = statusOf(error);
  if (status !== NO_SUCH_FILE && !(status === FAILURE && isMereFailure(error))) return false;
  const attributes = await client.lstat(options.serverPath, options);
  return attributes !== undefined && parseStat(options.path, attributes).kind === "dir";
}

/** Whether the name is new. Some servers list a name twice when the folder changes meanwhile. */
function isNewName(name: string, names: Set<string>): boolean {
  if (name === "." || name === ".." || names.has(name)) return false;
  names.add(name);
  return true;
}

async function toEntries(
  client: SftpClient,
  names: readonly RawName[],
  options: ListOptions,
): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  const open: { readonly at: number; readonly name: RawName; readonly seen: StatEntry }[] = [];
  for (const name of names) {
    const gated = checkListedName(options.path, name.filename);
    if (gated.kind === "opaque") {
      all.push(gated);
      continue;
    }
    const seen = parseStat(gated.path, name.attrs);
    if (seen.kind === "link" || isIncomplete(name.attrs, seen)) open.push({ at: all.length, name, seen });
    all.push(seen.kind === "link" ? { kind: "opaque", path: seen.path, cause: "link", why: "a link" } : seen);
  }
  for (let i = 0; i < open.length; i += LINKS_AT_ONCE) {
    await Promise.all(
      open.slice(i, i + LINKS_AT_ONCE).map(async ({ at, name, seen }) => {
        all[at] = await completeEntry(client, seen, {
          ...options,
          serverPath: childOf(options.serverPath, name.filename),
          attributes: name.attrs,
          longname: name.longname,
        });
      }),
    );
  }
  return all;
}

function checkListedName(
  dir: RelPath,
  name: string,
): { kind: "good"; path: RelPath } | Extract<Entry, { kind: "opaque" }> {
  if (name.length > MAX_NAME_BYTES / 4 && Buffer.byteLength(name) > MAX_NAME_BYTES) {
    const gated = checkName(dir, `${name.slice(0, 64)}…`);
    const path = gated.ok ? gated.path : gated.displayPath;
    return { kind: "opaque", path, cause: "name", why: `the name is longer than ${MAX_NAME_BYTES} bytes` };
  }
  const gated = checkName(dir, name);
  if (gated.ok) return { kind: "good", path: gated.path };
  return { kind: "opaque", path: gated.displayPath, cause: "name", why: gated.why };
}

/**
 * Completes an entry that the listing leaves open: requests a link's target, and all attributes if the server lists
 * names only.
 */
async function completeEntry(
  client: SftpClient,
  entry: StatEntry,
  options: ListOptions & { readonly attributes: RawAttributes; readonly longname: string },
): Promise<Entry> {
  if (!isIncomplete(options.attributes, entry)) return await withLinkTarget(client, entry, options);
  const attributes = { ...options.attributes, ...await client.lstat(options.serverPath, options) };
  const mode = attributes.mode ?? modeOf(options.longname);
  const seen = parseStat(entry.path, mode === undefined ? attributes : { ...attributes, mode });
  return await withLinkTarget(client, seen, options);
}

/** Whether a listing lacks what a comparison needs. */
function isIncomplete({ mode, size, mtime }: RawAttributes, seen: StatEntry): boolean {
  return mode === undefined ||
    (seen.kind === "file" || seen.kind === "opaque") && (size === undefined || mtime === undefined);
}

/** Returns the mode that a line of `ls -l` shows, for servers that send no permissions. */
function modeOf(longname: string): number | undefined {
  const [, type = "", bits] = /^([-dl])([-rwxsStT]{9})[+.@]?\s/.exec(longname) ?? [];
  if (bits === undefined) return undefined;
  const rwx = [...bits].reduce((mode, bit) => mode * 2 + (/[-ST]/.test(bit) ? 0 : 1), 0);
  return rwx | (type === "d" ? 0o040000 : type === "l" ? 0o120000 : 0o100000);
}
