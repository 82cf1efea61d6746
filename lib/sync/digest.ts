import { createHash } from "node:crypto";
import type { Backend, Call } from "../backends/backend.ts";
import { cancelled, SyncError, toSyncError } from "../errors.ts";
import { printable, type RelPath } from "../path.ts";
import type { Checksum, Entry, FileEntry, OpaqueEntry, Side, Snapshot } from "../types.ts";
import { drain, inOrder } from "./pool.ts";
import { endsAll } from "./scan.ts";
import type { Backends } from "./transfer.ts";

/** `readBack`: remote files whose server gives no checksum may be read for it; else their pairs stay undecided. */
export interface DigestOptions extends Call {
  readonly readBack: boolean;
  readonly concurrency?: number;
}

/** A file of both sides that a checksum would settle. */
export interface OpenPair {
  readonly local: FileEntry;
  readonly remote: FileEntry;
}

export type Snapshots = Readonly<Record<Side, Snapshot>>;

/** The pairs behind a plan's open paths: a pair that is spelled in two ways stands there under both, the local one first. */
export function toOpenPairs(open: readonly RelPath[], snapshots: Snapshots): readonly OpenPair[] {
  const pairs: OpenPair[] = [];
  for (let i = 0; i < open.length; i++) {
    const [path, next] = open.slice(i, i + 2);
    const local = path && snapshots.local.get(path);
    if (path === undefined || local?.kind !== "file") continue;
    const same = snapshots.remote.get(path);
    const remote = same ?? (next && snapshots.remote.get(next));
    if (same === undefined) i++;
    if (remote?.kind === "file") pairs.push({ local, remote });
  }
  return pairs;
}

/** The pairs of which the remote file would have to be read, as far as can be told before a server is asked. */
export function toReadBack(pairs: readonly OpenPair[], remote: Backend): readonly OpenPair[] {
  return pairs.filter((pair) => remote.checksum === undefined && algorithmOf(pair.remote.checksum) === undefined);
}

/**
 * The snapshots with the checksums of these pairs filled in, both of a pair by one algorithm. What cannot be hashed becomes an opaque
 * entry: unreadable, or special where it vanished meanwhile; never does a failure look like equality. Rejects when the server is lost or
 * the signal aborted.
 */
export async function digest(
  pairs: readonly OpenPair[],
  sides: Backends,
  options: DigestOptions & { readonly snapshots: Snapshots },
): Promise<Snapshots> {
  const found = { local: new Map<RelPath, Entry>(), remote: new Map<RelPath, Entry>() };
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);

  async function settle(pair: OpenPair): Promise<void> {
    try {
      const remote = await hashed(pair.remote, () => remoteChecksum(pair.remote, sides.remote, { ...options, signal }));
      if (remote.kind === "opaque") return void found.remote.set(remote.path, remote);
      const algorithm = algorithmOf(remote.checksum);
      if (algorithm === undefined) return;
      const local = await hashed(pair.local, () => localChecksum(pair.local, sides.local, { algorithm, signal }));
      found.local.set(local.path, local);
      found.remote.set(remote.path, remote);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }

  const limit = options.concurrency ?? Math.min(MAX_FILES_AT_ONCE, sides.remote.traits.parallelFiles);
  await drain(inOrder(pairs), settle, { limit: Math.max(1, limit), signal });
  if (options.signal.aborted) throw cancelled(options.signal, "compare by checksum");
  return {
    local: overlay(options.snapshots.local, found.local),
    remote: overlay(options.snapshots.remote, found.remote),
  };
}

/** Algorithms that both this runtime and servers know, the ones to ask for first. */
const ALGORITHMS = ["sha256", "sha512", "sha1", "md5"];
const MAX_FILES_AT_ONCE = 32;

function algorithmOf(checksum: Checksum | undefined): string | undefined {
  const name = checksum?.slice(0, checksum.indexOf(":"));
  return name !== undefined && ALGORITHMS.includes(name) ? name : undefined;
}

/** The entry with the checksum it gets; as it is where there is none to be had; opaque where that failed. */
async function hashed(
  entry: FileEntry,
  hash: () => Promise<Checksum | undefined>,
): Promise<FileEntry | OpaqueEntry> {
  const { path } = entry;
  try {
    const checksum = await hash();
    return checksum === undefined ? entry : { ...entry, checksum };
  } catch (error) {
    const why = toSyncError(error, "checksum");
    if (endsAll(why.kind)) throw why;
    if (why.kind === "notFound") {
      return { kind: "opaque", path, cause: "special", why: "it vanished while it was compared" };
    }
    return { kind: "opaque", path, cause: "unreadable", why: `its checksum could not be told: ${why.message}` };
  }
}

async function remoteChecksum(
  entry: FileEntry,
  remote: Backend,
  options: DigestOptions,
): Promise<Checksum | undefined> {
  if (algorithmOf(entry.checksum) !== undefined) return entry.checksum;
  const offered = await remote.checksum?.(entry, ALGORITHMS, options);
  if (algorithmOf(offered) !== undefined) return offered;
  return options.readBack
    ? await contentHash(entry, remote, { algorithm: "sha256", signal: options.signal })
    : undefined;
}

interface HashOptions extends Call {
  readonly algorithm: string;
}

async function localChecksum(entry: FileEntry, local: Backend, options: HashOptions): Promise<Checksum> {
  if (entry.checksum !== undefined && algorithmOf(entry.checksum) === options.algorithm) return entry.checksum;
  return await contentHash(entry, local, options);
}

/** The hash of one consistent version of the file: the one that was listed. */
async function contentHash(entry: FileEntry, backend: Backend, { algorithm, signal }: HashOptions): Promise<Checksum> {
  const hash = createHash(algorithm);
  const content = await backend.read(entry.path, { signal, expect: entry });
  let bytes = 0;
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  if (bytes !== entry.size) {
    const message = `"${printable(entry.path)}" gave ${bytes} bytes, ${entry.size} were listed`;
    throw new SyncError("changed", message, { operation: "checksum", path: entry.path });
  }
  return `${algorithm}:${hash.digest("hex")}`;
}

/** The snapshot with some entries in other words; the same paths, the same order. */
function overlay(snapshot: Snapshot, changes: ReadonlyMap<RelPath, Entry>): Snapshot {
  if (changes.size === 0) return snapshot;
  return {
    size: snapshot.size,
    get: (path) => changes.get(path) ?? snapshot.get(path),
    *[Symbol.iterator]() {
      for (const entry of snapshot) yield changes.get(entry.path) ?? entry;
    },
  };
}
