import assert from "node:assert/strict";
import { pattern } from "../../support/content.ts";
import { serverTest } from "../../support/servers/install.ts";
import { writeManyFiles } from "../../support/trees/many_files.ts";
import {
  assertCode,
  assertSame,
  fill,
  leftoversOf,
  readFolder,
  setOldTime,
  startProxiedSftpPair,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";
import { openTestSftp } from "../../support/targets/sftp_target.ts";
import { toRelPath } from "../../../lib/core/path.ts";

const server = "sftp";

const ways = [
  { mode: "Remote", from: "local", to: "remote", direction: "up" },
  { mode: "Local", from: "remote", to: "local", direction: "down" },
] as const;

serverTest("Backend.read() of a file that became shorter rejects with changed", { server }, async () => {
  await using pair = await startSftpPair({ requestLog: false });
  await using backend = await openTestSftp(pair.sshd);
  const call = { signal: new AbortController().signal };
  for (const size of [1, 5000, 200_000]) {
    await Deno.writeFile(`${pair.remote}/file`, pattern(size));
    const expect = await backend.stat(toRelPath("file"), call);
    assert.ok(expect?.kind === "file");
    await Deno.truncate(`${pair.remote}/file`, Math.floor(size / 2));
    await assert.rejects(async () => await backend.read(expect.path, { ...call, expect }), { kind: "changed" });
  }
});

for (const { mode, from, to, direction } of ways) {
  serverTest(`Sync-Path -Mode ${mode} shows whole versions only while files vanish, change and appear under it`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    const many = writeManyFiles(pair[from], 1000);
    const names = Array.from(many.files.keys());
    const [vanishing, changing] = [names.slice(900), names.slice(800, 900)];
    const changed = new Map(changing.map((path, index) => [path, `changed ${index}`]));
    await fill(pair[to], { "obsolete": "o" });
    pair.proxy.after(100_000, () => {
      for (const path of vanishing) Deno.removeSync(`${pair[from]}/${path}`);
      for (const [path, text] of changed) Deno.writeTextFileSync(`${pair[from]}/${path}`, text);
      Deno.writeTextFileSync(`${pair[from]}/d1/appeared`, "new");
    }, direction);
    const ran = await pair.sync(`-Mode ${mode}`);
    assert.ok(ran.code === 0 || ran.code === 1, ran.stderr);
    const found = readFolder(pair[to]);
    assert.deepEqual(leftoversOf(found), []);
    for (const [path, bytes] of many.files) {
      const there = await Deno.readFile(`${pair[to]}/${path}`).catch(() => undefined);
      if (there === undefined) assert.ok(vanishing.includes(path) || changing.includes(path), `"${path}" is missing`);
      else if (new TextDecoder().decode(there) !== changed.get(path)) assert.deepEqual(there, bytes, path);
    }
    assertCode(await pair.sync(`-Mode ${mode} -Mirror -Remove -MaxRemove 100%`), 0);
    assertSame(pair);
  });

  serverTest(`Sync-Path -Mode ${mode} overwrites and removes nothing that somebody changes after it was listed`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    writeManyFiles(pair[from], 2000);
    await fill(pair[from], { "z/victim": "ours, newer" });
    await fill(pair[to], { "z/victim": "theirs, old", "z/obsolete": "old", "z/gone/in": "old" });
    await setOldTime(`${pair[to]}/z/victim`, 5);
    pair.proxy.after(50_000, () => {
      Deno.writeTextFileSync(`${pair[to]}/z/victim`, "theirs, written amid the run");
      Deno.writeTextFileSync(`${pair[to]}/z/obsolete`, "written amid the run");
      Deno.writeTextFileSync(`${pair[to]}/z/gone/appeared`, "made amid the run");
    }, direction);
    const ran = await pair.sync(`-Mode ${mode} -Remove -Mirror`);
    assertCode(ran, 1);
    const found = readFolder(pair[to]);
    assert.deepEqual(
      [found["z/victim"], found["z/obsolete"], found["z/gone/appeared"]],
      ["theirs, written amid the run", "written amid the run", "made amid the run"],
    );
    assert.deepEqual(leftoversOf(found), []);
    assert.ok(Number(ran.result().FailureCount) > 0);
  });

  serverTest(`Sync-Path -Mode ${mode}, killed amid replacing files, leaves each its whole old or new version`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    const many = writeManyFiles(pair[from], 1000);
    const old = new Map(
      Array.from(many.files, ([path], index) => [path, pattern(1 + (index * 91) % 3000, index + 9999)]),
    );
    await fill(pair[to], Object.fromEntries(old));
    for (const path of old.keys()) await setOldTime(`${pair[to]}/${path}`, 5);
    let replaced = 0;
    for (const share of [0.2, 0.4]) {
      const child = pair.start(`-Mode ${mode}`);
      pair.proxy.after(Math.floor(many.bytes * share), () => child.kill("SIGKILL"), direction);
      assert.equal((await child.output()).signal, "SIGKILL");
      replaced = 0;
      for (const [path, bytes] of many.files) {
        const there = await Deno.readFile(`${pair[to]}/${path}`);
        const before = old.get(path);
        assert.ok(
          [before, bytes].some((one) => one?.length === there.length && one.every((byte, at) => byte === there[at])),
          path,
        );
        if (there.length === bytes.length) replaced++;
      }
    }
    assert.ok(replaced > 0 && replaced < 1000, `${replaced}`);
    assertCode(await pair.sync(`-Mode ${mode}`), 0);
    assertSame(pair);
  });
}
