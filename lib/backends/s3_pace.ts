import { cancelled, SyncError } from "../errors.ts";
import { type Ask, wantsFewer } from "./s3_errors.ts";

/**
 * How many requests of a session are on their way at once. Half as many as there are now from when the store asks for fewer; one more
 * again for each so many that it answers. Requests that began before it asked say nothing new: together they halve once.
 */
export class Pace {
  readonly #most: number;
  readonly #queue = new Set<() => void>();
  #limit: number;
  #active = 0;
  /** How often it was halved. */
  #age = 0;
  #answered = 0;

  constructor(most: number) {
    this.#most = most;
    this.#limit = most;
  }

  /** What the request gives, once its turn has come, in order of arrival. A request must not wait for another one. Rejects as it does, and with cancelled. */
  async run<T>(ask: Ask, request: () => Promise<T>): Promise<T> {
    if (ask.signal.aborted) throw cancelled(ask.signal, ask.operation);
    if (this.#active < this.#limit) this.#active++;
    else await this.#turn(ask);
    const age = this.#age;
    try {
      const result = await request();
      if (age === this.#age) this.#grow();
      return result;
    } catch (error) {
      if (age === this.#age && error instanceof SyncError && wantsFewer(error)) this.#halve();
      throw error;
    } finally {
      this.#active--;
      this.#admit();
    }
  }

  #halve(): void {
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, this.#active) / 2));
    this.#age++;
    this.#answered = 0;
  }

  #grow(): void {
    if (this.#limit === this.#most || ++this.#answered < ANSWERED_FOR_ONE_MORE) return;
    this.#answered = 0;
    this.#limit++;
  }

  #admit(): void {
    for (const next of this.#queue) {
      if (this.#active >= this.#limit) return;
      next();
    }
  }

  /** Resolves when it is counted among those on their way. */
  async #turn({ signal, operation }: Ask): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const next = () => {
      this.#queue.delete(next);
      this.#active++;
      resolve();
    };
    const stop = () => {
      this.#queue.delete(next);
      reject(cancelled(signal, operation));
    };
    this.#queue.add(next);
    signal.addEventListener("abort", stop);
    await promise.finally(() => signal.removeEventListener("abort", stop));
  }
}

const ANSWERED_FOR_ONE_MORE = 100;
