import { Buffer } from "node:buffer";
import { nameOf } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { Body, Content } from "../../core/backend.ts";
import { chunksOf, gather, unlessCancelled, wrongSize } from "./read_exactly.ts";
import { look } from "./stat.ts";
import { least, type Pool } from "./pool.ts";
import { type Draft, makeTemp, randomTag, removeTemp } from "./temp_file.ts";
import type { Handle } from "./handles.ts";
import { type Wire, WRITE } from "./client.ts";
import { operationError } from "../../core/operation.ts";

export interface Pouring {
  readonly draft: Draft;
  readonly body: Body;
}

/** Creates the temporary file, or resumes from a leftover. */
export async function startPour(pool: Pool, wire: Wire, pouring: Pouring): Promise<Pour> {
  const kept = await takeOver(wire, pouring);
  const [handle, from] = kept ?? [await makeTemp(wire, pouring.draft), 0];
  return new Pour(pool, pouring, { wire, handle, from });
}

/**
 * An upload of a large file to its temporary name, over all connections. Invariant: nothing is sent WINDOW bytes or
 * more beyond the first byte that is not yet acknowledged. So the first `n - WINDOW` bytes of a leftover of `n` bytes
 * are certainly complete.
 */
export class Pour {
  readonly handle: Handle;
  readonly #pool: Pool;
  readonly #pouring: Pouring;
  readonly #handles: Map<Wire, Handle>;
  readonly #opening = new Set<Wire>();
  /** Offset and length of unanswered WRITEs, in ascending order. */
  readonly #flying = new Map<number, number>();
  readonly #from: number;
  #next: number;
  #flyingBytes = 0;
  #acknowledged = 0;
  #began = 0;
  #failed: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};
  #over = false;

  constructor(pool: Pool, pouring: Pouring, first: { wire: Wire; handle: Handle; from: number }) {
    this.#pool = pool;
    this.#pouring = pouring;
    this.handle = first.handle;
    this.#handles = new Map([[first.wire, first.handle]]);
    this.#from = first.from;
    this.#next = first.from;
  }

  /** The offset of the first byte that the server has not yet acknowledged. */
  get safe(): number {
    return this.#flying.keys().next().value ?? this.#next;
  }

