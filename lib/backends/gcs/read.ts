import { Buffer } from "node:buffer";
import { cancelled } from "../../core/errors.ts";
import type { Content, ReadOptions } from "../../core/backend.ts";
import { mismatch } from "../shared/preconditions.ts";
import type { Api, Spot } from "./client.ts";
import { find } from "./stat.ts";
import { type Hashes, parseHashes, Proof } from "./checksum.ts";
import { chunksOf, streamOf } from "../../net/byte_stream.ts";
import type { Reply } from "../../http/client.ts";
import { type Budget, PIECE, type Room, striped } from "../../http/parallel_download.ts";
import { operationError } from "../../core/operation.ts";

/**
 * The parameters of a read. `budget`: the limit that all large files of a session share; `onUnchecked`: called for a
 * whole content without a checksum.
 */
export type Reading = Spot & Pick<ReadOptions, "offset" | "length" | "expect"> & {
  readonly budget: Budget;
  onUnchecked?(): void;
};

/**
 * Returns the content or a range of it: small ones from memory, large ones as a stream. All requests name the expected
 * generation, so that all bytes belong to one version; a whole content is compared with its hash.
 */
export async function readObject(api: Api, reading: Reading): Promise<Content> {
  const { offset = 0, length, expect } = reading;
  if (length === 0 || (expect !== undefined && offset >= expect.size)) {
    await mustBeExpected(api, reading);
    return new Uint8Array();
  }
  const generation = expect === undefined ? undefined : expect.revision ?? await mustBeExpected(api, reading);
  const end = Math.min(expect?.size ?? Infinity, offset + (length ?? Infinity));
  const isLarge = end !== Infinity && end - offset > WORTH_STRIPING;
  const part: Part = {
    generation,
    from: offset,
    to: isLarge ? offset + PIECE : offset === 0 && length === undefined ? undefined : end,
  };
  const reply = await get(api, reading, part);
  try {
    if (reply.status === 416) return await nothingThere(api, reply, reading);
    if (reply.status === 404) throw await whyAbsent(api, reply, reading);
    const size = sizeOf(reply, part, reading);
    if (expect !== undefined && !isLarge && size !== end - offset) {
      throw operationError(reading, "changed", { why: `the server sends ${size} bytes of ${end - offset}` });
    }
    const isWhole = offset === 0 && (length === undefined || length >= (expect?.size ?? Infinity));
    const hashes = isWhole ? hashesOf(reply, expect) : noHashes;
    if (isWhole && hashes === noHashes) reading.onUnchecked?.();
    const proof = new Proof(hashes);
    if (isLarge) return inStripes(api, { ...reading, reply, proof, generation, end });
    return await contentOf(reply, { ...reading, size, proof });
  } catch (error) {
    await reply.drop();
    throw error;
  }
}

/** The size from which a file is read in pieces, several of them in parallel. */
const WORTH_STRIPING = 2 * PIECE;
/** The size up to which a file is held in memory. */
const SMALL = 256 * 1024;
const noHashes: Hashes = {};

/** `to` exclusive; the whole object without it. */
interface Part {
  readonly generation: string | undefined;
  readonly from: number;
  readonly to: number | undefined;
}

async function get(api: Api, reading: Reading, { generation, from, to }: Part): Promise<Reply> {
  const range = to === undefined ? {} : { range: `bytes=${from}-${to === Infinity ? "" : to - 1}` };
  return await api.done({
    method: "GET",
    uri: api.uri(reading.key, { alt: "media", ifGenerationMatch: generation }),
    // Without it an object that is stored compressed would be sent decompressed, and longer than it is listed.
    headers: { ...range, "accept-encoding": "gzip" },
  }, { ...reading, also: [404, 416] });
}

/** Returns the hash that the listing reports, otherwise the one that came with the content. */
function hashesOf({ headers }: Reply, expect: Reading["expect"]): Hashes {
  const listed = /^md5:([\da-f]{32})$/.exec(expect?.checksum ?? "")?.[1];
  if (listed !== undefined) return { md5: Buffer.from(listed, "hex").toString("base64") };
  const sent = parseHashes(headers["x-goog-hash"]);
  return sent.md5 === undefined && sent.crc32c === undefined ? noHashes : sent;
}

/** Returns the number of bytes in the reply, which must be that of the part. */
function sizeOf({ status, headers }: Reply, { from, to }: Part, reading: Reading): number {
  const length = headers["content-length"];
  const { expect } = reading;
  if (to === undefined && status === 200 && length !== undefined) {
    if (expect === undefined || Number(length) === expect.size) return Number(length);
    throw operationError(reading, "changed", { why: `the server sends ${length} bytes, ${expect.size} are listed` });
  }
  const [, first, last] = /^bytes (\d+)-(\d+)\/\d+$/.exec(String(headers["content-range"] ?? "")) ?? [];
  const most = to === undefined ? 0 : to;
  if (status === 206 && Number(first) === from && Number(last) < most) return Number(last) + 1 - from;
  throw operationError(reading, "unexpected", { why: "the server sends another part than the one it was asked for" });
}

