import assert from "node:assert/strict";
import { runConcurrently, takeInOrder } from "../../../../lib/sync/common/concurrency.ts";

const never = new AbortController().signal;

/** Work that ends when it is told to, in any order. */
class Gates {
  readonly begun: number[] = [];
  readonly #open = new Map<number, PromiseWithResolvers<void>>();

  readonly work = (item: number): Promise<void> => {
    this.begun.push(item);
    const gate = Promise.withResolvers<void>();
    this.#open.set(item, gate);
    return gate.promise;
  };

  async end(item: number): Promise<void> {
    this.#open.get(item)?.resolve();
    await turn();
  }

  async fail(item: number, error: Error): Promise<void> {
    this.#open.get(item)?.reject(error);
    await turn();
  }
}

function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 0);
  return promise;
}

Deno.test("drain() begins items in order, at most as many at once as allowed", async () => {
  const gates = new Gates();
  const all = runConcurrently(takeInOrder([1, 2, 3, 4]), gates.work, { limit: 2, signal: never });
  assert.deepEqual(gates.begun, [1, 2]);
  await gates.end(2);
  assert.deepEqual(gates.begun, [1, 2, 3]);
  await gates.end(1);
  assert.deepEqual(gates.begun, [1, 2, 3, 4]);
  await gates.end(3);
  await gates.end(4);
  await all;
});

Deno.test("drain() keeps the weights at work within the budget, but lets one heavy item pass alone", async () => {
  const gates = new Gates();
  const all = runConcurrently(takeInOrder([6, 5, 99, 1]), gates.work, {
    limit: 10,
    budget: 10,
    weight: (item) => item,
    signal: never,
  });
  assert.deepEqual(gates.begun, [6]);
  await gates.end(6);
  assert.deepEqual(gates.begun, [6, 5]);
  await gates.end(5);
  assert.deepEqual(gates.begun, [6, 5, 99]);
  await gates.end(99);
  await gates.end(1);
  await all;
});

Deno.test("drain() goes on with what work has added", async () => {
  const waiting = [3];
  const seen: number[] = [];
  await runConcurrently(() => waiting.pop(), async (item) => {
    await turn();
    seen.push(item);
    if (item > 0) waiting.push(item - 1);
  }, { limit: 4, signal: never });
  assert.deepEqual(seen, [3, 2, 1, 0]);
});

Deno.test("drain() lets the others go on when one rejects, and rejects with it at the end", async () => {
  const gates = new Gates();
  const all = runConcurrently(takeInOrder([1, 2, 3]), gates.work, { limit: 2, signal: never });
  const rejected = assert.rejects(all, /first/);
  await gates.fail(1, new Error("first"));
  assert.deepEqual(gates.begun, [1, 2, 3]);
  await gates.fail(3, new Error("second"));
  await gates.end(2);
  await rejected;
});

Deno.test("drain() begins nothing once aborted and resolves when the begun work has ended", async () => {
  const gates = new Gates();
  const stop = new AbortController();
  let done = false;
  const all = runConcurrently(takeInOrder([1, 2, 3]), gates.work, { limit: 2, signal: stop.signal }).then(() =>
    void (done = true)
  );
  stop.abort();
  await gates.end(1);
  assert.deepEqual([gates.begun, done], [[1, 2], false]);
  await gates.end(2);
  await all;
  assert.deepEqual(gates.begun, [1, 2]);
});

Deno.test("drain() of nothing resolves", async () => {
  await runConcurrently(takeInOrder([]), () => assert.fail("there is no work"), { limit: 1, signal: never });
});
