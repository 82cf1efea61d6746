import { cancelled } from "../../core/errors.ts";
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
import { copyObject, makeFolder, removeEntry, serverChecksum, setTime } from "./changes.ts";
import type { S3Client } from "./client.ts";
import { type Bucket, connectS3 } from "./connect.ts";
import { resolveFolder } from "./address.ts";
import { type ObjectContext, toPrefix } from "./keys.ts";
import { list, walk } from "./list.ts";
import { stat } from "./stat.ts";
import { readObject } from "./read.ts";
import { uploadWhole } from "./write.ts";
import { uploadInParts } from "./multipart_upload.ts";
import { explainRejectedOptions } from "./object_options.ts";
import { etagProof } from "./etag.ts";
import { objectStoreTraits } from "../shared/object_store_traits.ts";
import { operationError } from "../../core/operation.ts";
import type { OpenProtocol } from "../../core/protocol.ts";

/**
 * Opens a bucket of S3 or of an S3-compatible store, after it has answered. Rejects with connection, timeout, auth,
 * hostKey, notFound, denied, refused or badInput.
 */
export const openS3: OpenProtocol = async (target, call) => {
  const bucket = await connectS3(target, call);
  return new S3(bucket, { path: bucket.path, owns: true });
};

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
    const context = this.#context("write", path, options);
    const { uploads } = this.#bucket;
    try {
      const upload = options.size > uploads.partSize ? uploadInParts : uploadWhole;
      return await upload(uploads, { context, body, options });
    } catch (error) {
      throw explainRejectedOptions(error, this.#client.options.objectOptions, context);
    }
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

  async setModified(
    path: RelPath,
    modified: number,
    { nanoseconds, ...call }: CallOptions & Pick<WriteOptions, "nanoseconds">,
  ): Promise<void> {
    await setTime(this.#client, { modified, nanoseconds }, this.#context("set the time of", path, call));
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
