import assert from "node:assert/strict";
import { serverTest } from "../support/servers/install.ts";
import { startSmallSftp } from "../support/servers/small_sftp.ts";
import { assertCode, assertSame, fill, look, type Pair, stamp, startPair } from "../support/pair.ts";
import { tandem } from "../support/tandem.ts";

const server = "sftp";
const dozen = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`old/${index}`, `${index}`]));

/** Fails unless the run is refused with this key in its message, before anything was changed on either side. */
async function assertRefused(pair: Pair, words: string, key: string): Promise<void> {
  const before = [await stamp(pair.local), await stamp(pair.remote)];
  const requests = (await pair.sshd.mutations()).length;
  const ran = await pair.sync(words);
  assertCode(ran, 3);
  assert.ok(ran.stderr.includes(key), ran.stderr);
  assert.match(ran.stderr, /nothing was changed/i);
  assert.deepEqual((await pair.sshd.mutations()).slice(requests), []);
  assert.deepEqual([await stamp(pair.local), await stamp(pair.remote)], before);
  assert.deepEqual([ran.result().IsSuccess, ran.result().ExitCode, ran.result().RemovalCount], [false, 3, 0]);
}

serverTest("Sync-Path -MaxRemove refuses one removal too many with exit 3 and none of them done", {
  server,
}, async () => {
  await using pair = await startPair();
  await fill(pair.local, { "new": "n" });
  await fill(pair.remote, dozen);
  await assertRefused(pair, "-Mode Remote -Remove -MaxRemove 11", "-MaxRemove");
  await assertRefused(pair, "-Mode Remote -Remove -MaxRemove 99%", "-MaxRemove");
  await assertRefused(pair, "-Mode Remote -Remove -Force", "-MaxRemove 100%");
  const planned = await pair.sync("-Mode Remote -Remove -MaxRemove 11 -WhatIf");
  assertCode(planned, 3);
  assertCode(await pair.sync("-Mode Remote -Remove -MaxRemove 12"), 0);
  await assertSame(pair);
});

for (const [mode, from, to] of [["Remote", "local", "remote"], ["Local", "remote", "local"]] as const) {
  serverTest(`Sync-Path -Mode ${mode} -Remove refuses an empty source with exit 3, but for -AllowEmptySource`, {
    server,
  }, async () => {
    await using pair = await startPair();
    await fill(pair[to], { "a": "1", "b/c": "2" });
    await fill(pair[from], { "only a folder/": "" });
    await assertRefused(pair, `-Mode ${mode} -Remove`, "-AllowEmptySource");
    assertCode(await pair.sync(`-Mode ${mode} -Remove -AllowEmptySource -WhatIf`), 0);
    assertCode(await pair.sync(`-Mode ${mode} -Remove -AllowEmptySource`), 0);
    assert.deepEqual(await look(pair[to]), { "only a folder/": "" });
  });
}

serverTest("Sync-Path with a missing source makes nothing, removes nothing and exits 2, or 3 where it could remove", {
  server,
}, async () => {
  await using pair = await startPair();
  await fill(pair.local, { "a": "1" });
  await fill(pair.remote, { "b": "2" });
  const gone = `${pair.address}/gone`;
  for (const [words, code] of [["", 2], ["-Remove", 3]] as const) {
    const down = ["Sync-Path", pair.local, gone, "-Mode", "Local", ...words.split(" ").filter((word) => word !== "")];
    const ran = await pair.run(down);
    assertCode(ran, code);
    assert.match(ran.stderr, /gone/);
  }
  for (const mode of ["Remote", "Both"]) {
    for (const more of [[], ["-Remove"]]) {
      const ran = await pair.run(["Sync-Path", `${pair.local}/gone`, pair.address, "-Mode", mode, ...more]);
      assert.ok(ran.code === 2 || (ran.code === 3 && more.length > 0), `${mode} ${more}: ${ran.code} ${ran.stderr}`);
    }
  }
  assert.deepEqual([await look(pair.local), await look(pair.remote)], [{ "a": "1" }, { "b": "2" }]);
  assert.deepEqual(await pair.sshd.mutations(), []);
});

serverTest("Sync-Path refuses a remote file where a folder belongs with exit 2", { server }, async () => {
  await using pair = await startPair();
  await fill(pair.local, { "a": "1" });
  await fill(pair.remote, { "file": "f" });
  for (const mode of ["Remote", "Local", "Both"]) {
    const ran = await pair.run(["Sync-Path", pair.local, `${pair.address}/file`, "-Mode", mode]);
    assertCode(ran, 2);
    assert.match(ran.stderr, /file/);
  }
  assert.deepEqual([await look(pair.local), await look(pair.remote)], [{ "a": "1" }, { "file": "f" }]);
});

