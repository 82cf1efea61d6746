import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { serverTest } from "../../support/servers/install.ts";
import { countArrived, writeManyFiles } from "../../support/trees/many_files.ts";
import { assertCode, readFolder, startSftpPair } from "../../support/targets/sftp_pair.ts";

const server = "sftp";
const MiB = 1 << 20;

serverTest("Sync-Path carries 5,000 small files up and down, each byte for byte", { server }, async () => {
  await using pair = await startSftpPair({ requestLog: false });
  const many = writeManyFiles(pair.local, 5000);
  const up = await pair.sync("-Mode Remote");
  assertCode(up, 0);
  assert.deepEqual([up.result().UploadCount, up.result().Bytes], [5000, many.bytes]);
  assert.deepEqual(countArrived(pair.remote, many), { arrived: 5000, leftovers: [] });
  empty(pair.local);
  const down = await pair.sync("-Mode Local");
  assertCode(down, 0);
  assert.deepEqual([down.result().DownloadCount, down.result().Bytes], [5000, many.bytes]);
  assert.deepEqual(countArrived(pair.local, many), { arrived: 5000, leftovers: [] });
  assert.equal((await pair.sync("-Mode Both -FailIfNothing")).code, 6);
});

serverTest("Sync-Path carries a file of 512 MiB up and down with the same SHA-256", { server }, async () => {
  await using pair = await startSftpPair({ requestLog: false });
  const wanted = await writeLarge(`${pair.local}/large`, 512);
  assertCode(await pair.sync("-Mode Remote"), 0);
  assert.equal(await hashOf(`${pair.remote}/large`), wanted);
  await Deno.remove(`${pair.local}/large`);
  assertCode(await pair.sync("-Mode Local"), 0);
  assert.equal(await hashOf(`${pair.local}/large`), wanted);
  for (const side of [pair.local, pair.remote]) {
    assert.deepEqual([...Deno.readDirSync(side)].map((e) => e.name), ["large"]);
  }
  assert.equal((await pair.sync("-Mode Both -FailIfNothing")).code, 6);
});

serverTest(
  "Sync-Path carries files of every size around the borders of a request and of a window",
  { server },
  async () => {
    await using pair = await startSftpPair({ requestLog: false });
    const borders = [1, 512, 32 * 1024, 64 * 1024, 255 * 1024, 256 * 1024, 261_120, MiB, 4 * MiB, 16 * MiB];
    const noise = randomBytes(17 * MiB);
    for (const border of borders) {
      for (const size of [border - 1, border, border + 1]) {
        await Deno.writeFile(`${pair.local}/${size}`, noise.subarray(size % 1000, size % 1000 + size));
      }
    }
    const files = readFolder(pair.local);
    assertCode(await pair.sync("-Mode Remote"), 0);
    assert.deepEqual(readFolder(pair.remote), files);
    empty(pair.local);
    assertCode(await pair.sync("-Mode Local"), 0);
    assert.deepEqual(readFolder(pair.local), files);
  },
);

/** The folder itself stays: a root that was there and is gone looks like a disk that is not mounted. */
function empty(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) Deno.removeSync(`${folder}/${name}`, { recursive: true });
}

/** Writes so many MiB that repeat nowhere; gives their hash. */
async function writeLarge(path: string, count: number): Promise<string> {
  const hash = createHash("sha256");
  const block = randomBytes(MiB);
  using file = await Deno.open(path, { write: true, createNew: true });
  for (let index = 0; index < count; index++) {
    block.writeUInt32BE(index, (index * 4099) % (MiB - 4));
    hash.update(block);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
  }
  return hash.digest("hex");
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of (await Deno.open(path)).readable) hash.update(bytes);
  return hash.digest("hex");
}
