import { badInput, cancelled } from "../../core/errors.ts";
import { printable, type RelPath, root } from "../../core/path.ts";
import type { Checksum, DirEntry, Entry, FileEntry } from "../../core/entry.ts";
import type {
  Backend,
  Body,
  Call,
  Content,
  Expecting,
  OpenProtocol,
  Place,
  ReadOptions,
  Target,
  Traits,
  WriteOptions,
} from "../../core/backend.ts";
import type { Spot } from "./client.ts";
import { copyObject, heldChecksum, makeFolder, removeObject, setTime } from "./changes.ts";
import { type Bucket, connectGcs, ENDPOINT } from "./connect.ts";
import { children, find, walk } from "./stat.ts";
import { keyOf, rootKey } from "./keys.ts";
import { readObject } from "./read.ts";
import { writeObject } from "./write.ts";
import { closed } from "../../http/exchange.ts";
import { storeTraits } from "../shared/object_store_traits.ts";

/**
 * Opens a bucket of Google Cloud Storage: over its JSON API, or with an HMAC key over the S3 protocol. Authenticates
 * and makes one request. Rejects with connection, timeout, auth, denied, notFound, refused or badInput.
 */
export const openGcs: OpenProtocol = async (target, call) => {
  if (target.options["AccessKey"] !== undefined) return await openWithKey(target, call);
  const bucket = await connectGcs(target, call);
  return new Gcs(bucket, { at: bucket.start, owns: true });
};

/**
 * Opens the bucket over the S3 protocol. Cloud Storage, "Simple migration from Amazon S3": its own endpoint, the region
 * "auto", the bucket in the path.
 */
async function openWithKey(target: Target, call: Call): Promise<Backend> {
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
  readonly place: Place;
  readonly traits: Traits;
  readonly #bucket: Bucket;
  readonly #at: string;
  readonly #owns: boolean;

  constructor(bucket: Bucket, { at, owns }: { readonly at: string; readonly owns: boolean }) {
    this.label = bucket.label;
    this.place = { path: `/${at}` };
    this.traits = storeTraits(bucket.connections);
    this.#bucket = bucket;
    this.#at = at;
    this.#owns = owns;
  }

  async at(folder: string, call: Call): Promise<Backend> {
    const ask = this.#spot("open the folder", root, call);
    if (call.signal.aborted) throw cancelled(call.signal, ask.operation);
    if (this.#bucket.api.isClosed) throw closed(ask);
    const at = rootKey(this.#at, folder);
    if (at !== undefined) return await Promise.resolve(new Gcs(this.#bucket, { at, owns: false }));
    throw badInput(`The folder "${printable(folder)}" has an empty name in it: write one slash between folders.`);
  }

  async list(dir: RelPath, call: Call): Promise<readonly Entry[]> {
    const found = await children(this.#bucket.api, this.#spot("list", dir, call));
    this.#note(found);
    return found;
  }

  async *walk(dir: RelPath, call: Call): AsyncIterable<readonly Entry[]> {
    for await (const batch of walk(this.#bucket.api, this.#spot("list", dir, call))) {
      this.#note(batch);
      yield batch;
    }
  }

  async stat(path: RelPath, call: Call): Promise<Entry | undefined> {
    return (await find(this.#bucket.api, this.#spot("look at", path, call)))?.entry;
  }

  async read(path: RelPath, options: ReadOptions): Promise<Content> {
    const { api, budget, tellOfUnchecked: onUnchecked } = this.#bucket;
    return await readObject(api, { ...options, ...this.#spot("read", path, options), budget, onUnchecked });
  }

  async write(path: RelPath, body: Body, options: WriteOptions): Promise<FileEntry> {
    return await writeObject(this.#bucket, { ...this.#spot("write", path, options), body, options });
  }

  async makeDir(path: RelPath, call: Call): Promise<DirEntry> {
    return await makeFolder(this.#bucket, this.#spot("make the folder", path, call));
  }

  async remove(entry: Entry, call: Call): Promise<void> {
    await removeObject(this.#bucket, entry, this.#spot("remove", entry.path, call));
  }

  async copy(from: RelPath, to: RelPath, options: Call & Expecting): Promise<void> {
    const { expect } = options;
    const target = { ...this.#spot("copy", to, options), ...(expect === undefined ? {} : { expect }) };
    await copyObject(this.#bucket, this.#spot("copy", from, options), target);
  }

  async setModified(path: RelPath, modified: number, call: Call): Promise<void> {
    await setTime(this.#bucket.api, modified, this.#spot("set the time of", path, call));
  }

  async checksum(entry: FileEntry, wanted: readonly string[], call: Call): Promise<Checksum | undefined> {
    return await heldChecksum(this.#bucket.api, entry, { ...this.#spot("hash", entry.path, call), wanted });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#bucket[Symbol.asyncDispose]();
  }

  #note(entries: readonly Entry[]): void {
    for (const { kind, path } of entries) if (kind === "dir") this.#bucket.folders.add(keyOf(this.#at, path));
  }

  #spot(operation: string, path: RelPath, { signal }: Call): Spot {
    return { operation, path, signal, key: keyOf(this.#at, path) };
  }
}
