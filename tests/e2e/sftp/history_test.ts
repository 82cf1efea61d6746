import assert from "node:assert/strict";
import {
  assertCode,
  assertSame,
  fill,
  readFolder,
  type SftpPair,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { counts } from "../../support/tandem.ts";

const server = { server: "sftp" };
const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i % 3}/f${i}`, `content ${i}`]));

async function inStep(): Promise<SftpPair> {
  const pair = await startSftpPair();
  await fill(pair.local, files);
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  assertSame(pair);
  return pair;
}

serverTest("Sync-Path -Mode Both -Remove sends nothing for a touch over the whole tree", server, async () => {
  await using pair = await inStep();
  for (const path of Object.keys(files)) await Deno.utime(`${pair.local}/${path}`, 1_750_000_000, 1_750_000_000);
  const touched = await pair.sync("-Mode Both -Remove");
  assertCode(touched, 0);
  assert.deepEqual([counts(touched), touched.result().Bytes], [[0, 0, 0, 0, 0], 0], touched.stdout);
  assert.deepEqual(Object.keys(readFolder(pair.remote)).length, Object.keys(readFolder(pair.local)).length);
  await pair.idle("-Mode Both -Remove");
});

serverTest("Sync-Path -Mode Both -Remove without its state sends nothing, and takes nothing away", server, async () => {
  await using pair = await inStep();
  await Deno.remove(`${pair.local}/d0/f0`);
  await Deno.remove(pair.state, { recursive: true });
  const ran = await pair.sync("-Mode Both -Remove");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [0, 1, 0, 0, 0], ran.stdout);
  assertSame(pair);
});

serverTest(
  "Sync-Path -Mode Both -Remove goes by no history of another machine that shares the home",
  server,
  async () => {
    await using pair = await inStep();
    for await (const { name } of Deno.readDir(pair.state)) {
      if (name.startsWith("machine-id")) await Deno.remove(`${pair.state}/${name}`);
    }
    // The other machine's folder of the same name holds less.
    await Deno.remove(`${pair.local}/d0`, { recursive: true });
    const ran = await pair.sync("-Mode Both -Remove");
    assertCode(ran, 0);
    assert.deepEqual(counts(ran), [0, 10, 0, 0, 0], ran.stdout);
    assertSame(pair);
  },
);

serverTest("Sync-Path -Mode Both -Remove loses nothing to a root that cp -a brought back older", server, async () => {
  await using pair = await inStep();
  await fill(pair.local, { "d1/later": "written after the backup" });
  const backup = `${pair.sshd.dir}/backup`;
  await command("cp", "-a", pair.local, backup);
  await Deno.remove(`${backup}/d1/later`);
  await Deno.utime(`${backup}/d1`, 1_700_000_000, 1_700_000_000);
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  await Deno.remove(pair.local, { recursive: true });
  await command("cp", "-a", backup, pair.local);
  const ran = await pair.sync("-Mode Both -Remove");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [0, 1, 0, 0, 0], ran.stdout);
  assertSame(pair);
});

for (
  const [mode, source] of [["Remote", "local"], ["Local", "remote"], ["Both", "local"], ["Both", "remote"]] as const
) {
  for (const how of ["empty", "missing"] as const) {
    serverTest(`Sync-Path -Mode ${mode} -Remove refuses a ${source} root that is ${how}`, server, async () => {
      await using pair = await inStep();
      assertCode(await pair.sync(`-Mode ${mode}`), 0);
      const other = source === "local" ? pair.remote : pair.local;
      const before = readFolder(other);
      await Deno.remove(pair[source], { recursive: true });
      if (how === "empty") await Deno.mkdir(pair[source]);
      const ran = await pair.sync(`-Mode ${mode} -Remove`);
      // A local folder that a one-way run is to read, and that is not there, is a slip of the keyboard.
      assertCode(ran, how === "missing" && mode === "Remote" ? 2 : 3);
      assert.deepEqual(readFolder(other), before);
    });
  }
}

async function command(name: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args: [...args] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
