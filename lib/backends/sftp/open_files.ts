import { cancelled, SyncError } from "../../core/errors.ts";
import { WaitQueue } from "../../net/semaphore.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/**
 * The number of files and folders that may be open at once on one server, over all channels of a pool. Servers refuse
 * more by FAILURE, often without a word about the reason. The limit starts low where nothing shows that many are fine,
 * grows with each success, drops to what is open at a refusal, and from then on grows slowly.
 */
export class OpenFileLimit {
  readonly #queue = new WaitQueue();
  readonly #releases = new WaitQueue();
  readonly #stallMs: number;
  /** Whether the server announced its limit: then a refusal has another reason. */
  isAnnounced = false;
  #isStarted = false;
  #most = Infinity;
  #restarts = 0;
  #isOne = false;
  #limit = Infinity;
  #isGrowing = true;
  #isFixed = false;
  /** Opens since the limit was last changed. */
  #successes = 0;
  /** Files that are open or being opened. */
  #inUse = 0;
  #open = 0;
  /** The most files that were open at once. */
  #peak = 0;
  #acquired = 0;
  #released = 0;
  /** Whether a file is being opened that must be the only one. */
  #isExclusive = false;

  /** `stallMs`: ms for which a call waits while no other file makes progress. */
  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  /**
   * Sets the limit that the server announced, Infinity if it has none. If nothing is announced, it starts low unless the server's software
   * is known to allow many.
   */
  start({ announced, allowsMany }: { readonly announced: number | undefined; readonly allowsMany: boolean }): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.isAnnounced = announced !== undefined;
    this.#isFixed = this.isAnnounced;
    if (announced !== undefined) this.#limit = this.#most = announced;
    else if (!allowsMany) this.#limit = FIRST_LIMIT;
  }

  /** Whether one more file may be opened now. */
  hasRoom(): boolean {
    return !this.#isExclusive && this.#inUse < this.#limit;
  }

  /** Waits until one more file may be opened. */
  async waitForRoom(context: OperationContext): Promise<void> {
    while (!this.hasRoom()) await this.#wait(this.#queue, context);
  }

  /** Wakes the next call that waits, for one that was woken and opens nothing. */
  passTurn(): void {
    this.#queue.wakeNext();
  }

  /** Takes a place. A suspect was refused before: if no other file is open, none may be opened beside it. */
  occupy({ isSuspect }: { readonly isSuspect: boolean }): OpenFilePlace {
    this.#inUse++;
    const startsAlone = this.#inUse === 1;
    const place = { ticket: ++this.#acquired, startsAlone, isExclusive: isSuspect && startsAlone, isOpen: false };
    if (place.isExclusive) this.#isExclusive = true;
    return place;
  }

  /** Whether no other file was open or being opened since the place was taken. */
  wasAlone({ startsAlone, ticket }: OpenFilePlace): boolean {
    return startsAlone && this.#acquired === ticket;
  }

  /** Records that the server opened the file. */
  noteOpened(place: OpenFilePlace): void {
    this.#endExclusive(place);
    place.isOpen = true;
    this.#peak = Math.max(this.#peak, ++this.#open);
    this.#grow();
  }

  /** Records that the file is closed, or was not opened. */
  release(place: OpenFilePlace): void {
    this.#endExclusive(place);
    if (place.isOpen) this.#open--;
    this.#inUse--;
    this.#released++;
    this.#queue.wakeNext();
    this.#releases.wakeAll();
  }

  #endExclusive(place: OpenFilePlace): void {
    if (!place.isExclusive) return;
    place.isExclusive = this.#isExclusive = false;
    this.#queue.wakeAll();
  }

  /** Waits until so many files were closed, or none is open. */
  async waitForReleases(count: number, context: OperationContext): Promise<void> {
    const wanted = this.#released + count;
    while (this.#released < wanted && this.#inUse > 0) await this.#wait(this.#releases, context);
  }

  /** Whether at no time more files were open than now, so that a refusal may come from a limit. */
  isAtPeak(): boolean {
    return this.#open >= this.#peak;
  }

  /** Lowers the limit after the server refused to open a file. Returns a function that takes it back. */
  lower(): () => void {
    const before = { limit: this.#limit, isGrowing: this.#isGrowing };
    this.#isGrowing = false;
    this.#successes = 0;
    const limit = this.#limit = Math.max(1, Math.min(this.#limit, this.#open));
    return () => {
      if (this.#isFixed || this.#limit !== limit) return;
      this.#limit = before.limit;
      this.#isGrowing = before.isGrowing;
      this.#queue.wakeAll();
    };
  }

  /**
   * Begins with few open files again after a channel ended: many may have been the reason. The fewer are in flight, the
   * fewer are lost if that happens again, so that each further time halves their number.
   */
  restart(): void {
    const isFirst = this.#restarts++ === 0;
    if (this.#isOne) return;
    this.#limit = isFirst ? Math.min(FIRST_LIMIT, this.#limit) : Math.max(1, Math.floor(this.#limit / 2));
    this.#isGrowing = isFirst;
    this.#isFixed = false;
    this.#successes = 0;
  }

  /** Limits the server to one open file from now on. Returns false if that limit is already set. */
  limitToOne(): boolean {
    const isNew = this.#limit > 1;
    this.#limit = 1;
    this.#isOne = this.#isFixed = true;
    return isNew;
  }

  /** Records that bytes of an open file arrived, so that waiting calls go on waiting. */
  noteProgress(): void {
    this.#queue.noteProgress();
    this.#releases.noteProgress();
  }

  #grow(): void {
    if (this.#isFixed || this.#limit >= this.#most) return;
    if (!this.#isGrowing && ++this.#successes < this.#limit * OPENS_PER_STEP) return;
    if (this.#isGrowing && this.#inUse * 2 < this.#limit) return;
    this.#successes = 0;
    this.#limit++;
    this.#queue.wakeNext();
  }

  async #wait(queue: WaitQueue, context: OperationContext): Promise<void> {
    if (context.signal.aborted) throw cancelled(context.signal, context.operation);
    const why = `no other file was closed in ${this.#stallMs / 1000} s`;
    await queue.wait(context, { timeout: this.#stallMs, error: () => operationError(context, "timeout", { why }) });
  }
}

/** The place of one file among those that may be open. */
export interface OpenFilePlace {
  readonly ticket: number;
  readonly startsAlone: boolean;
  isExclusive: boolean;
  isOpen: boolean;
}

/** Whether the server says in so many words that it allows no more open files. */
export function isOpenLimitError(error: unknown): boolean {
  return error instanceof SyncError && error.kind === "busy";
}

const FIRST_LIMIT = 8;
/** After a refusal: the number of opens, as a multiple of the limit, after which one more file is tried. */
const OPENS_PER_STEP = 16;
