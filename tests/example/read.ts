import type { Content, ReadOptions } from "../../lib/core/backend.ts";
import { operationError, type ResolvedPath } from "../../lib/core/operation.ts";
import { assertUnchanged } from "../../lib/backends/shared/preconditions.ts";
import { toByteStream } from "../../lib/net/byte_stream.ts";
import type { ExampleClient } from "./client.ts";
import { stat } from "./stat.ts";

/** Reads a file or a range of it: a small one as a whole, a large one as a stream. All bytes are of one version. */
export async function readFile(client: ExampleClient, target: ResolvedPath, options: ReadOptions): Promise<Content> {
  const { offset = 0, length, expect } = options;
  if (length === 0) return await readNothing(client, target, options);
  const last = length === undefined ? "" : offset + length - 1;
  const response = await client.send({
    method: "GET",
    headers: {
      ...(offset > 0 || length !== undefined ? { range: `bytes=${offset}-${last}` } : {}),
      ...(expect?.revision === undefined ? {} : { "if-match": expect.revision }),
    },
    also: [416],
  }, target);
  if (response.status === 416) {
    await response.discard();
    return await readNothing(client, target, options);
  }
  const size = Number(response.headers["content-length"]);
  return size > SMALL
    ? toByteStream({ pull: (into) => response.read(into), cancel: () => response.abandon() })
    : await response.readAll(SMALL);
}

/** Returns no bytes, once the file is known to be there and the expected one. */
async function readNothing(client: ExampleClient, target: ResolvedPath, options: ReadOptions): Promise<Content> {
  const found = await stat(client, target);
  if (found === undefined) throw operationError(target, "notFound", { why: "it does not exist" });
  const { expect } = options;
  if (expect !== undefined) assertUnchanged({ expect }, found, { ...target, shown: target.path, backend: "example" });
  return new Uint8Array();
}

/** The size up to which a content is held in memory. */
const SMALL = 256 * 1024;
