import { badInput, cancelled } from "../../core/errors.ts";
import { type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type {
  Backend,
  Body,
  Call,
  Content,
  Expecting,
  OpenProtocol,
  Place,
  Proof,
  ReadOptions,
  Target,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import type { Desk } from "./upload_body.ts";
import { copyObject, makeFolder, removeObject, setTime, storeChecksum } from "./changes.ts";
import { openStore, type Store } from "./client.ts";
import type { Credentials, StoreOptions } from "./types.ts";
import { toHonours } from "./conditional_write.ts";
import { children, find, type Spot } from "./stat.ts";
import { toPrefix } from "./keys.ts";
import { mustBeKnown, toManners } from "./object_options.ts";
import { knock } from "../../net/knock.ts";
import { mustShowCertificate, readTlsPins } from "../../net/tls.ts";
import { mustBeSecure, resolvedIn, toBucketPlace } from "./address.ts";
import { proofOf } from "./etag_proof.ts";
import { readObject } from "./read.ts";
import { Room } from "../../net/byte_semaphore.ts";
import { everything } from "./list.ts";
import { writeObject } from "./write.ts";
import { Budget } from "../../http/parallel_download.ts";
import { once, storeTraits, unchecked } from "../shared/object_store_traits.ts";
import { operationError } from "../../core/operation.ts";

/**
 * A bucket to open and its label. `path`: the start folder, "/" or "/a/b"; `options`: those for http: and part sizes.
 */
export interface BucketTarget extends StoreOptions {
  readonly label: string;
  readonly path: string;
  readonly options: Readonly<Record<string, string>>;
  /** Shown once: see Target. */
  warn(message: string): void;
}

/**
 * Opens a bucket of S3 or of an S3-compatible store, after it has answered. Rejects with connection, timeout, auth,
 * hostKey, notFound, denied, refused or badInput.
 */
export const openS3: OpenProtocol = async (target, call) => {
  const { options } = target;
  const place = toBucketPlace(target.address, options);
  return await openBucket({
    ...place,
    profile: options["Profile"],
    credentials: await credentialsOf(target),
    timeout: numberOf(options["Timeout"], TIMEOUT_MS),
    connections: Math.max(1, numberOf(options["Connections"], CONNECTIONS)),
    pins: readTlsPins(target),
    manners: toManners(options),
    options,
    warn: (message) => target.warn(message),
    env: (name) => target.env(name),
    conceal: (secret) => target.conceal(secret),
  }, call);
};

/** Opens a bucket whose endpoint and credentials are known; see openS3. */
async function openBucket(target: BucketTarget, call: Call): Promise<Backend> {
  const partSize = numberOf(target.options["PartSize"], PART_MIB) * MIB;
  if (partSize < LEAST_PART_MIB * MIB) throw badInput(`-PartSize is ${LEAST_PART_MIB} MiB at least.`);
  const spot: Spot = { ...call, operation: "open", path: root, prefix: toPrefix(target.path), shown: target.label };
  const store = await openStore(target, spot);
  try {
    mustBeSecure(store.endpoint, target.options);
    mustShowCertificate(store.endpoint, target.pins);
    mustBeKnown(target.manners, store.endpoint);
    await knock(() => store.list(spot.prefix, spot, { most: 1 }), spot);
    const room = new Room(Math.max(ROOM, partSize));
    const desk: Desk = { store, honours: toHonours(store.endpoint), room, partSize, begun: new Set() };
    const { label } = target;
    const tellOfMarkers = once(() => target.warn(markersOf(label)));
    const tellOfUnchecked = once(() => target.warn(unchecked(label)));
    const shared = { desk, budget: new Budget(PIECES_AHEAD), label, tellOfMarkers, tellOfUnchecked };
    return new S3(shared, { path: target.path, owns: true });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

const TIMEOUT_MS = 15_000;
const CONNECTIONS = 32;
const MIB = 1 << 20;
const PART_MIB = 8;
/** "Amazon S3 multipart upload limits". */
const LEAST_PART_MIB = 5;
/** Bytes of content that all uploads together hold in memory. */
const ROOM = 64 * MIB;
/** Pieces of all downloads together; about 64 MiB. */
const PIECES_AHEAD = 16;

interface Shared {
  readonly desk: Desk;
  readonly budget: Budget;
  readonly label: string;
  /** Reports a removal in a bucket that keeps versions. */
  tellOfMarkers(): void;
  /** Reports a read whose content could not be compared with anything. */
  tellOfUnchecked(): void;
}

/** Returns the warning about a removal in a bucket that keeps versions. */
function markersOf(label: string): string {
  return `${label} keeps versions: what is removed stays there behind a delete marker, until a lifecycle rule ends it.`;
}

class S3 implements Backend {
  readonly label: string;
  readonly place: Place;
  readonly traits: Traits;
  readonly #shared: Shared;
  readonly #store: Store;
  readonly #owns: boolean;
  readonly #prefix: string;

  constructor(shared: Shared, { path, owns }: { readonly path: string; readonly owns: boolean }) {
    this.label = shared.label;
    this.place = { path };
    this.traits = storeTraits(shared.desk.store.options.connections);
    this.#shared = shared;
    this.#store = shared.desk.store;
    this.#owns = owns;
    this.#prefix = toPrefix(path);
  }

  async at(folder: string, call: Call): Promise<Backend> {
    const spot = this.#spot("open the folder", root, call);
    if (call.signal.aborted) throw cancelled(call.signal, spot.operation);
    if (this.#store.isClosed) {
      throw operationError(spot, "connection", { why: "the session was closed", transient: false });
    }
    const path = resolvedIn(this.place.path, folder);
    return await Promise.resolve(new S3(this.#shared, { path, owns: false }));
  }

  async list(dir: RelPath, call: Call): Promise<readonly Entry[]> {
    return await children(this.#store, this.#spot("list", dir, call));
  }

  async stat(path: RelPath, call: Call): Promise<Entry | undefined> {
    return await find(this.#store, this.#spot("look at", path, call));
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const { budget, tellOfUnchecked: onUnchecked } = this.#shared;
    return await readObject(this.#store, { ...options, ...this.#spot("read", path, options), onUnchecked }, budget);
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    return await writeObject(this.#shared.desk, { spot: this.#spot("write", path, options), body, options });
  }

  async makeDir(path: RelPath, call: Call): Promise<DirEntry> {
    return await makeFolder(this.#store, this.#spot("make the folder", path, call));
  }

  async remove(entry: Entry, call: Call): Promise<void> {
    if (await removeObject(this.#store, entry, this.#spot("remove", entry.path, call))) this.#shared.tellOfMarkers();
  }

  async copy(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    const target = { ...options, to: this.#spot("copy", to, options) };
    await copyObject(this.#store, this.#spot("copy", from, options), target);
  }

  async setModified(path: RelPath, modified: number, call: Call): Promise<void> {
    await setTime(this.#store, modified, this.#spot("set the time of", path, call));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: Call): Promise<Checksum | undefined> {
    return await storeChecksum(this.#store, entry, { ...this.#spot("hash", entry.path, call), wanted });
  }

  proof(entry: FileEntry): Proof | undefined {
    return proofOf(entry, this.#shared.desk.partSize);
  }

  walk(dir: RelPath, call: Call): AsyncIterable<readonly Entry[]> {
    return everything(this.#store, this.#spot("list", dir, call));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#store[Symbol.asyncDispose]();
  }

  #spot(operation: string, path: RelPath, { signal }: Call): Spot {
    return { operation, path, signal, prefix: this.#prefix };
  }
}

/**
 * Returns the credentials whose key the options, the address or -UserName name; the secret comes from -SecretKey, or
 * from the same sources as any password.
 */
async function credentialsOf({ address, options, secret }: Target): Promise<Credentials | undefined> {
  const accessKeyId = options["AccessKey"] ?? address.user;
  if (accessKeyId === undefined) return undefined;
  const secretAccessKey = await secret("SecretKey") ?? await secret("password");
  if (secretAccessKey === undefined) {
    throw badInput("The secret of the access key is missing: give -SecretKey, -PasswordFile or TANDEM_PASSWORD.");
  }
  const sessionToken = await secret("SessionToken");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function numberOf(text: string | undefined, fallback: number): number {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fallback;
}
