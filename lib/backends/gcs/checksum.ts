import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import type { Content } from "../../core/backend.ts";
import { Crc32c } from "../shared/crc32c.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** The hashes that came with a download; base64. */
export interface ContentHashes {
  readonly md5?: string;
  readonly crc32c?: string;
}

/** Parses the header x-goog-hash: "crc32c=…,md5=…", in one header or several. */
export function parseHashes(header: string | string[] | undefined): ContentHashes {
  const found: { md5?: string; crc32c?: string } = {};
  for (const part of (header === undefined ? [] : [header].flat()).join(",").split(",")) {
    const [, name, value] = /^\s*(md5|crc32c)=([A-Za-z0-9+/]+=*)\s*$/.exec(part) ?? [];
    if (name === "md5" || name === "crc32c") found[name] = value ?? "";
  }
  return found;
}

/**
 * Compares streamed bytes with the hash that the server has of the whole object; without a hash it accepts any bytes.
 */
export class ContentCheck {
  readonly #hashes: ContentHashes;
  readonly #md5: Hash | undefined;
  readonly #crc: Crc32c | undefined;

  constructor(hashes: ContentHashes) {
    this.#hashes = hashes;
    this.#md5 = hashes.md5 === undefined ? undefined : createHash("md5");
    // A composite object has no MD5.
    this.#crc = hashes.md5 === undefined && hashes.crc32c !== undefined ? new Crc32c() : undefined;
  }

  update(bytes: Uint8Array): void {
    this.#md5?.update(bytes);
    this.#crc?.update(bytes);
  }

  /**
   * Checks the hash after the last byte. Throws unexpected if the bytes are not those of the object; `again`: whether a
   * retry may fetch all of them again.
   */
  assertMatches(context: OperationContext, again: boolean): void {
    const md5 = this.#md5?.digest("base64");
    if (md5 === this.#hashes.md5 && this.#isCrcEqual()) return;
    const why = "its bytes were damaged on the way: they do not have the hash that the server reports";
    throw operationError(context, "unexpected", { why, transient: again });
  }

  #isCrcEqual(): boolean {
    if (this.#crc === undefined) return true;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(this.#crc.digest());
    return bytes.toString("base64") === this.#hashes.crc32c;
  }
}

/** Returns the same bytes, and adds each of them to the hash as it is read. */
export function hashing(content: Content, hash: Hash): Content {
  if (content instanceof Uint8Array) {
    hash.update(content);
    return content;
  }
  const reader = content.getReader();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const part = await reader.read();
      if (part.done) return controller.close();
      hash.update(part.value);
      controller.enqueue(part.value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
