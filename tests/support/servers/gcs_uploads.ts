import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type http from "node:http";
import { GcsErrorResponse, type GcsStore, type Incoming, md5Of, type Stored } from "./gcs_store.ts";

/** What the server says to a part of a session: the object once it is whole. */
export type SessionAnswer = { readonly stored: Stored } | { readonly at: number } | { readonly gone: true };

/** The description that comes with an upload. */
export interface Description {
  readonly name?: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly md5Hash?: string;
}

interface Session {
  readonly description: Description;
  readonly query: URLSearchParams;
  readonly total: number;
  bytes: Buffer<ArrayBuffer>;
  /** What has come of the part under way. */
  coming: Uint8Array[];
}

/** Every part but the last is a multiple of this. */
const STEP = 256 * 1024;

/** The uploads of a bucket: whole ones, and the sessions under way. */
export class GcsUploads {
  readonly #store: GcsStore;
  readonly #sessions = new Map<string, Session>();

  constructor(store: GcsStore) {
    this.#store = store;
  }

  /** Sessions that were begun and neither ended nor given up. */
  get open(): number {
    return this.#sessions.size;
  }

  /** multipart/related: a description, then the bytes. */
  takeWhole(type: string, body: Buffer<ArrayBuffer>, query: URLSearchParams): Stored {
    const [, boundary = ""] = /boundary=([0-9A-Za-z]+)/.exec(type) ?? [];
    const parts = splitParts(body, boundary);
    const [first, second] = parts;
    if (parts.length !== 2 || first === undefined || second === undefined) {
      throw new GcsErrorResponse(400, "badContent", "Malformed multipart body.");
    }
    const description: Description = JSON.parse(first.toString());
    return this.#finish(description, new Uint8Array(second), query);
  }

  /** Gives the session's id. Conditions are looked at here, and again in the end. */
  begin(description: Description, total: number, query: URLSearchParams): string {
    if (query.get("ifGenerationMatch") === "0" && this.#store.get(nameOf(description, query)) !== undefined) {
      throw new GcsErrorResponse(
        412,
        "conditionNotMet",
        "At least one of the pre-conditions you specified did not hold.",
      );
    }
    const id = randomBytes(16).toString("hex");
    this.#sessions.set(id, { description, query, total, bytes: Buffer.alloc(0), coming: [] });
    return id;
  }

  /** Forgets the session, as Google does with one a week old. */
  end(id: string): boolean {
    return this.#sessions.delete(id);
  }

  forgetAll(): void {
    this.#sessions.clear();
  }

  /** Takes one part, or tells how far it is. `endsEarly`: makes an object of whatever has come, as emulators do that know no parts. */
  async take(id: string, request: http.IncomingMessage, endsEarly: boolean): Promise<SessionAnswer> {
    const session = this.#sessions.get(id);
    if (session === undefined) {
      for await (const _ of request);
      return { gone: true };
    }
    const range = String(request.headers["content-range"] ?? "");
    const isAsking = /^bytes \*\/\d+$/.test(range);
    settle(session);
    const { coming } = session;
    for await (const part of request) coming.push(part);
    if (isAsking) return { at: session.bytes.length };
    const bytes = Buffer.concat(coming);
    session.coming = [];
    const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
    const isRight = Number(from) === session.bytes.length && bytes.length === Number(to) + 1 - Number(from) &&
      Number(total) === session.total;
    const isLast = endsEarly || Number(to) + 1 === session.total;
    if (!isRight || (!isLast && bytes.length % STEP !== 0)) {
      throw new GcsErrorResponse(400, "invalid", `Failed to parse Content-Range header: ${range}`);
    }
    session.bytes = Buffer.concat([session.bytes, bytes]);
    if (!isLast) return { at: session.bytes.length };
    this.#sessions.delete(id);
    const [, md5Hash] = /md5=([^,]+)/.exec(String(request.headers["x-goog-hash"] ?? "")) ?? [];
    const description = md5Hash === undefined ? session.description : { ...session.description, md5Hash };
    return { stored: this.#finish(description, new Uint8Array(session.bytes), session.query) };
  }

  #finish(description: Description, bytes: Uint8Array<ArrayBuffer>, query: URLSearchParams): Stored {
    const { contentType, metadata, md5Hash } = description;
    if (md5Hash !== undefined && md5Hash !== md5Of(bytes)) {
      throw new GcsErrorResponse(400, "invalid", "Provided MD5 hash doesn't match the calculated one.");
    }
    const incoming: Incoming = {
      name: nameOf(description, query),
      bytes,
      ...(contentType === undefined ? {} : { contentType }),
      ...(metadata === undefined ? {} : { metadata }),
    };
    return this.#store.put(incoming, query);
  }
}

/** What came of a part that broke off is kept in whole steps. */
function settle(session: Session): void {
  const came = Buffer.concat([session.bytes, ...session.coming]);
  session.bytes = Buffer.from(came.subarray(0, Math.floor(came.length / STEP) * STEP));
  session.coming = [];
}

function nameOf({ name }: Description, query: URLSearchParams): string {
  const found = name ?? query.get("name") ?? "";
  const isRight = found !== "" && Buffer.byteLength(found) <= 1024 && !/[\r\n]/.test(found) && !/^\.\.?$/.test(found);
  if (isRight) return found;
  throw new GcsErrorResponse(400, found === "" ? "required" : "invalid", "Required: a name that an object may have.");
}

/** The contents of the parts, without their headers. */
function splitParts(body: Buffer<ArrayBuffer>, boundary: string): readonly Buffer<ArrayBuffer>[] {
  const mark = `--${boundary}`;
  const parts: Buffer<ArrayBuffer>[] = [];
  for (let at = body.indexOf(mark); at >= 0;) {
    const start = body.indexOf("\r\n\r\n", at);
    const next = body.indexOf(`\r\n${mark}`, at + mark.length);
    if (start < 0 || next < 0) break;
    parts.push(body.subarray(start + 4, next));
    at = next + 2;
  }
  return parts;
}
