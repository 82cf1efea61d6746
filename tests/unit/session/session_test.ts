import assert from "node:assert/strict";
import { memory } from "../../../lib/backends/memory/mod.ts";
import { protocols } from "../../../lib/backends/mod.ts";
import type { BackendRoot } from "../../../lib/core/backend.ts";
import { openSession } from "../../../lib/session/session.ts";
import { withOverrides } from "../../support/stacked.ts";
import { testTarget } from "../../support/targets/test_target.ts";
import type { Protocol } from "../../../lib/core/protocol.ts";

const signal = new AbortController().signal;

/** A protocol table with one more row, whose backend says this of every root. */
function tableWith(root: BackendRoot, row: Partial<Protocol> = {}): readonly Protocol[] {
  const backend = withOverrides(memory(), { root, withRoot: () => Promise.resolve(backend) });
  const load = () => Promise.resolve(() => Promise.resolve(backend));
  return [...protocols, { schemes: ["odd"], names: ["Odd"], defaultPort: 1, options: [], load, ...row }];
}

async function openWith(rows: readonly Protocol[]) {
  const { address, options, ...world } = testTarget({ scheme: "odd", path: "/" });
  return await openSession({ address, options }, world, { signal, protocols: rows });
}

for (const path of ["/", "", "//"]) {
  Deno.test(`openSession() marks the server's root ${JSON.stringify(path)}, which its backend left unmarked`, async () => {
    await using session = await openWith(tableWith({ path }));
    assert.equal(session.remote.root.risk, "the server's root folder");
    assert.equal((await session.remote.withRoot("/", { signal })).root.risk, "the server's root folder");
  });
}

Deno.test("openSession() leaves other folders, ordinary roots and the backend's own mark as they are", async () => {
  for (const root of [{ path: "/www" }, { path: "/", isOrdinary: true }, { path: "/", risk: "the login folder" }]) {
    await using session = await openWith(tableWith(root));
    assert.deepEqual(session.remote.root, root);
  }
  await using local = await openWith(tableWith({ path: "/" }, { local: true }));
  assert.equal(local.remote.root.risk, undefined);
});

Deno.test("openSession() opens a protocol of the table it is given, and names the known ones otherwise", async () => {
  await using session = await openWith(tableWith({ path: "/www" }, { buckets: true }));
  assert.ok(session.opened && session.hasPath);
  await assert.rejects(openWith(protocols), /"odd:" is not known; known are file:, sftp:/);
});
