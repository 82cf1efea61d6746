import assert from "node:assert/strict";
import { assertCode, fill, readFolder, setOldTime } from "../../support/targets/sftp_pair.ts";
import { startSmallSftp } from "../../support/servers/small_sftp.ts";
import { counts, type RunResult, startTandem, tandem } from "../../support/tandem.ts";

const account = { user: "demo", password: "Canary-4711" };

interface Pair {
  readonly local: string;
  readonly remote: string;
  sync(words: string): Promise<RunResult>;
  /** Starts a run and kills it when the old file has stepped aside and the new one does not have its name yet. */
  killBetween(words: string): Promise<void>;
}

/** A server that renames onto nothing: a file is replaced in two steps there. */
async function withPair(work: (pair: Pair) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const home = await Deno.makeTempDir({ prefix: "tandem-swap-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const [local, remote] = [`${home}/local`, `${home}/remote`];
  await Deno.mkdir(local);
  await Deno.mkdir(remote);
  let victim: Deno.ChildProcess | undefined;
  const onChange = async (mutation: string) => {
    if (!/^RENAME \/f \/\.f\.tandem-/.test(mutation)) return;
    victim?.kill("SIGKILL");
    await victim?.status;
  };
  const server = stack.use(await startSmallSftp({ folder: remote, ...account, onChange }));
  const args = (words: string) => [
    ...["Sync-Path", local, `sftp://demo@127.0.0.1:${server.port}/`, ...words.split(" ")],
    ...["-SshHostKeyFingerprint", server.fingerprint],
  ];
  const options = { home, env: { TANDEM_PASSWORD: account.password } };
  await work({
    local,
    remote,
    sync: (words) => tandem(args(words), options),
    async killBetween(words) {
      victim = startTandem(args(words), options);
      const { signal, stderr } = await victim.output();
      victim = undefined;
      assert.equal(signal, "SIGKILL", new TextDecoder().decode(stderr));
      const held = Object.entries(readFolder(remote)).filter(([name]) => name !== "other");
      assert.deepEqual(held.map(([, text]) => text).toSorted(), ["new content", "old"]);
      assert.ok(held.every(([name]) => name.startsWith(".f.tandem-")), "not between the two steps");
    },
  });
}

/** ssh2's server lets no cipher go of a connection that broke. */
const sanitizeResources = false;

for (const mode of ["Remote", "Both"]) {
  Deno.test({
    name:
      `VP-04 Sync-Path -Mode ${mode} that was killed between the two steps of a replacement is healed by the next run`,
    sanitizeResources,
    async fn() {
      await withPair(async ({ local, remote, sync, killBetween }) => {
        await fill(local, { "f": "old", "other": "o" });
        await setOldTime(`${local}/f`, 60);
        assertCode(await sync(`-Mode ${mode}`), 0);
        await Deno.writeTextFile(`${local}/f`, "new content");
        await killBetween(`-Mode ${mode}`);
        const ran = await sync(`-Mode ${mode} -Remove`);
        assertCode(ran, 0);
        assert.deepEqual(counts(ran), [1, 0, 0, 0, 0]);
        assert.deepEqual(readFolder(remote), { "f": "new content", "other": "o" });
        assert.match(JSON.stringify(ran.result().Notes), /by a run that was interrupted; it has its name again/);
        assert.deepEqual(readFolder(local), { "f": "new content", "other": "o" });
        assert.deepEqual(counts(await sync(`-Mode ${mode} -Remove`)), [0, 0, 0, 0, 0]);
      });
    },
  });
}

Deno.test({
  name:
    "VP-04 Sync-Path -Mode Local -Remove after such a kill gives the old version its name again, and -WhatIf does not",
  sanitizeResources,
  async fn() {
    await withPair(async ({ local, remote, sync, killBetween }) => {
      await fill(local, { "f": "old", "other": "o" });
      await setOldTime(`${local}/f`, 60);
      assertCode(await sync("-Mode Remote"), 0);
      await Deno.writeTextFile(`${local}/f`, "new content");
      await killBetween("-Mode Remote");
      const before = readFolder(remote);
      assertCode(await sync("-Mode Local -Remove -WhatIf"), 0);
      assert.deepEqual(readFolder(remote), before);
      const ran = await sync("-Mode Local -Remove");
      assertCode(ran, 0);
      assert.match(JSON.stringify(ran.result().Notes), /by a run that was interrupted; it has its name again/);
      assert.equal(readFolder(remote)["f"], "old");
      assert.deepEqual(readFolder(local), { "f": "new content", "other": "o" });
    });
  },
});