  /**
   * Sends everything and waits until it is acknowledged. Rejects with changed if the source has more or fewer bytes
   * than expected.
   */
  async run(): Promise<void> {
    const { draft, body } = this.#pouring;
    const { options } = draft;
    this.#began = performance.now();
    options.onBytes?.(this.#from);
    const content = await unlessCancelled(this.#from === 0 ? body() : body(this.#from), draft);
    for await (const piece of this.#pieces(content)) {
      if (this.#next + piece.length > options.size) throw wrongSize({ ...draft, size: options.size }, Infinity);
      while (!this.#hasRoom(piece.length)) await this.#progress();
      this.#send(piece);
    }
    while (this.#flying.size > 0) await this.#progress();
    if (this.#failed !== undefined) throw this.#failed.error;
    if (this.#next < options.size) throw wrongSize({ ...draft, size: options.size }, this.#next);
    this.#close(this.handle);
  }

  /** Closes the handles after a failure. */
  stop(): void {
    this.#close(undefined);
  }

  /** Iterates over the content in pieces: splits large chunks and joins small ones. */
  async *#pieces(content: Content): AsyncGenerator<Uint8Array> {
    let joined: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of chunksOf(content, this.#pouring.draft)) {
      if (chunk.length < SMALL_PIECE || bytes > 0) {
        joined.push(chunk);
        bytes += chunk.length;
        if (bytes < SMALL_PIECE) continue;
      }
      const whole = bytes > 0 ? Buffer.concat(joined, bytes) : chunk;
      joined = [];
      bytes = 0;
      for (let at = 0; at < whole.length;) {
        const piece = whole.subarray(at, at + this.#pieceBytes());
        at += piece.length;
        yield piece;
      }
    }
    if (bytes > 0) yield Buffer.concat(joined, bytes);
  }

  /**
   * Returns the size of the next piece: small at first and on slow networks, so that answers keep coming, otherwise the
   * largest that the server accepts.
   */
  #pieceBytes(): number {
    const [wire] = this.#handles.keys();
    const most = wire?.maxWrite ?? SMALL_PIECE;
    if (this.#acknowledged < CAUTIOUS_BYTES) return Math.min(most, SMALL_PIECE);
    const aSecond = (this.#acknowledged * 1000) / (performance.now() - this.#began);
    return Math.min(most, Math.max(SMALL_PIECE, Math.floor(aSecond / 4)));
  }

  #hasRoom(bytes: number): boolean {
    if (this.#failed !== undefined) throw this.#failed.error;
    if (this.#flying.size === 0) return true;
    if (this.#next + bytes - this.safe > WINDOW) return false;
    if (this.#flyingBytes + bytes > FLYING * this.#handles.size) return false;
    return this.#pool.ahead + bytes <= FLYING_ALL;
  }

  #progress(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #send(piece: Uint8Array): void {
    const { draft } = this.#pouring;
    const left = draft.options.size - this.#next;
    this.#pool.grow(1 + Math.floor(left / WORTH_GROWING));
    if (left > FLYING) this.#spread();
    const wire = least(this.#handles.keys());
    const handle = wire && this.#handles.get(wire);
    if (wire === undefined || handle === undefined) {
      throw operationError(draft, "connection", { why: "the connection was lost" });
    }
    const to = this.#next;
    this.#next += piece.length;
    this.#flying.set(to, piece.length);
    this.#count(piece.length);
    wire.write(handle, piece, { ...draft, to }).then(() => {
      this.#acknowledged += piece.length;
    }, (error) => {
      this.#failed ??= { error };
    }).finally(() => {
      this.#flying.delete(to);
      this.#count(-piece.length);
      this.#wake();
    });
    draft.options.onBytes?.(piece.length);
  }

  #count(bytes: number): void {
    this.#flyingBytes += bytes;
    this.#pool.ahead += bytes;
  }

  /** Opens the temporary file on connections that were opened meanwhile. */
  #spread(): void {
    const { draft } = this.#pouring;
    for (const wire of this.#pool.live()) {
      if (this.#handles.has(wire) || this.#opening.has(wire)) continue;
      this.#opening.add(wire);
      wire.open(draft.temp, WRITE, draft).then((handle) => {
        if (this.#over) return wire.drop(handle);
        this.#handles.set(wire, handle);
        this.#wake();
      }).catch(() => {
        // The other connections continue; if the file is gone, the final check of its size reports it.
      });
    }
  }

  #close(but: Handle | undefined): void {
    if (this.#over) return;
    this.#over = true;
    for (const [wire, handle] of this.#handles) if (handle !== but) wire.drop(handle);
  }
}

/**
 * The largest distance between the first unacknowledged byte and the last one sent. Every version of Tandem must keep
 * this value, because it decides how much of an older version's leftover is complete.
 */
const WINDOW = 16 << 20;
/** The limit of unanswered bytes on one connection, and of all writes of a pool together. */
const FLYING = 4 << 20;
const FLYING_ALL = 48 << 20;
const WORTH_GROWING = 16 << 20;
const SMALL_PIECE = 32 * 1024;
const CAUTIOUS_BYTES = 512 * 1024;
const TAIL = 64 * 1024;

/**
 * Returns the handle of a leftover of the same tag and the number of its first bytes that are valid, or undefined if
 * there is none to resume.
 */
async function takeOver(wire: Wire, { draft, body }: Pouring): Promise<[Handle, number] | undefined> {
  const { options, temp } = draft;
  if (options.tag === undefined) return undefined;
  const [found] = await Promise.all([look(wire, temp, draft), draft.checkParent(wire)]);
  if (found?.kind !== "file" || found.size > options.size) return undefined;
  const kept = found.size - WINDOW;
  if (kept < TAIL || !await isOwn(wire, draft)) return undefined;
  const handle = await wire.open(temp, READ_WRITE, draft);
  const there = Buffer.alloc(TAIL);
  const from = kept - TAIL;
  const count = await wire.read(handle, { into: there, at: 0, length: TAIL, from }, draft);
  const here = await gather(await unlessCancelled(body(from, kept), draft), { ...draft, size: TAIL });
  const same = await wire.fstat(handle, draft);
  if (count === TAIL && there.equals(here) && same.size === found.size) return [handle, kept];
  wire.drop(handle);
  return undefined;
}

/**
 * Whether the leftover is a file of the logged-in account that no other account can write. The account's uid is read
 * from a file created for that purpose. If the server reports no owners, the name alone is trusted, because it contains
 * a secret.
 */
async function isOwn(wire: Wire, draft: Draft): Promise<boolean> {
  const left = await wire.lstat(draft.temp, draft);
  if (left === undefined || ((left.mode ?? 0) & OTHERS_WRITE) !== 0) return false;
  if (left.uid === undefined) return true;
  const folder = draft.temp.slice(0, draft.temp.lastIndexOf("/") + 1);
  const probe: Draft = { ...draft, temp: folder + nameOf(tempPath(draft.path, randomTag())) };
  const handle = await makeTemp(wire, probe);
  try {
    return (await wire.fstat(handle, probe)).uid === left.uid;
  } finally {
    wire.drop(handle);
    await removeTemp(wire, probe);
  }
}

const READ_WRITE = WRITE | 0x01;
/** The mode bits that let other accounts write. */
const OTHERS_WRITE = 0o022;
