import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { PendingRequests } from "../../../../lib/backends/sftp/requests.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root } from "../../../../lib/core/path.ts";
import type { SftpChannel } from "../../../../lib/ssh/channels.ts";

const context = { signal: new AbortController().signal, operation: "write", path: root };

/** Adds requests to a silent channel, in this order, and returns the events until `ms` later. */
async function eventsOf(patiences: readonly (number | undefined)[], ms: number): Promise<readonly string[]> {
  const events: string[] = [];
  const closed = new AbortController();
  const channel = { closed: closed.signal, lastReceived: () => -Infinity } as unknown as SftpChannel;
  const pending = new PendingRequests(channel, { timeout: 40, abort: () => void events.push("abort") });
  for (const [index, patience] of patiences.entries()) {
    const reject = ({ message }: SyncError) => void events.push(`${index} ${message}`);
    pending.add({ context, since: performance.now(), patience, reject });
  }
  await wait(ms);
  const seen = [...events];
  closed.abort(new SyncError("connection", "the end", { operation: "test" }));
  return seen;
}

Deno.test("PendingRequests ends a silent channel, although a patient request follows", async () => {
  assert.deepEqual(await eventsOf([undefined, 60_000], 200), ["abort"]);
});

Deno.test("PendingRequests waits with what was sent behind a patient request", async () => {
  assert.deepEqual(await eventsOf([60_000, undefined], 200), []);
});

Deno.test("PendingRequests rejects a patient request once its patience is used up", async () => {
  const events = await eventsOf([100], 300);
  assert.match(events.join(), /^0 Cannot write "\.": the server did not confirm the end of the file in 0 s$/);
});
