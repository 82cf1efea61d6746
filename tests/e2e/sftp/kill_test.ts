import assert from "node:assert/strict";
import { pattern } from "../../support/content.ts";
import { tempTag } from "../../../lib/core/temp_name.ts";
import { serverTest } from "../../support/servers/install.ts";
import { countArrived, watchManyFiles, writeManyFiles } from "../../support/trees/many_files.ts";
import {
  assertCode,
  assertSame,
  fill,
  leftoversOf,
  type ProxiedSftpPair,
  readFolder,
  startProxiedSftpPair,
} from "../../support/targets/sftp_pair.ts";
import { runs } from "../../support/runs.ts";

const server = "sftp";
const MiB = 1 << 20;

/** Which side is written to, and which way the bytes flow. */
const ways = [
  { mode: "Remote", from: "local", to: "remote", direction: "up" },
  { mode: "Local", from: "remote", to: "local", direction: "down" },
] as const;

/** Starts a run and kills Deno itself, without a chance to clean up, once so many bytes have come through. */
async function kill(
  pair: ProxiedSftpPair,
  { words, after, direction }: {
    readonly words: string;
    readonly after: number;
    readonly direction: "up" | "down";
  },
): Promise<boolean> {
  const child = pair.start(words);
  pair.proxy.after(after, () => child.kill("SIGKILL"), direction);
  const { signal } = await child.output();
  return signal === "SIGKILL";
}

for (const { mode, from, to, direction } of ways) {
  serverTest(
    `Sync-Path -Mode ${mode}, killed at random moments amid 5,000 files, shows whole files only and is finished by the next run`,
    {
      server,
    },
    async () => {
      await using pair = await startProxiedSftpPair({ requestLog: false });
      const many = writeManyFiles(pair[from], 5000);
      const wanted = runs(5, 30);
      const arrivals: number[] = [];
      for (let kills = 0; kills < wanted; kills++) {
        if (kills % 5 === 0) {
          for (const { name } of Deno.readDirSync(pair[to])) {
            await Deno.remove(`${pair[to]}/${name}`, { recursive: true });
          }
          arrivals.push(0);
        }
        const left = many.bytes * (1 - (arrivals.at(-1) ?? 0) / many.files.size);
        const watch = watchManyFiles(pair[to], many);
        const after = Math.floor(20_000 + Math.random() * 0.5 * left);
        const killed = await kill(pair, { words: `-Mode ${mode}`, after, direction });
        assert.ok(killed, `not killed after ${after} bytes`);
        await watch.stop();
        const { arrived } = countArrived(pair[to], many);
        assert.ok(arrived >= (arrivals.at(-1) ?? 0), "what has arrived stays");
        arrivals.push(arrived);
      }
      assert.ok(arrivals.some((arrived) => arrived > 0 && arrived < many.files.size), arrivals.join());
      const watch = watchManyFiles(pair[to], many);
      const ran = await pair.sync(`-Mode ${mode}`);
      await watch.stop();
      assertCode(ran, 0);
      assert.deepEqual(countArrived(pair[to], many), { arrived: many.files.size, leftovers: [] });
      assert.equal((await pair.sync(`-Mode ${mode} -FailIfNothing`)).code, 6);
    },
  );

  serverTest(
    `Sync-Path -Mode ${mode}, killed amid a file of 64 MiB, goes on where it stopped`,
    { server },
    async () => {
      await using pair = await startProxiedSftpPair({ requestLog: false });
      await fill(pair[from], { "big": pattern(64 * MiB) });
      await fill(pair[to], { "big": "the old version" });
      assert.ok(await kill(pair, { words: `-Mode ${mode} -Mirror`, after: 56 * MiB, direction }));
      const between = readFolder(pair[to]);
      assert.equal(between["big"], "the old version");
      const leftovers = leftoversOf(between);
      assert.equal(new Set(leftovers.map(tempTag)).size, 1);
      // On a disk the codes lie beside it that prove what it holds.
      assert.equal(leftovers.length, mode === "Local" ? 2 : 1);
      const before = pair.proxy.sent + pair.proxy.received;
      assertCode(await pair.sync(`-Mode ${mode} -Mirror`), 0);
      const moved = pair.proxy.sent + pair.proxy.received - before;
      assert.ok(moved < 52 * MiB, `${moved} bytes were moved once more`);
      assertSame(pair);
    },
  );

  serverTest(`Sync-Path -Mode ${mode}, killed amid a file that changes before the next run, never mixes two versions`, {
    server,
  }, async () => {
    await using pair = await startProxiedSftpPair({ requestLog: false });
    const words = `-Mode ${mode} -Mirror`;
    await fill(pair[from], { "big": pattern(48 * MiB, 1) });
    assert.ok(await kill(pair, { words, after: 40 * MiB, direction }));
    assert.deepEqual(Object.keys(readFolder(pair[to])).filter((path) => path === "big"), []);
    // Of the same size, its end alike, its time another: only the name of the leftover tells it from the first.
    const changed = pattern(48 * MiB, 1);
    changed.set(pattern(4 * MiB, 2), 1 * MiB);
    await Deno.writeFile(`${pair[from]}/big`, changed);
    assertCode(await pair.sync(words), 0);
    assertSame(pair);
  });
}
