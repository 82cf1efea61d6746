import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { Precondition } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";
import {
  type BucketClient,
  type Conditions,
  type GcsClient,
  type ObjectContext,
  type ObjectResource,
  parseReply,
  type PendingWrite,
} from "./client.ts";
import { stat } from "./stat.ts";
import type { KnownFolders } from "./keys.ts";
import { formatMtime, type GcsObject, OBJECT_FIELDS, parseObject, toFileEntry } from "./object.ts";
import { uploadResumable } from "./resumable_upload.ts";
import { contentType } from "../shared/mime.ts";
import { readExactly } from "../../net/byte_stream.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Writes the object, which replaces the old one atomically after all bytes have arrived and are verified. Returns its
 * entry as the bucket reports it.
 */
export async function writeObject(bucket: BucketClient, pending: PendingWrite): Promise<FileEntry> {
  const { options, key } = pending;
  if (key === "") throw operationError(pending, "exists", { why: "the bucket itself is no file" });
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw operationError(pending, "unsupported", {
      why: `its name in the bucket would be longer than ${MAX_KEY_BYTES} bytes`,
    });
  }
  const conditions = await conditionsOf(bucket, pending, options);
  const resource: ObjectResource = {
    name: key,
    contentType: contentType(pending.path) ?? "application/octet-stream",
    ...(options.modified === undefined ? {} : { metadata: formatMtime(options.modified, options.nanoseconds) }),
  };
  const object = options.size > ONE_REQUEST_BYTES
    ? await uploadResumable(bucket.client, { ...pending, resource, conditions })
    : await uploadWhole(bucket.client, pending, { resource, conditions });
  if (object.size !== options.size) {
    throw operationError(pending, "changed", {
      why: `the bucket holds ${object.size} bytes after ${options.size} were written`,
    });
  }
  recordFolders(bucket.folders, pending);
  return toFileEntry(pending.path, object);
}

/**
 * Returns the preconditions under which a request replaces only the expected entry. Checks by requests what no
 * precondition can express: folders above that are files, a folder at the path, an mtime. A new name is not checked if
 * no listing reported a folder there.
 */
export async function conditionsOf(
  bucket: BucketClient,
  context: ObjectContext,
  { expect }: Precondition,
): Promise<Conditions> {
  await assertFoldersAbove(bucket, context);
  if (expect === "absent" && !bucket.folders.has(context.key)) return { ifGenerationMatch: "0" };
  const seen = await stat(bucket.client, context);
  const why = expect === undefined ? undefined : describeMismatch(expect, seen?.entry);
  if (why !== undefined) throw operationError(context, "changed", { why });
  if (seen?.entry.kind === "dir") throw operationError(context, "exists", { why: "a folder is there" });
  bucket.folders.remove(context.key);
  if (expect === undefined) return {};
  if (seen?.object === undefined) return { ifGenerationMatch: "0" };
  const { generation, metageneration } = seen.object;
  return { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration };
}

/** Rejects with exists if a folder above the key, from the bucket down, is a file. */
export async function assertFoldersAbove(
  { client, folders }: BucketClient,
  context: ObjectContext,
): Promise<void> {
  for (let key = parentKey(context.key); !folders.has(key); key = parentKey(key)) {
    const object = await client.getMetadata({ ...context, key });
    if (object !== undefined) throw operationError(context, "exists", { why: "a folder above it is a file" });
  }
}

/** Records that all folders above exist after a write. */
export function recordFolders(folders: KnownFolders, { key }: ObjectContext): void {
  for (let dir = parentKey(key); !folders.has(dir); dir = parentKey(dir)) folders.add(dir);
}

/** Cloud Storage, "Object naming". */
const MAX_KEY_BYTES = 1024;
/** The size in bytes up to which a file is held in memory and sent with its metadata. */
const ONE_REQUEST_BYTES = 2 << 20;

interface ObjectUpload {
  readonly resource: ObjectResource;
  readonly conditions: Conditions;
}

/**
 * Sends metadata and content in one request (multipart/related); the server rejects bytes that do not match the hash.
 */
async function uploadWhole(
  client: GcsClient,
  pending: PendingWrite,
  { resource, conditions }: ObjectUpload,
): Promise<GcsObject> {
  const { options } = pending;
  const bytes = await readExactly(pending.body(), { ...pending, size: options.size });
  const md5 = createHash("md5").update(bytes).digest();
  const boundary = randomBytes(16).toString("hex");
  const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n` +
    `${
      JSON.stringify({ ...resource, md5Hash: md5.toString("base64") })
    }\r\n--${boundary}\r\ncontent-type: ${resource.contentType}\r\n\r\n`;
  const parts = [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)];
  const whole = new Uint8Array(Buffer.concat(parts));
  const reply = await client.sendForSuccess({
    method: "POST",
    uri: client.uploadUri({ uploadType: "multipart", fields: OBJECT_FIELDS, ...conditions }),
    headers: { "content-type": `multipart/related; boundary=${boundary}` },
    body: {
      size: whole.length,
      open: () => Promise.resolve(whole),
      onBytes: (sent) => options.onBytes?.(Math.sign(sent) * options.size),
    },
  }, { ...pending, also: [404] });
  if (reply.status === 404) {
    await reply.discard();
    throw client.missingBucketError(pending);
  }
  const object = await parseReply(reply, pending, parseObject);
  // The server has compared it too; an emulator may not.
  if (object.md5 === undefined || object.md5 === md5.toString("hex")) return object;
  throw await client.removeDamaged(object, pending);
}

function parentKey(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf("/")));
}
