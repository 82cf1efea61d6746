import assert from "node:assert/strict";
import { syncPathCommand } from "../../cmd/sync_path.ts";
import { protocols } from "../../lib/backends/mod.ts";
import { parseAddress } from "../../lib/core/address_parser.ts";
import type { SyncResult } from "../../lib/report/result.ts";
import { openSession } from "../../lib/session/session.ts";
import { createStep, pipe } from "../../lib/shell/run/pipe.ts";
import { fill, readFolder } from "../support/targets/sftp_pair.ts";
import { testTarget } from "../support/targets/test_target.ts";
import { testHost } from "../support/test_host.ts";
import { exampleProtocol } from "./mod.ts";
import { ExampleStore } from "./server.ts";

const table = [...protocols, exampleProtocol];

/** A local folder, a store, and Sync-Path between them as a program runs it. */
async function startPair(password = "Canary-4711") {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(new ExampleStore({ password }));
  const home = await Deno.makeTempDir({ prefix: "tandem-example-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  await Deno.mkdir(`${home}/local`);
  const { address } = parseAddress(`example://127.0.0.1:${store.port}/site`, table);
  const { signal } = new AbortController();
  const env = { TANDEM_STATE: `${home}/state` };
  const sync = async (words: { readonly mode: "Both" | "Local" | "Remote"; readonly remove?: boolean }) => {
    const { options, ...context } = testTarget(address, { password: "Canary-4711" });
    await using session = await openSession({ address, options }, context, { signal, protocols: table });
    const step = createStep(syncPathCommand, (common, stack) => testHost({ common, stack, env }));
    return await pipe(() => session, step({ localPath: `${home}/local`, ...words })) as SyncResult;
  };
  const life = stack.move();
  return { local: `${home}/local`, store, sync, [Symbol.asyncDispose]: () => life.disposeAsync() };
}

Deno.test("example: Sync-Path carries files both ways, and nothing the second time", async () => {
  await using pair = await startPair();
  await fill(pair.local, { "a.txt": "one", "d/b.txt": "two" });
  const up = await pair.sync({ mode: "Both" });
  assert.equal(up.UploadCount, 2);
  assert.deepEqual(pair.store.files, { "site/a.txt": "one", "site/d/b.txt": "two" });
  pair.store.put("site/d/c.txt", "three");
  pair.store.put("site/a.txt", "one, edited there");
  const down = await pair.sync({ mode: "Both" });
  assert.equal(down.DownloadCount, 2);
  assert.deepEqual(readFolder(pair.local), {
    "a.txt": "one, edited there",
    "d/": "",
    "d/b.txt": "two",
    "d/c.txt": "three",
  });
  const before = pair.store.mutations.length;
  const { UploadCount, DownloadCount, RemovalCount } = await pair.sync({ mode: "Both", remove: true });
  assert.deepEqual([UploadCount, DownloadCount, RemovalCount], [0, 0, 0]);
  assert.equal(pair.store.mutations.length, before);
});

Deno.test("example: a deletion travels with -Remove", async () => {
  await using pair = await startPair();
  await fill(pair.local, { "a": "1", "b": "2", "c": "3" });
  await pair.sync({ mode: "Both", remove: true });
  await Deno.remove(`${pair.local}/b`);
  const { RemovalCount } = await pair.sync({ mode: "Both", remove: true });
  assert.equal(RemovalCount, 1);
  assert.deepEqual(pair.store.files, { "site/a": "1", "site/c": "3" });
});

Deno.test("example: names that leave the folder write nothing outside it, and are told of", async () => {
  await using pair = await startPair();
  await fill(pair.local, { "good": "x" });
  await pair.sync({ mode: "Remote" });
  pair.store.extraNames = ["..", "../up", "/absolute", "nul\0"];
  const { DownloadCount, FailureCount, IsSuccess } = await pair.sync({ mode: "Local" });
  assert.deepEqual([DownloadCount, FailureCount, IsSuccess], [0, 4, false]);
  assert.deepEqual(readFolder(pair.local), { "good": "x" });
  const outside = Object.keys(readFolder(`${pair.local}/..`)).filter((path) => !/^(?:local|state)\//.test(path));
  assert.deepEqual(outside, []);
});

Deno.test("example: a wrong password is refused, and nothing is written", async () => {
  await using pair = await startPair("another");
  await assert.rejects(pair.sync({ mode: "Remote" }), { kind: "auth" });
  assert.deepEqual(pair.store.mutations, []);
});
