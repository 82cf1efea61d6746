import { createHash } from "node:crypto";
import type { Backend, CallOptions } from "../../core/backend.ts";
import { cancelled, toSyncError } from "../../core/errors.ts";
import { foldPath, type RelPath } from "../../core/path.ts";
import {
  type Checksum,
  type Entry,
  type FileEntry,
  type OpaqueEntry,
  type Side,
  sides as bothSides,
  type Snapshot,
} from "../../core/entry.ts";
import { runConcurrently, takeInOrder } from "../common/concurrency.ts";
import { proveByListing, readVersion } from "./content_proof.ts";
import type { Backends } from "../common/sides.ts";
import { endsRun } from "../common/ends_run.ts";
import type { History } from "../../core/history.ts";
import { failureReason } from "../../core/operation.ts";

/** The options for comparing by checksum. */
export interface HashOptions extends CallOptions {
  /** Whether remote files may be read if the server provides no checksum; otherwise their pairs stay undecided. */
  readonly readBack: boolean;
  /** Whether a file that cannot be read keeps its listed entry, without proof, instead of failing. */
  readonly isOptional?: boolean;
  readonly concurrency?: number;
}

/** A file on both sides that a checksum would decide. */
export interface OpenPair {
  readonly local: FileEntry;
  readonly remote: FileEntry;
}

/** A file that the other side lacks, and the algorithm of its checksum in history. */
export interface OneSidedFile {
  readonly side: Side;
  readonly entry: FileEntry;
  readonly algorithm: string;
}

export type Snapshots = Readonly<Record<Side, Snapshot>>;

/**
 * Returns the pairs of a plan's open paths. A pair with two spellings is in the list under both, the local one first.
 */
export function toOpenPairs(open: readonly RelPath[], snapshots: Snapshots): readonly OpenPair[] {
  const pairs: OpenPair[] = [];
  for (let i = 0; i < open.length; i++) {
    const [path, next] = open.slice(i, i + 2);
    const local = path && snapshots.local.get(path);
    if (path === undefined || local?.kind !== "file") continue;
    const same = snapshots.remote.get(path);
    const remote = same ?? (isOtherSpelling(path, next) ? snapshots.remote.get(next) : undefined);
    if (same === undefined && remote !== undefined) i++;
    if (remote?.kind === "file") pairs.push({ local, remote });
  }
  return pairs;
}

/**
 * Returns the files of a plan's open paths without a counterpart: whether they are unchanged since the last run decides
 * about a deletion.
 */
export function toOneSidedFiles(
  open: readonly RelPath[],
  snapshots: Snapshots,
  history: History | undefined,
): readonly OneSidedFile[] {
  const paired = new Set(toOpenPairs(open, snapshots).flatMap(({ local, remote }) => [local.path, remote.path]));
  const oneSided: OneSidedFile[] = [];
  for (const path of new Set(open)) {
    const algorithm = algorithmOf(history?.get(path)?.checksum);
    if (algorithm === undefined || paired.has(path)) continue;
    for (const side of bothSides) {
      const entry = snapshots[side].get(path);
      if (entry?.kind === "file") oneSided.push({ side, entry, algorithm });
    }
  }
  return oneSided;
}

/** Returns the pairs whose remote file would have to be read, as far as that is known before the server is asked. */
export function toReadBack(pairs: readonly OpenPair[], remote: Backend): readonly OpenPair[] {
  return pairs.filter((pair) => remote.checksum === undefined && algorithmOf(pair.remote.checksum) === undefined);
}

/**
 * Returns the snapshots with the checksums of these pairs, each pair by one algorithm. A file that cannot be hashed
 * becomes an opaque entry: unreadable, or special if it vanished meanwhile. A failure never counts as equality. Rejects
 * when the server is lost or the signal aborted.
 */
export async function hashPairs(
  pairs: readonly OpenPair[],
  sides: Backends,
  options: HashOptions & { readonly snapshots: Snapshots; readonly lone?: readonly OneSidedFile[] },
): Promise<Snapshots> {
  const found = { local: new Map<RelPath, Entry>(), remote: new Map<RelPath, Entry>() };
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);

  async function hashOne(one: OpenPair | OneSidedFile): Promise<void> {
    try {
      await ("side" in one ? hashOneSided(one) : hashPair(one));
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }

  async function hashOneSided({ side, entry, algorithm }: OneSidedFile): Promise<void> {
    const wanted = [algorithm];
    const result = await withChecksum(
      entry,
      { ...options, backend: sides[side], signal },
      () =>
        side === "local"
          ? localChecksum(entry, sides.local, { algorithm, signal })
          : remoteChecksum(entry, sides.remote, { ...options, signal, wanted }),
    );
    found[side].set(entry.path, result);
  }

  async function hashPair(pair: OpenPair): Promise<void> {
    const proof = await findListingProof(pair, sides, { signal });
    if (proof?.isEqual === true) {
      for (const side of bothSides) found[side].set(pair[side].path, { ...pair[side], checksum: proof.checksum });
      return;
    }
    const mine = proof === undefined ? pair.local : { ...pair.local, checksum: proof.checksum };
    const asking = { ...options, signal, wanted: ALGORITHMS };
    const there = { ...options, backend: sides.remote, signal };
    const remote = await withChecksum(pair.remote, there, () => remoteChecksum(pair.remote, sides.remote, asking));
    if (remote.kind === "opaque") return void found.remote.set(remote.path, remote);
    const algorithm = algorithmOf(remote.checksum);
    if (algorithm === undefined) return;
    const here = { ...options, backend: sides.local, signal };
    const local = await withChecksum(pair.local, here, () => localChecksum(mine, sides.local, { algorithm, signal }));
    found.local.set(local.path, local);
    found.remote.set(remote.path, remote);
  }

  const limit = options.concurrency ?? Math.min(MAX_FILES_AT_ONCE, sides.remote.traits.parallelFiles);
  await runConcurrently(takeInOrder<OpenPair | OneSidedFile>([...pairs, ...options.lone ?? []]), hashOne, {
    limit: Math.max(1, limit),
    signal,
  });
  if (options.signal.aborted) throw cancelled(options.signal, "compare by checksum");
  return {
    local: withChanges(options.snapshots.local, found.local),
    remote: withChanges(options.snapshots.remote, found.remote),
  };
}

