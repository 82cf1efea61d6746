import { badInput, cancelled } from "../../core/errors.ts";
import { type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type {
  Backend,
  BackendRoot,
  Body,
  CallOptions,
  Content,
  EqualityProof,
  Precondition,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import type { UploadContext } from "./upload_body.ts";
import { copyObject, makeFolder, removeEntry, serverChecksum, setTime } from "./changes.ts";
import { openS3Client, type S3Client } from "./client.ts";
import type { Credentials, S3ClientOptions } from "./types.ts";
import { initialSupport } from "./conditional_write.ts";
import { list, type ObjectContext, stat } from "./stat.ts";
import { toPrefix } from "./keys.ts";
import { assertKnownStorageClass, parseObjectOptions } from "./object_options.ts";
import { connectWithRetry } from "../../net/backoff.ts";
import { assertTlsForPins, readTlsPins } from "../../net/tls.ts";
import { assertSecure, parseBucketAddress, resolveFolder } from "./address.ts";
import { etagProof } from "./etag_proof.ts";
import { readObject } from "./read.ts";
import { ByteSemaphore } from "../../net/byte_semaphore.ts";
import { walk } from "./list.ts";
import { writeObject } from "./write.ts";
import { objectStoreTraits, once, uncheckedDownloadsWarning } from "../shared/object_store_traits.ts";
import { operationError } from "../../core/operation.ts";
import type { ConnectContext, OpenProtocol } from "../../core/protocol.ts";
import { numberOption } from "../shared/options.ts";
import { Semaphore } from "../../net/semaphore.ts";

/**
 * A bucket to open and its label. `path`: the start folder, "/" or "/a/b"; `options`: those for http: and part sizes.
 */
export interface BucketTarget extends S3ClientOptions {
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
  const place = parseBucketAddress(target.address, options);
  return await openBucket({
    ...place,
    profile: options["Profile"],
    credentials: await requestedCredentials(target),
    timeout: numberOption(options["Timeout"], TIMEOUT_MS),
    connections: Math.max(1, numberOption(options["Connections"], CONNECTIONS)),
    pins: readTlsPins(target),
    objectOptions: parseObjectOptions(options),
    options,
    warn: (message) => target.warn(message),
    env: (name) => target.env(name),
    conceal: (secret) => target.hideSecret(secret),
  }, call);
};

/** Opens a bucket whose endpoint and credentials are known; see openS3. */
async function openBucket(target: BucketTarget, call: CallOptions): Promise<Backend> {
  const partSize = numberOption(target.options["PartSize"], PART_MIB) * MIB;
  if (partSize < MIN_PART_MIB * MIB) throw badInput(`-PartSize is ${MIN_PART_MIB} MiB at least.`);
  const context: ObjectContext = {
    ...call,
    operation: "open",
    path: root,
    prefix: toPrefix(target.path),
    displayName: target.label,
  };
  const client = await openS3Client(target, context);
  try {
    assertSecure(client.endpoint, target.options);
    assertTlsForPins(client.endpoint, target.pins);
    assertKnownStorageClass(target.objectOptions, client.endpoint);
    await connectWithRetry(() => client.list(context.prefix, context, { most: 1 }), context);
    const memory = new ByteSemaphore(Math.max(UPLOAD_MEMORY, partSize));
    const uploads: UploadContext = {
      client,
      support: initialSupport(client.endpoint),
      memory,
      partSize,
      begunHere: new Set(),
    };
    const { label } = target;
    const warnOfVersions = once(() => target.warn(versionsWarning(label)));
    const warnUnchecked = once(() => target.warn(uncheckedDownloadsWarning(label)));
    const bucket = { uploads, pieces: new Semaphore(PIECES_AHEAD), label, warnOfVersions, warnUnchecked };
    return new S3(bucket, { path: target.path, owns: true });
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

const TIMEOUT_MS = 15_000;
const CONNECTIONS = 32;
const MIB = 1 << 20;
const PART_MIB = 8;
/** "Amazon S3 multipart upload limits". */
const MIN_PART_MIB = 5;
/** Bytes of content that all uploads together hold in memory. */
const UPLOAD_MEMORY = 64 * MIB;
/** Pieces of all downloads together; about 64 MiB. */
const PIECES_AHEAD = 16;

interface Bucket {
  readonly uploads: UploadContext;
  readonly pieces: Semaphore;
  readonly label: string;
  /** Reports a removal in a bucket that keeps versions. */
  warnOfVersions(): void;
  /** Reports a read whose content could not be compared with anything. */
  warnUnchecked(): void;
}

/** Returns the warning about a removal in a bucket that keeps versions. */
function versionsWarning(label: string): string {
  return `${label} keeps versions: what is removed stays there behind a delete marker, until a lifecycle rule ends it.`;
}

class S3 implements Backend {
  readonly label: string;
  readonly root: BackendRoot;
  readonly traits: Traits;
  readonly #bucket: Bucket;
  readonly #client: S3Client;
  readonly #owns: boolean;
  readonly #prefix: string;

  constructor(bucket: Bucket, { path, owns }: { readonly path: string; readonly owns: boolean }) {
    this.label = bucket.label;
    this.root = { path, isOrdinary: true };
    this.traits = objectStoreTraits(bucket.uploads.client.options.connections);
    this.#bucket = bucket;
    this.#client = bucket.uploads.client;
    this.#owns = owns;
    this.#prefix = toPrefix(path);
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const context = this.#context("open the folder", root, call);
    if (call.signal.aborted) throw cancelled(call.signal, context.operation);
    if (this.#client.isClosed) {
      throw operationError(context, "connection", { why: "the session was closed", transient: false });
    }
    const path = resolveFolder(this.root.path, folder);
    return await Promise.resolve(new S3(this.#bucket, { path, owns: false }));
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    return await list(this.#client, this.#context("list", dir, call));
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    return await stat(this.#client, this.#context("look at", path, call));
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const { pieces, warnUnchecked: onUnchecked } = this.#bucket;
    return await readObject(this.#client, { ...options, ...this.#context("read", path, options), onUnchecked }, pieces);
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    return await writeObject(this.#bucket.uploads, { context: this.#context("write", path, options), body, options });
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    return await makeFolder(this.#client, this.#context("make the folder", path, call));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    if (await removeEntry(this.#client, entry, this.#context("remove", entry.path, call))) {
      this.#bucket.warnOfVersions();
    }
  }

  async copy(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const target = { ...options, to: this.#context("copy", to, options) };
    await copyObject(this.#client, this.#context("copy", from, options), target);
  }

  async setModified(path: RelPath, modified: number, call: CallOptions): Promise<void> {
    await setTime(this.#client, modified, this.#context("set the time of", path, call));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined> {
    return await serverChecksum(this.#client, entry, { ...this.#context("hash", entry.path, call), wanted });
  }

  equalityProof(entry: FileEntry): EqualityProof | undefined {
    return etagProof(entry, this.#bucket.uploads.partSize);
  }

  walk(dir: RelPath, call: CallOptions): AsyncIterable<readonly Entry[]> {
    return walk(this.#client, this.#context("list", dir, call));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#client[Symbol.asyncDispose]();
  }

  #context(operation: string, path: RelPath, { signal }: CallOptions): ObjectContext {
    return { operation, path, signal, prefix: this.#prefix };
  }
}

/**
 * Returns the credentials whose key the options, the address or -UserName name; the secret comes from -SecretKey, or
 * from the same sources as any password.
 */
async function requestedCredentials({ address, options, secret }: ConnectContext): Promise<Credentials | undefined> {
  const accessKeyId = options["AccessKey"] ?? address.user;
  if (accessKeyId === undefined) return undefined;
  const secretAccessKey = await secret("SecretKey") ?? await secret("password");
  if (secretAccessKey === undefined) {
    throw badInput("The secret of the access key is missing: give -SecretKey, -PasswordFile or TANDEM_PASSWORD.");
  }
  const sessionToken = await secret("SessionToken");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
