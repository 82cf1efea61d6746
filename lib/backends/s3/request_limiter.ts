import { cancelled, SyncError } from "../../core/errors.ts";
import { isSlowDown } from "./errors.ts";
import { WaitQueue } from "../../net/semaphore.ts";
import type { OperationContext } from "../../core/operation.ts";

/**
 * Limits how many requests of a session run at once (AIMD). When the store asks for fewer, the limit becomes half of
 * the requests that run then; it is raised by one after every ANSWERS_PER_INCREASE replies. Requests that began before
 * the store asked carry no new information: together they halve it once.
 */
export class RequestLimiter {
  readonly #maximum: number;
  readonly #queue = new WaitQueue();
  #limit: number;
  #active = 0;
  /** The number of times that it was halved. */
  #halvings = 0;
  #answered = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
    this.#limit = maximum;
  }

  /**
   * Runs the request once a slot is free, in order of arrival, and returns its result. A request must not wait for
   * another one. Rejects as it does, and with cancelled.
   */
  async run<T>(context: OperationContext, request: () => Promise<T>): Promise<T> {
    if (context.signal.aborted) throw cancelled(context.signal, context.operation);
    if (this.#active < this.#limit) this.#active++;
    else await this.#queue.wait(context);
    const age = this.#halvings;
    try {
      const result = await request();
      if (age === this.#halvings) this.#recordAnswer();
      return result;
    } catch (error) {
      if (age === this.#halvings && error instanceof SyncError && isSlowDown(error)) this.#halve();
      throw error;
    } finally {
      this.#active--;
      this.#admit();
    }
  }

  #halve(): void {
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, this.#active) / 2));
    this.#halvings++;
    this.#answered = 0;
  }

  #recordAnswer(): void {
    if (this.#limit === this.#maximum || ++this.#answered < ANSWERS_PER_INCREASE) return;
    this.#answered = 0;
    this.#limit++;
  }

  #admit(): void {
    // A waiter that has been woken counts from now on, though its request begins a moment later.
    while (this.#active < this.#limit && this.#queue.wakeNext()) this.#active++;
  }
}

const ANSWERS_PER_INCREASE = 100;