serverTest("Sync-Path -Remove and -Mirror refuse the root of an account that can go higher, and a login folder", {
  server,
}, async () => {
  await using pair = await startPair();
  await fill(pair.local, { "a": "1" });
  const { user, port, home } = pair.sshd;
  const before = await stamp(home);
  for (const root of ["/", "/~/", "//", "/."]) {
    for (const words of [["-Remove"], ["-Mirror"], ["-Mirror", "-Remove", "-Force"]]) {
      const address = `sftp://${user}@127.0.0.1:${port}${root === "/." ? "" : root}`;
      // Without -WhatIf a broken guard would empty the tester's own home folder.
      const ran = await pair.run(["Sync-Path", pair.local, address, "-Mode", "Remote", ...words, "-WhatIf"]);
      if (root === "/.") assertCode(ran, 2);
      else {
        assertCode(ran, 3);
        assert.match(ran.stderr, /-AllowRoot/);
      }
    }
  }
  const ran = await pair.run(["Sync-Path", home, pair.address, "-Mode", "Local", "-Remove", "-WhatIf"]);
  assertCode(ran, 3);
  assert.match(ran.stderr, /-AllowRoot/);
  assert.deepEqual(await stamp(home), before);
  assert.deepEqual(await pair.sshd.mutations(), []);
});

Deno.test("Sync-Path -Remove takes / of an account that is locked into it for an ordinary root", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tandem-jail-" });
  await using small = await startSmallSftp({ folder: `${folder}`, user: "ann", password: "correct horse" });
  const local = await Deno.makeTempDir({ prefix: "tandem-here-" });
  try {
    await fill(local, { "a": "1" });
    await fill(folder, { "a": "1", "b": "2" });
    const ran = await tandem(
      [
        ...["Sync-Path", local, `sftp://ann@127.0.0.1:${small.port}/`, "-Mode", "Remote", "-Remove"],
        ...["-SshHostKeyFingerprint", small.fingerprint],
      ],
      { env: { TANDEM_PASSWORD: "correct horse", TANDEM_STATE: `${local}.state` } },
    );
    assertCode(ran, 0);
    await assertSame({ local, remote: folder });
  } finally {
    for (const one of [local, folder, `${local}.state`]) await Deno.remove(one, { recursive: true }).catch(() => {});
  }
});

serverTest("Sync-Path -RequireMarker goes on only where the marker lies in both roots", { server }, async () => {
  await using pair = await startPair();
  await fill(pair.local, { ".marker": "", "a": "1" });
  await assertRefused(pair, "-Mode Remote -RequireMarker .marker", ".marker");
  await fill(pair.remote, { ".marker": "" });
  assertCode(await pair.sync("-Mode Remote -RequireMarker .marker"), 0);
  await assertSame(pair);
});

serverTest("Sync-Path holds all removals when a file could not be transferred, and says so", {
  server,
}, async () => {
  await using pair = await startPair();
  await fill(pair.local, { "fine": "f", "blocked": "a file here" });
  await fill(pair.remote, { "blocked/in": "a folder there", "old": "o" });
  await Deno.remove(`${pair.local}/blocked`);
  await fill(pair.local, { "dir/one": "1" });
  await Deno.mkdir(`${pair.remote}/dir`);
  // The server may not write into a folder that nobody may enter; root may, so the folder is made immutable where that works.
  const locked = await new Deno.Command("chattr", { args: ["+i", `${pair.remote}/dir`], stderr: "null" }).output()
    .catch(() => ({ success: false }));
  if (!locked.success) return;
  try {
    const ran = await pair.sync("-Mode Remote -Remove");
    assertCode(ran, 1);
    const { FailureCount, HeldRemovals, UploadCount } = ran.result();
    assert.deepEqual([FailureCount, HeldRemovals, UploadCount], [1, 3, 1]);
    assert.match(ran.stderr, /held back/);
    assert.equal((await look(pair.remote))["old"], "o");
  } finally {
    await new Deno.Command("chattr", { args: ["-i", `${pair.remote}/dir`] }).output();
  }
  assertCode(await pair.sync("-Mode Remote -Remove"), 0);
  await assertSame(pair);
});
