import assert from "node:assert/strict";
// @ts-types="npm:@types/ssh2@1.15.6"
import ssh2, { type ConnectConfig } from "npm:ssh2@1.17.0";
import { startRawSsh } from "../../support/servers/raw_ssh.ts";

// Why ssh_messages.ts exists, and what lib/README.md says of the client library. Where a new version of it makes one of these fail, both can change.

/** Connects as the library's own documentation shows. Resolves with what it announces first. */
async function plainly(config: ConnectConfig): Promise<string> {
  const client = new ssh2.Client();
  const first = new Promise<string>((resolve) => {
    client.on("ready", () => resolve("ready"));
    client.on("error", (error) => resolve(error.message));
  });
  const closed = new Promise<void>((resolve) => client.on("close", () => resolve()));
  client.connect({ host: "127.0.0.1", username: "ann", password: "secret", ...config });
  const what = await first;
  client.destroy();
  await closed;
  return what;
}

Deno.test("ssh2 takes an early success before an asynchronous hostVerifier has decided", async () => {
  await using server = await startRawSsh({ isHasty: true, exchanged: (client) => client.succeed() });
  // This one never decides.
  const hostVerifier = (_key: unknown, _decide: (good: boolean) => void) => {};
  assert.equal(await plainly({ port: server.port, hostVerifier } as ConnectConfig), "ready");
});

Deno.test("ssh2 refuses the key before an early success where hostVerifier decides at once", async () => {
  await using server = await startRawSsh({ exchanged: (client) => client.succeed() });
  assert.match(await plainly({ port: server.port, hostVerifier: () => false }), /Host denied/);
});

Deno.test("ssh2 takes a success that no login was sent for", async () => {
  await using server = await startRawSsh({ service: (client) => client.succeed() });
  assert.equal(await plainly({ port: server.port, hostVerifier: () => true }), "ready");
  assert.ok(!server.received.includes(50));
});
