import { cancelled, SyncError } from "../../core/errors.ts";
import { wantsFewer } from "./errors.ts";
import { Turns } from "../../net/semaphore.ts";
import type { OperationContext } from "../../core/operation.ts";

/**
 * How many requests of a session are on their way at once. Half as many as there are now from when the store asks for fewer; one more
 * again for each so many that it answers. Requests that began before it asked say nothing new: together they halve once.
 */
export class Pace {
  readonly #most: number;
  readonly #turns = new Turns();
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
  async run<T>(ask: OperationContext, request: () => Promise<T>): Promise<T> {
    if (ask.signal.aborted) throw cancelled(ask.signal, ask.operation);
    if (this.#active < this.#limit) this.#active++;
    else await this.#turns.wait(ask);
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
    // Who has a turn counts from now on, though its request begins a moment later.
    while (this.#active < this.#limit && this.#turns.next()) this.#active++;
  }
}

const ANSWERED_FOR_ONE_MORE = 100;
