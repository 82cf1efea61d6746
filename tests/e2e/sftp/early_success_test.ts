import assert from "node:assert/strict";
import { connectSsh } from "../../../lib/ssh/connect.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { call, type Client, client, loadSystemClient, makeHome } from "../../support/ssh_client.ts";
import { serverTest } from "../../support/servers/install.ts";
import { pinOf, type RawScript, type RawSsh, startRawSsh } from "../../support/servers/raw_ssh.ts";
import { startSshd } from "../../support/servers/sftp.ts";

/** Servers that declare a login successful at once, in each of the two ways. */
const liars: Readonly<Record<string, RawScript>> = {
  "SUCCESS after the key exchange": { exchanged: (one) => one.succeed() },
  "SERVICE_ACCEPT and SUCCESS in one go": {
    service: (one) =>
      one.together(() => {
        one.accept();
        one.succeed();
      }),
  },
};

/** A user whose home knows `known` of this server. */
async function visitor(
  server: RawSsh,
  { known, pin }: { readonly known?: string; readonly pin?: Uint8Array },
): Promise<{ target: Client } & AsyncDisposable> {
  const home = await makeHome(known === undefined ? {} : { known_hosts: known });
  const options = { SshConfigFile: "none", ...(pin === undefined ? {} : { SshHostKeyFingerprint: pinOf(pin) }) };
  const reach = { host: "127.0.0.1", port: server.port, user: "ann", home: home.home };
  return {
    target: client(reach, { options, secrets: { password: "secret" } }),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function untrusted(target: Client): Promise<SyncError> {
  const error = await connectSsh(target, call, loadSystemClient).then(() => assert.fail("it connected"), (why) => why);
  assert.ok(error instanceof SyncError && error.kind === "hostKey", `${error}`);
  assert.deepEqual(target.fetched, []);
  return error;
}

for (const [how, script] of Object.entries(liars)) {
  Deno.test(`connectSftp() trusts no unknown, unpinned or changed key of a server with ${how}`, async () => {
    await using server = await startRawSsh(script);
    const line = `[127.0.0.1]:${server.port} ecdsa-sha2-nistp256 ${btoa(String.fromCharCode(...server.otherKey))}\n`;
    for (const trust of [{}, { pin: server.otherKey }, { known: line }]) {
      await using ann = await visitor(server, trust);
      await untrusted(ann.target);
    }
    assert.deepEqual(server.received, [], "something was sent after the key exchange");
  });

  Deno.test(`SshConnector.connect() refuses a further link to a server with another key and ${how}`, async () => {
    // The first connection is honest. The key of a server changes when another machine answers.
    await using server = await startRawSsh({
      login: (one) => one.succeed(),
      ...script,
      greeted(one) {
        if (one.count > 1) one.otherKey();
      },
      ...(script.exchanged && { exchanged: (one) => one.count > 1 && script.exchanged?.(one) }),
      ...(script.service && { service: (one) => one.count > 1 ? script.service?.(one) : one.accept() }),
    });
    await using ann = await visitor(server, { pin: server.hostKey });
    const connector = await connectSsh(ann.target, call, loadSystemClient);
    await using _first = await connector.connect(call);
    assert.equal(connector.peer, pinOf(server.hostKey));
    const before = server.received.length;
    await assert.rejects(connector.connect(call), { kind: "hostKey" });
    assert.equal(server.received.length, before, "something was sent to the other machine");
  });

  serverTest(
    `connectSftp() trusts no such jump host, and no such server behind one: ${how}`,
    { server: "sftp" },
    async () => {
      await using honest = await startSshd();
      await using liar = await startRawSsh(script);
      const known = await Deno.readTextFile(honest.knownHosts);
      const line = `[127.0.0.1]:${liar.port} ecdsa-sha2-nistp256 ${btoa(String.fromCharCode(...liar.otherKey))}\n`;
      const block = (name: string, port: number, more: string) =>
        `Host ${name}\n HostName 127.0.0.1\n Port ${port}\n User ${honest.user}\n IdentityFile ${honest.privateKeyPath}\n${more}`;
      for (const [gate, inner] of [[liar.port, honest.port], [honest.port, liar.port]]) {
        const config = block("gate", gate ?? 0, "") + block("inner", inner ?? 0, " ProxyJump gate\n");
        await using home = await makeHome({ config, known_hosts: known + line });
        const target = client({ ...honest, ...home });
        await untrusted({ ...target, address: { scheme: "sftp", host: "inner", path: "", pins: [] } });
      }
      assert.deepEqual(liar.received, []);
    },
  );
}
