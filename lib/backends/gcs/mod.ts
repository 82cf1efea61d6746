import { badInput, cancelled } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type {
  Backend,
  BackendRoot,
  Body,
  CallOptions,
  Content,
  Precondition,
  ReadOptions,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import type { ObjectContext } from "./client.ts";
import { copyObject, makeFolder, removeEntry, serverChecksum, setMetadata } from "./changes.ts";
import { type Bucket, connectGcs, ENDPOINT } from "./connect.ts";
import { list, walk } from "./list.ts";
import { formatMtime } from "./object.ts";
import { stat } from "./stat.ts";
import { keyOf, resolveRootKey } from "./keys.ts";
import { readObject } from "./read.ts";
import { writeObject } from "./write.ts";
import { sessionClosed } from "../../http/exchange.ts";
import { objectStoreTraits } from "../shared/object_store_traits.ts";
import type { ConnectContext, OpenProtocol } from "../../core/protocol.ts";

/**
 * Opens a bucket of Google Cloud Storage: over its JSON API, or with an HMAC key over the S3 protocol. Authenticates
 * and makes one request. Rejects with connection, timeout, auth, denied, notFound, refused or badInput.
 */
export const openGcs: OpenProtocol = async (target, call) => {
  if (target.options["AccessKey"] !== undefined) return await openWithHmacKey(target, call);
  const bucket = await connectGcs(target, call);
  return new Gcs(bucket, { at: bucket.rootKey, owns: true });
};

/**
 * Opens the bucket over the S3 protocol. Cloud Storage, "Simple migration from Amazon S3": its own endpoint, the region
 * "auto", the bucket in the path.
 */
async function openWithHmacKey(target: ConnectContext, call: CallOptions): Promise<Backend> {
  const { address, options } = target;
  const other = ["KeyFile", "UserProject", "TlsHostCertificateFingerprint"].find((name) => options[name] !== undefined);
  if (other !== undefined) throw badInput(`-AccessKey logs in with an HMAC key, and -${other} does not go with it.`);
  const { openS3 } = await import("../s3/mod.ts");
  const { Endpoint = ENDPOINT, ...rest } = options;
  const given = { ...rest, Endpoint, Region: "auto", PathStyle: "true" };
  return await openS3({ ...target, address: { ...address, scheme: "s3" }, options: given }, call);
}

class Gcs implements Backend {
  readonly label: string;
  readonly root: BackendRoot;
  readonly traits: Traits;
  readonly #bucket: Bucket;
  readonly #rootKey: string;
  readonly #owns: boolean;

  constructor(bucket: Bucket, { at, owns }: { readonly at: string; readonly owns: boolean }) {
    this.label = bucket.label;
    this.root = { path: `/${at}`, isOrdinary: true };
    this.traits = objectStoreTraits(bucket.connections);
    this.#bucket = bucket;
    this.#rootKey = at;
    this.#owns = owns;
  }

  async withRoot(folder: string, call: CallOptions): Promise<Backend> {
    const context = this.#context("open the folder", root, call);
    if (call.signal.aborted) throw cancelled(call.signal, context.operation);
    if (this.#bucket.client.isClosed) throw sessionClosed(context);
    const at = resolveRootKey(this.#rootKey, folder);
    if (at !== undefined) return await Promise.resolve(new Gcs(this.#bucket, { at, owns: false }));
    throw badInput(
      `The folder "${escapeForDisplay(folder)}" has an empty name in it: write one slash between folders.`,
    );
  }

  async list(dir: RelPath, call: CallOptions): Promise<readonly Entry[]> {
    const found = await list(this.#bucket.client, this.#context("list", dir, call));
    this.#recordFolders(found);
    return found;
  }

  async *walk(dir: RelPath, call: CallOptions): AsyncIterable<readonly Entry[]> {
    for await (const batch of walk(this.#bucket.client, this.#context("list", dir, call))) {
      this.#recordFolders(batch);
      yield batch;
    }
  }

  async stat(path: RelPath, call: CallOptions): Promise<Entry | undefined> {
    return (await stat(this.#bucket.client, this.#context("look at", path, call)))?.entry;
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const { client, pieces, warnUnchecked: onUnchecked } = this.#bucket;
    return await readObject(client, {
      ...options,
      ...this.#context("read", path, options),
      pieces,
      onUnchecked,
    });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    return await writeObject(this.#bucket, { ...this.#context("write", path, options), body, options });
  }

  async makeDir(path: RelPath, call: CallOptions): Promise<DirEntry> {
    return await makeFolder(this.#bucket, this.#context("make the folder", path, call));
  }

  async remove(entry: Entry, call: CallOptions): Promise<void> {
    await removeEntry(this.#bucket, entry, this.#context("remove", entry.path, call));
  }

  async copy(from: RelPath, to: RelPath, options: CallOptions & Precondition): Promise<void> {
    const { expect } = options;
    const target = { ...this.#context("copy", to, options), ...(expect === undefined ? {} : { expect }) };
    await copyObject(this.#bucket, this.#context("copy", from, options), target);
  }

  async setModified(
    path: RelPath,
    modified: number,
    { nanoseconds, ...call }: CallOptions & Pick<WriteOptions, "nanoseconds">,
  ): Promise<void> {
    const metadata = formatMtime(modified, nanoseconds);
    await setMetadata(this.#bucket.client, metadata, this.#context("set the time of", path, call));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: CallOptions): Promise<Checksum | undefined> {
    return await serverChecksum(this.#bucket.client, entry, { ...this.#context("hash", entry.path, call), wanted });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#bucket[Symbol.asyncDispose]();
  }

  #recordFolders(entries: readonly Entry[]): void {
    for (const { kind, path } of entries) if (kind === "dir") this.#bucket.folders.add(keyOf(this.#rootKey, path));
  }

  #context(operation: string, path: RelPath, { signal }: CallOptions): ObjectContext {
    return { operation, path, signal, key: keyOf(this.#rootKey, path) };
  }
}
