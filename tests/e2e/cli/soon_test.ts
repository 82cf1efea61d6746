import assert from "node:assert/strict";
import { chownAll, remoteServerKind } from "../../support/targets/remote_server.ts";
import { assertSame, makeRemotePair } from "../../support/targets/remote_pair.ts";
import { assertCode, type SftpPair, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { counts, type RunResult } from "../../support/tandem.ts";

interface Folders extends Pick<SftpPair, "local" | "remote" | "idle"> {
  sync(words: string): Promise<RunResult>;
}

/** Saves a file of three bytes on one side, so many ms after the whole second. */
async function save(folder: string, text: string, at: number): Promise<void> {
  await Deno.writeTextFile(`${folder}/f`, text);
  await Deno.utime(`${folder}/f`, at / 1000, at / 1000);
  await chownAll(folder);
}

/** Saves the file twice within two seconds, a run behind each: the second version of the same length has to arrive, too. */
async function saveTwice(
  pair: Folders,
  { words, side }: { readonly words: string; readonly side: "local" | "remote" },
): Promise<void> {
  // Ahead of the clock: no run, however slow, lists the first save so late that its time can be relied on.
  const second = Math.ceil(Date.now() / 1000) * 1000 + 60_000;
  await save(pair[side], "one", second + 100);
  assertCode(await pair.sync(words), 0);
  assertSame(pair);
  await save(pair[side], "two", second + 1700);
  const ran = await pair.sync(words);
  assertCode(ran, 0);
  assertSame(pair);
  assert.deepEqual(counts(ran), side === "local" ? [1, 0, 0, 0, 0] : [0, 1, 0, 0, 0]);
  assertCode(await pair.sync(words), 0);
  await pair.idle(words);
}

const ways = [
  { words: "-Mode Remote", side: "local" },
  { words: "-Mode Remote -Mirror", side: "local" },
  { words: "-Mode Local", side: "remote" },
  { words: "-Mode Both", side: "local" },
  { words: "-Mode Both -Remove", side: "remote" },
] as const;

for (const way of ways) {
  const what = `Sync-Path ${way.words} carries a save on the ${way.side} side that follows another within two seconds`;
  serverTest(`${what}: sftp`, { server: "sftp" }, async () => {
    await using pair = await startSftpPair();
    await saveTwice(pair, way);
  });
  for (const name of ["ftp vsftpd", "ftp pure-ftpd", "dav apache", "dav nginx"]) {
    const kind = remoteServerKind(name);
    serverTest(`${what}: ${name}`, { server: kind.server }, async () => {
      await using far = await kind.start();
      await using pair = await makeRemotePair(far);
      await saveTwice(pair, way);
    });
  }
}
