import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { timeoutError } from "./net_error.ts";

/** Returns the addresses of a name in the resolver's order of preference. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** The options of connecting to a host by name. */
export interface RaceOptions<T> {
  /** ms for everything: looking the name up and connecting. */
  readonly timeout: number;
  /** Connects to one address. Rejects when the signal is aborted, or returns a connection that `close` then ends. */
  dial(address: string, signal: AbortSignal): Promise<T>;
  /** Ends a connection that came too late. */
  close(late: T): void;
  readonly resolve?: Resolve;
  /** ms after which the next address is tried too. */
  readonly step?: number;
}

/** RFC 8305, section 8: "Connection Attempt Delay", recommended 250 ms. */
const STEP_MS = 250;

/**
 * Connects to whichever address of the host answers first (RFC 8305): the next address is tried when the one before
 * failed, or is silent for `step` ms, so that a dead address costs a moment and not the timeout. Rejects with the error
 * of the first address if all fail, and with timeout.
 */
export async function dialHost<T>(host: string, options: RaceOptions<T>): Promise<T> {
  const { timeout, resolve = lookUp } = options;
  const race = new Race(options);
  const timer = setTimeout(() => race.fail(timeoutError("no answer", timeout)), timeout);
  try {
    const addresses = isIP(host) === 0 ? resolve(host).then(interleaved) : Promise.resolve([host]);
    addresses.then((all) => race.start(all), (error) => race.fail(error));
    return await race.winner;
  } finally {
    clearTimeout(timer);
  }
}

/** The attempts to connect to the addresses of one host. */
class Race<T> {
  readonly #options: RaceOptions<T>;
  readonly #result = Promise.withResolvers<T>();
  readonly #attempts = new Set<AbortController>();
  #addresses: readonly string[] = [];
  #next = 0;
  #firstError: unknown;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RaceOptions<T>) {
    this.#options = options;
  }

  get winner(): Promise<T> {
    return this.#result.promise;
  }

  start(addresses: readonly string[]): void {
    if (this.#isOver) return;
    if (addresses.length === 0) return this.fail(new Error("the name has no address"));
    this.#addresses = addresses;
    this.#tryNext();
  }

  fail(error: unknown): void {
    this.#end();
    this.#result.reject(error);
  }

  #tryNext(): void {
    clearTimeout(this.#timer);
    const at = this.#next++;
    const { dial, step = STEP_MS } = this.#options;
    const attempt = new AbortController();
    this.#attempts.add(attempt);
    dial(this.#addresses[at] ?? "", attempt.signal).then(
      (connection) => this.#onOpen(connection, attempt),
      (error) => this.#onError(error, { attempt, isFirst: at === 0 }),
    );
    if (this.#next < this.#addresses.length) this.#timer = setTimeout(() => this.#tryNext(), step);
  }

  #onOpen(connection: T, attempt: AbortController): void {
    if (this.#isOver) return this.#options.close(connection);
    // Its signal would close the connection even now.
    this.#attempts.delete(attempt);
    this.#end();
    this.#result.resolve(connection);
  }

  #onError(error: unknown, { attempt, isFirst }: { readonly attempt: AbortController; readonly isFirst: boolean }) {
    this.#attempts.delete(attempt);
    if (this.#isOver) return;
    if (isFirst) this.#firstError = error;
    if (this.#next < this.#addresses.length) this.#tryNext();
    else if (this.#attempts.size === 0) this.fail(this.#firstError);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const attempt of this.#attempts) attempt.abort();
    this.#attempts.clear();
  }
}

/** Returns the addresses with the families in turn, that of the first one first. RFC 8305, section 4. */
function interleaved(addresses: readonly string[]): readonly string[] {
  const family = isIP(addresses[0] ?? "");
  const same = addresses.filter((address) => isIP(address) === family);
  const other = addresses.filter((address) => isIP(address) !== family);
  const longer = Math.max(same.length, other.length);
  return Array.from({ length: longer }, (_, at) => [...same.slice(at, at + 1), ...other.slice(at, at + 1)]).flat();
}

/** Returns the addresses of a name as the system resolves it. */
export async function lookUp(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