interface Striping extends Reading {
  readonly reply: Reply;
  readonly proof: Proof;
  readonly generation: string | undefined;
  readonly end: number;
}

function inStripes(api: Api, { reply, proof, generation, end, ...reading }: Striping): Content {
  const from = reading.offset ?? 0;
  const whole = async (one: Reply, size: number, { memory }: Room) => {
    const bytes = await one.collect(PIECE, memory);
    if (bytes.length === size) return bytes;
    throw operationError(reading, "changed", { why: `it gave ${bytes.length} of ${size} bytes of a piece` });
  };
  const chunks = chunksOf(
    striped({
      from,
      to: end,
      signal: reading.signal,
      budget: reading.budget,
      first: (room) => whole(reply, Math.min(PIECE, end - from), room),
      piece: async (range, room) => {
        const part: Part = { generation, ...range };
        const one = await get(api, { ...reading, signal: room.signal }, part);
        if (one.status === 404 || one.status === 416) {
          await one.drop();
          throw operationError(reading, "changed", { why: "it was replaced while it was read" });
        }
        sizeOf(one, part, reading);
        return await whole(one, range.to - range.from, room);
      },
      finish: () => Promise.resolve(),
    }),
    { recycles: true },
  );
  return proven({
    ...reading,
    proof,
    size: end - from,
    next: (into) => chunks.next(into),
    leave: () => chunks.cancel(),
  });
}

async function contentOf(
  reply: Reply,
  { size, proof, ...reading }: Reading & { readonly size: number; readonly proof: Proof },
): Promise<Content> {
  if (size <= SMALL) {
    const bytes = await reply.collect(size);
    if (bytes.length !== size) throw shorter(reading, bytes.length, size);
    proof.update(bytes);
    proof.check(reading, true);
    return bytes;
  }
  return proven({ ...reading, size, proof, next: (into) => reply.fill(into), leave: () => reply.leave() });
}

interface Coming extends Spot {
  readonly size: number;
  readonly proof: Proof;
  next(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  leave(): Promise<void> | void;
}

/**
 * Streams the bytes and compares them with the hash after the last one. A stream resumed from there would hide the
 * earlier bytes.
 */
function proven({ size, proof, next, leave, ...spot }: Coming): ReadableStream<Uint8Array<ArrayBuffer>> {
  let given = 0;
  return streamOf({
    fill: async (into) => {
      if (spot.signal.aborted) {
        await leave();
        throw cancelled(spot.signal, spot.operation);
      }
      const bytes = await next(into);
      given += bytes?.length ?? 0;
      if (given > size) {
        await leave();
        throw operationError(spot, "changed", { why: `the server sends more than the ${size} bytes it has` });
      }
      if (bytes !== undefined) proof.update(bytes);
      else if (given < size) throw shorter(spot, given, size);
      else proof.check(spot, false);
      return bytes;
    },
    leave,
  });
}

function shorter(spot: Spot, given: number, size: number): Error {
  return operationError(spot, "connection", { why: `it ended after ${given} of ${size} bytes` });
}

async function nothingThere(api: Api, reply: Reply, reading: Reading): Promise<Content> {
  await reply.drop();
  await mustBeExpected(api, reading);
  if (reading.expect === undefined) return new Uint8Array();
  throw operationError(reading, "unexpected", { why: "the server does not give a part that the file has (416)" });
}

/** Checks that the object is the expected one and returns its generation. */
async function mustBeExpected(api: Api, reading: Reading): Promise<string | undefined> {
  const { expect } = reading;
  const found = (await find(api, reading))?.entry;
  if (found === undefined) throw operationError(reading, "notFound", { why: "there is no such file" });
  if (found.kind !== "file") throw operationError(reading, "refused", { why: "it is a folder" });
  const why = expect === undefined ? undefined : mismatch(expect, found);
  if (why !== undefined) throw operationError(reading, "changed", { why });
  return found.revision;
}

async function whyAbsent(api: Api, reply: Reply, reading: Reading): Promise<Error> {
  await reply.drop();
  const found = await find(api, reading);
  if (found === undefined) return operationError(reading, "notFound", { why: "there is no such file" });
  const isFolder = found.entry.kind === "dir";
  return operationError(reading, isFolder ? "refused" : "changed", {
    why: isFolder ? "it is a folder" : "it was replaced meanwhile",
  });
}
