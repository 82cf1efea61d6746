import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Crc32c } from "../../../lib/backends/shared/crc32c.ts";

/** A refusal as the API words it: status, reason, and the sentence. */
export class GcsErrorResponse extends Error {
  constructor(readonly status: number, readonly reason: string, message: string) {
    super(message);
  }
}

/** What an upload or a compose brings. */
export interface Incoming {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** More than one for what was composed: such an object has no md5. */
  readonly components?: number;
}

export interface Stored extends Incoming {
  readonly generation: bigint;
  readonly metageneration: bigint;
  readonly updated: number;
}

/** A bucket of the double: names, each with one generation, in the order of their UTF-8 bytes. */
export class GcsStore {
  readonly #objects = new Map<string, Stored>();
  #sorted: readonly string[] | undefined;
  #generation = 1_700_000_000_000_000n;

  get(name: string): Stored | undefined {
    return this.#objects.get(name);
  }

  /** All names, sorted. */
  names(): readonly string[] {
    this.#sorted ??= [...this.#objects.keys()]
      .map((name) => ({ name, bytes: Buffer.from(name) }))
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
      .map(({ name }) => name);
    return this.#sorted;
  }

  /** Puts an object there in one step, if the conditions hold. */
  put(incoming: Incoming, query: URLSearchParams): Stored {
    const old = this.#objects.get(incoming.name);
    mustHold(old, query, "write");
    const stored = { ...incoming, generation: ++this.#generation, metageneration: 1n, updated: Date.now() };
    this.#objects.set(incoming.name, stored);
    if (old === undefined) this.#sorted = undefined;
    return stored;
  }

  /** An object that is there and meets the conditions. */
  need(name: string, query: URLSearchParams): Stored {
    const found = this.#objects.get(name);
    if (found === undefined) throw new GcsErrorResponse(404, "notFound", `No such object: ${name}`);
    mustHold(found, query, "read");
    return found;
  }

  patch(name: string, metadata: Readonly<Record<string, string>>, query: URLSearchParams): Stored {
    const old = this.need(name, query);
    const metageneration = old.metageneration + 1n;
    const next = { ...old, metadata: { ...old.metadata, ...metadata }, metageneration, updated: Date.now() };
    this.#objects.set(name, next);
    return next;
  }

  remove(name: string, query: URLSearchParams): void {
    this.need(name, query);
    this.#objects.delete(name);
    this.#sorted = undefined;
  }
}

/** An object as the API describes it. */
export function toResource(bucket: string, stored: Stored): Record<string, unknown> {
  const { name, bytes, generation, metageneration, metadata, components, contentType, contentEncoding } = stored;
  const when = new Date(stored.updated).toISOString();
  return {
    kind: "storage#object",
    id: `${bucket}/${name}/${generation}`,
    bucket,
    name,
    size: String(bytes.length),
    generation: String(generation),
    metageneration: String(metageneration),
    contentType: contentType ?? "application/octet-stream",
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
    storageClass: "STANDARD",
    ...(components === undefined ? { md5Hash: md5Of(bytes) } : { componentCount: components }),
    crc32c: crc32cOf(bytes),
    timeCreated: when,
    updated: when,
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/** Base64, as the API writes hashes. */
export function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}

/** Base64 of the four bytes, the highest first. */
export function crc32cOf(bytes: Uint8Array): string {
  const crc = new Crc32c();
  crc.update(bytes);
  const four = Buffer.alloc(4);
  four.writeUInt32BE(crc.digest());
  return four.toString("base64");
}

/** The answer cut to the parameter `fields`: "kind,items(name,size)". */
export function select(value: unknown, fields: string | null): unknown {
  if (fields === null || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => select(one, fields));
  const kept: Record<string, unknown> = {};
  for (const [, name = "", inner] of fields.matchAll(/([^,()]+)(?:\(([^()]*)\))?/g)) {
    const one = new Map<string, unknown>(Object.entries(value)).get(name);
    if (one !== undefined) kept[name] = inner === undefined ? one : select(one, inner);
  }
  return kept;
}

function mustHold(found: Stored | undefined, query: URLSearchParams, what: "read" | "write"): void {
  const [generation, metageneration] = [query.get("ifGenerationMatch"), query.get("ifMetagenerationMatch")];
  const isRight = (wanted: string | null, is: bigint | undefined) => wanted === null || wanted === String(is ?? 0n);
  const needsOne = what === "write" && metageneration !== null && found === undefined;
  if (!needsOne && isRight(generation, found?.generation) && isRight(metageneration, found?.metageneration)) return;
  throw new GcsErrorResponse(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
}
