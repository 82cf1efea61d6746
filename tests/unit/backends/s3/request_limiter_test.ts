import assert from "node:assert/strict";
import { addLayers } from "../../../../lib/backends/layers/stack.ts";
import { type ErrorReply, ErrorReplyError, toSyncError } from "../../../../lib/backends/s3/errors.ts";
import { RequestLimiter } from "../../../../lib/backends/s3/request_limiter.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { errorResponse, startSmallS3 } from "../../../support/servers/small_s3.ts";
import { operationError } from "../../../../lib/core/operation.ts";

const signal = new AbortController().signal;
const ask = { operation: "look at", path: root, signal };

/** What a request rejects with when a store answers so. */
function refused({ status, code }: Pick<ErrorReply, "status"> & Partial<Pick<ErrorReply, "code">>): Error {
  return toSyncError(
    ask,
    new ErrorReplyError({ status, code, message: "no", region: undefined, retryAfter: undefined }),
  );
}

const slowDown = () => refused({ status: 503, code: "SlowDown" });

/** Requests that are answered when the test says so. */
function requests(pace: RequestLimiter, count: number) {
  const waiting: PromiseWithResolvers<void>[] = [];
  const ended = Array.from({ length: count }, () =>
    pace.run(ask, () => {
      const one = Promise.withResolvers<void>();
      waiting.push(one);
      return one.promise;
    }).catch((error) => error));
  const settle = async (what: (one: PromiseWithResolvers<void>) => void) => {
    await tick();
    for (const one of waiting.splice(0)) what(one);
    await tick();
    return waiting.length;
  };
  return {
    ended,
    /** How many are on their way. */
    active: async () => (await tick(), waiting.length),
    answerAll: () => settle((one) => one.resolve()),
    refuseAll: (error = slowDown()) => settle((one) => one.reject(error)),
  };
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("Pace lets so many go at once, half as many once the store asks for fewer, never none", async () => {
  const pace = new RequestLimiter(8);
  const all = requests(pace, 40);
  assert.equal(await all.active(), 8);
  // Eight refusals of one moment are one wish.
  assert.equal(await all.refuseAll(), 4);
  assert.equal(await all.answerAll(), 4);
  assert.equal(await all.refuseAll(), 2);
  assert.equal(await all.refuseAll(), 1);
  assert.equal(await all.refuseAll(), 1);
  while (await all.answerAll() > 0);
  await Promise.all(all.ended);
});

Deno.test("Pace lets one more go for a hundred that were answered, and no more than at first", async () => {
  const pace = new RequestLimiter(4);
  const all = requests(pace, 1000);
  assert.equal(await all.refuseAll(), 2);
  for (const [answers, next] of [[49, 2], [1, 3], [33, 3], [1, 4], [60, 4]] as const) {
    let active = 0;
    for (let i = 0; i < answers; i++) active = await all.answerAll();
    assert.equal(active, next);
  }
  while (await all.answerAll() > 0);
  await Promise.all(all.ended);
});

Deno.test("Pace takes no other refusal for a wish for fewer", async () => {
  const pace = new RequestLimiter(4);
  const all = requests(pace, 20);
  assert.equal(await all.refuseAll(refused({ status: 409, code: "OperationAborted" })), 4);
  assert.equal(await all.refuseAll(refused({ status: 500, code: "InternalError" })), 4);
  assert.equal(await all.refuseAll(operationError(ask, "connection", { why: "cut" })), 4);
  assert.equal(await all.refuseAll(refused({ status: 429 })), 2);
  while (await all.answerAll() > 0);
  await Promise.all(all.ended);
});

Deno.test("Pace forgets who is cancelled while waiting", async () => {
  const pace = new RequestLimiter(1);
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  const running = pace.run(ask, () => first.promise);
  const waiting = pace.run({ ...ask, signal: stop.signal }, () => assert.fail("it was cancelled"));
  stop.abort();
  await assert.rejects(waiting, { kind: "cancelled" });
  first.resolve();
  await running;
  assert.equal(await pace.run(ask, () => Promise.resolve(1)), 1);
});

Deno.test("A store that says SlowDown gets half the requests at once from then on, and every call succeeds", async () => {
  let [active, most, refusals] = [0, 0, 0];
  const full = Promise.withResolvers<void>();
  await using server = startSmallS3(async ({ line }) => {
    if (!line.startsWith("HEAD")) return undefined;
    active++;
    most = Math.max(most, active);
    if (active === CONNECTIONS) full.resolve();
    await full.promise;
    // What came with the first wave is refused; then each takes a moment, so that those beside it are seen.
    const isFirstWave = refusals < CONNECTIONS;
    if (isFirstWave) refusals++;
    else await new Promise((resolve) => setTimeout(resolve, 5));
    active--;
    if (refusals === CONNECTIONS && isFirstWave) most = 0;
    return isFirstWave ? errorResponse(503, "SlowDown") : undefined;
  });
  await using bare = await server.open({ Connections: `${CONNECTIONS}` });
  const backend = addLayers(bare, { retry: { sleep: () => Promise.resolve() } });
  const before = CONNECTIONS;
  await Promise.all(Array.from({ length: 80 }, (_, i) => backend.stat(toRelPath(`f${i}`), { signal })));
  assert.equal(refusals, before);
  assert.ok(most <= before / 2, `${most} at once after ${before} were too many`);
  assert.equal(server.requests.filter(({ line }) => line.startsWith("HEAD")).length, 80 + before);
});

const CONNECTIONS = 16;
