import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import type { FileEntry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import { opened } from "../../net/byte_stream.ts";
import { mismatch } from "../shared/preconditions.ts";
import { type Api, type Conditions, parsed, type Spot } from "./client.ts";
import { find } from "./stat.ts";
import type { Folders } from "./known_folders.ts";
import { formatEdited, type GcsObject, OBJECT_FIELDS, parseObject, toFileEntry } from "./object.ts";
import { gathered, putInSession } from "./resumable_upload.ts";
import { contentType } from "../shared/mime.ts";
import { operationError } from "../../core/operation.ts";
import type { Draft, Resource, Tree } from "./types.ts";

/**
 * Writes the object, which replaces the old one atomically after all bytes have arrived and are verified. Returns its
 * entry as the bucket reports it.
 */
export async function writeObject(tree: Tree, draft: Draft): Promise<FileEntry> {
  const { options, key } = draft;
  if (key === "") throw operationError(draft, "exists", { why: "the bucket itself is no file" });
  if (Buffer.byteLength(key) > MOST_KEY_BYTES) {
    throw operationError(draft, "unsupported", {
      why: `its name in the bucket would be longer than ${MOST_KEY_BYTES} bytes`,
    });
  }
  const conditions = await conditionsFor(tree, draft, options);
  const resource: Resource = {
    name: key,
    contentType: contentType(draft.path) ?? "application/octet-stream",
    ...(options.modified === undefined ? {} : { metadata: formatEdited(options.modified) }),
  };
  const object = options.size > IN_ONE_REQUEST
    ? await putInSession(tree.api, { ...draft, resource, conditions })
    : await putAtOnce(tree.api, draft, { resource, conditions });
  if (object.size !== options.size) {
    throw operationError(draft, "changed", {
      why: `the bucket holds ${object.size} bytes after ${options.size} were written`,
    });
  }
  noteFolders(tree.folders, draft);
  return toFileEntry(draft.path, object);
}

/**
 * Returns the preconditions under which a request replaces only the expected entry. Checks by requests what no
 * precondition can express: folders above that are files, a folder at the path, an mtime. A new name is not checked if
 * no listing reported a folder there.
 */
export async function conditionsFor(tree: Tree, spot: Spot, { expect }: Expecting): Promise<Conditions> {
  await mustHaveFolders(tree, spot);
  if (expect === "absent" && !tree.folders.has(spot.key)) return { ifGenerationMatch: "0" };
  const seen = await find(tree.api, spot);
  const why = expect === undefined ? undefined : mismatch(expect, seen?.entry);
  if (why !== undefined) throw operationError(spot, "changed", { why });
  if (seen?.entry.kind === "dir") throw operationError(spot, "exists", { why: "a folder is there" });
  tree.folders.drop(spot.key);
  if (expect === undefined) return {};
  if (seen?.object === undefined) return { ifGenerationMatch: "0" };
  const { generation, metageneration } = seen.object;
  return { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration };
}

/** Rejects with exists if a folder above the key, from the bucket down, is a file. */
export async function mustHaveFolders({ api, folders }: Tree, spot: Spot): Promise<void> {
  for (let key = above(spot.key); !folders.has(key); key = above(key)) {
    const object = await api.look({ ...spot, key });
    if (object !== undefined) throw operationError(spot, "exists", { why: "what stands above it is a file" });
  }
}

/** Records that all folders above exist after a write. */
export function noteFolders(folders: Folders, { key }: Spot): void {
  for (let dir = above(key); !folders.has(dir); dir = above(dir)) folders.add(dir);
}

/** Cloud Storage, "Object naming". */
const MOST_KEY_BYTES = 1024;
/** The size in bytes up to which a file is held in memory and sent with its metadata. */
const IN_ONE_REQUEST = 2 << 20;

interface Put {
  readonly resource: Resource;
  readonly conditions: Conditions;
}

/**
 * Sends metadata and content in one request (multipart/related); the server rejects bytes that do not match the hash.
 */
async function putAtOnce(api: Api, draft: Draft, { resource, conditions }: Put): Promise<GcsObject> {
  const { options } = draft;
  const bytes = await gathered(await opened(draft.body(), draft), options.size, draft);
  const md5 = createHash("md5").update(bytes).digest();
  const boundary = randomBytes(16).toString("hex");
  const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n` +
    `${
      JSON.stringify({ ...resource, md5Hash: md5.toString("base64") })
    }\r\n--${boundary}\r\ncontent-type: ${resource.contentType}\r\n\r\n`;
  const parts = [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)];
  const whole = new Uint8Array(Buffer.concat(parts));
  const reply = await api.done({
    method: "POST",
    uri: api.uploadUri({ uploadType: "multipart", fields: OBJECT_FIELDS, ...conditions }),
    headers: { "content-type": `multipart/related; boundary=${boundary}` },
    body: {
      size: whole.length,
      open: () => Promise.resolve(whole),
      onBytes: (sent) => options.onBytes?.(Math.sign(sent) * options.size),
    },
  }, { ...draft, also: [404] });
  if (reply.status === 404) {
    await reply.drop();
    throw api.noBucket(draft);
  }
  const object = await parsed(reply, draft, parseObject);
  // The server has compared it too; an emulator may not.
  if (object.md5 === undefined || object.md5 === md5.toString("hex")) return object;
  throw await api.discard(object, draft);
}

function above(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf("/")));
}