/** The algorithms that both this runtime and servers support, in order of preference. */
const ALGORITHMS = ["sha256", "sha512", "sha1", "md5"];
const MAX_FILES_AT_ONCE = 32;

/** Whether two consecutive paths in a plan's list are spellings of one name. */
function isOtherSpelling(path: RelPath, next: RelPath | undefined): next is RelPath {
  const rules = { caseSensitive: false, normalizes: true };
  return next !== undefined && next !== path && foldPath(path, rules) === foldPath(next, rules);
}

/** Returns the algorithm of a checksum; undefined if it is not one of ALGORITHMS. */
export function algorithmOf(checksum: Checksum | undefined): string | undefined {
  const name = checksum?.slice(0, checksum.indexOf(":"));
  return name !== undefined && ALGORITHMS.includes(name) ? name : undefined;
}

/** Returns the entry with its checksum; unchanged if there is no checksum; opaque if hashing failed. */
async function withChecksum(
  entry: FileEntry,
  { backend, signal, isOptional = false }: Pick<HashOptions, "signal" | "isOptional"> & { readonly backend: Backend },
  hash: () => Promise<Checksum | undefined>,
): Promise<FileEntry | OpaqueEntry> {
  const { path } = entry;
  try {
    const checksum = await hash();
    return checksum === undefined ? entry : { ...entry, checksum };
  } catch (error) {
    const why = toSyncError(error, "checksum");
    if (await endsRun(why, backend, { signal })) throw why;
    if (isOptional) return entry;
    if (why.kind === "notFound") {
      return { kind: "opaque", path, cause: "special", why: "it vanished while it was compared" };
    }
    return {
      kind: "opaque",
      path,
      cause: "unreadable",
      why: `its checksum could not be determined: ${failureReason(why)}`,
    };
  }
}

/**
 * Returns the proof of the remote listing for the local content; undefined if the listing contains a checksum itself.
 */
async function findListingProof({ local, remote }: OpenPair, sides: Backends, { signal }: CallOptions) {
  if (algorithmOf(remote.checksum) !== undefined) return undefined;
  return await proveByListing(remote, { counterpart: local, prover: sides.remote, reader: sides.local, signal });
}

async function remoteChecksum(
  entry: FileEntry,
  remote: Backend,
  { wanted, readBack, signal }: HashOptions & { readonly wanted: readonly string[] },
): Promise<Checksum | undefined> {
  const isWanted = (sum: Checksum | undefined) => wanted.includes(algorithmOf(sum) ?? "");
  if (isWanted(entry.checksum)) return entry.checksum;
  const offered = await remote.checksum?.(entry, wanted, { signal });
  if (isWanted(offered)) return offered;
  const [algorithm = "sha256"] = wanted;
  return readBack ? await contentHash(entry, remote, { algorithm, signal }) : undefined;
}

interface AlgorithmOptions extends CallOptions {
  readonly algorithm: string;
}

async function localChecksum(entry: FileEntry, local: Backend, options: AlgorithmOptions): Promise<Checksum> {
  if (entry.checksum !== undefined && algorithmOf(entry.checksum) === options.algorithm) return entry.checksum;
  return await contentHash(entry, local, options);
}

/** Returns the checksum of the listed version of the file. */
async function contentHash(
  entry: FileEntry,
  backend: Backend,
  { algorithm, signal }: AlgorithmOptions,
): Promise<Checksum> {
  const hash = createHash(algorithm);
  await readVersion(entry, backend, { signal, take: (bytes) => void hash.update(bytes) });
  return `${algorithm}:${hash.digest("hex")}`;
}

/**
 * Returns the snapshot with some entries replaced or completed by a checksum, with the same paths in the same order.
 */
export function withChanges(snapshot: Snapshot, changes: ReadonlyMap<RelPath, Entry | Checksum>): Snapshot {
  if (changes.size === 0) return snapshot;
  const changed = (entry: Entry): Entry => {
    const change = changes.get(entry.path);
    if (typeof change !== "string") return change ?? entry;
    // Created on access: a hundred thousand of them would take memory for nothing.
    return entry.kind === "file" ? { ...entry, checksum: change } : entry;
  };
  return {
    size: snapshot.size,
    get: (path) => {
      const entry = snapshot.get(path);
      return entry === undefined ? undefined : changed(entry);
    },
    *[Symbol.iterator]() {
      for (const entry of snapshot) yield changed(entry);
    },
  };
}
