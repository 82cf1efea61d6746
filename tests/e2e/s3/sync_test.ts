import assert from "node:assert/strict";
import { HeadObjectCommand } from "npm:@aws-sdk/client-s3@3.1169.0";
import { sharedServer } from "../../contract/shared.ts";
import { assertCode, fill, readFolder } from "../../support/targets/sftp_pair.ts";
import { type S3Pair, startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { counts } from "../../support/tandem.ts";

const server = "s3";
const running = sharedServer(skipsServer(server), startS3Store);
const tree = { "a.html": "one", "empty": "", "dir/deep/b.txt": "two", "dir/\u00e4 +&%.txt": "three" };
const LONG_AGO = 1_700_000_000_000;

/** Writes a file as if a minute ago: a time of right now is looked at once more by the next run. */
async function edit(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  const then = Date.now() / 1000 - 60;
  await Deno.utime(path, then, then);
}

/** The prefix as a folder would look. */
async function folderOf(pair: S3Pair): Promise<Readonly<Record<string, string>>> {
  return { ...await pair.objects(), "dir/": "", "dir/deep/": "" };
}

/** A run that finds nothing to do asks for listings alone. */
async function assertIdle(pair: S3Pair, words: string): Promise<void> {
  await pair.requests();
  const ran = await pair.sync(`${words} -FailIfNothing`);
  assertCode(ran, 6);
  assert.deepEqual(Object.keys(await pair.requests()), ["GET"]);
}

serverTest("Sync-Path -Mode Remote fills a prefix, and then asks for its listing alone", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, tree);
  assertCode(await pair.sync("-Mode Remote"), 0);
  assert.deepEqual(await pair.objects(), { ...tree, "dir/\u00e4 +&%.txt": "three" });
  const { client, name } = running().bucket;
  const made = await client.send(new HeadObjectCommand({ Bucket: name, Key: `${pair.prefix}a.html` }));
  assert.deepEqual([made.ContentType, made.Metadata], ["text/html; charset=utf-8", { mtime: "1700000000" }]);
  await assertIdle(pair, "-Mode Remote");
  await assertIdle(pair, "-Mode Remote -Mirror -Remove");
  await assertIdle(pair, "-Mode Both -Remove");
});

serverTest("Sync-Path -Mode Local brings content and times to a new machine, without a look at each object", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, tree);
  assertCode(await pair.sync("-Mode Remote"), 0);
  const elsewhere = `${pair.dir}/elsewhere`;
  const there = { local: elsewhere, home: `${pair.dir}/other` };
  await Deno.mkdir(there.home);
  await pair.requests();
  const ran = await pair.sync("-Mode Local", there);
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [0, 4, 0, 0, 0]);
  assert.deepEqual(readFolder(elsewhere), readFolder(pair.local));
  assert.equal((await Deno.stat(`${elsewhere}/dir/deep/b.txt`)).mtime?.getTime(), LONG_AGO);
  assert.equal((await pair.requests())["HEAD"] ?? 0, 0);
  assertCode(await pair.sync("-Mode Local -FailIfNothing", there), 6);
  assert.equal((await pair.requests())["HEAD"] ?? 0, 0);
});

for (const mode of ["Remote", "Local", "Both"]) {
  serverTest(
    `Sync-Path -Mode ${mode} meets an equal prefix for the first time: ETags prove it, no object is asked for`,
    { server },
    async () => {
      await using pair = await startS3Pair(running());
      await fill(pair.local, tree);
      // Times that no object tells, and times that are another's: neither is asked for.
      for (const [key, text] of Object.entries(tree)) await pair.put(key, text, { metadata: { mtime: "1500000000" } });
      await pair.put("dir/deep/b.txt", "two");
      await pair.requests();
      const ran = await pair.sync(`-Mode ${mode}`);
      assertCode(ran, 0);
      assert.deepEqual(counts(ran), [0, 0, 0, 0, 0]);
      assert.deepEqual(Object.keys(await pair.requests()), ["GET"]);
      assert.deepEqual(readFolder(pair.local), await folderOf(pair));
      await assertIdle(pair, `-Mode ${mode}`);
      // It is history now that tells an edit from a deletion, and an old file from a new one.
      await edit(`${pair.local}/a.html`, "edited here");
      await pair.put("empty", "edited there", { metadata: { mtime: String(Date.now() / 1000 - 40) } });
      assertCode(await pair.sync("-Mode Both -Remove"), 0);
      assert.equal((await pair.objects())["a.html"], "edited here");
      assert.equal(await Deno.readTextFile(`${pair.local}/empty`), "edited there");
    },
  );
}

serverTest("Sync-Path asks for the times of files at the first contact whose contents differ, or are large", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  const large = "x".repeat((1 << 20) + 1);
  await fill(pair.local, { "same": "12345", "newer": "12345", "older": "12345", "large": large });
  const written = { metadata: { mtime: "1700000000" } };
  await pair.put("same", "12345", written);
  await pair.put("large", large, written);
  await pair.put("newer", "54321", { metadata: { mtime: "1600000000" } });
  await pair.put("older", "54321", { metadata: { mtime: "1800000000" } });
  await pair.requests();
  const ran = await pair.sync("-Mode Remote -WhatIf");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [1, 0, 0, 0, 0]);
  const { HEAD = 0 } = await pair.requests();
  // Three looks for times, one or two for what a copy of equal size would be spared by.
  assert.ok(HEAD >= 3 && HEAD <= 5, `${HEAD} objects were looked at`);
});

serverTest(
  "Sync-Path meets a prefix of its own for the first time: nothing is asked for, nothing moves, and it is remembered",
  {
    server,
  },
  async () => {
    await using pair = await startS3Pair(running());
    await fill(pair.local, tree);
    assertCode(await pair.sync("-Mode Remote"), 0);
    const home = `${pair.dir}/second`;
    await Deno.mkdir(home);
    await pair.requests();
    assertCode(await pair.sync("-Mode Remote -FailIfNothing", { home }), 6);
    assert.deepEqual(Object.keys(await pair.requests()), ["GET"]);
    assertCode(await pair.sync("-Mode Remote -FailIfNothing", { home }), 6);
    assert.deepEqual(Object.keys(await pair.requests()), ["GET"]);
  },
);

serverTest("Sync-Path -Mode Both carries edits and deletions both ways, and keeps what loses", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "mine": "1", "theirs": "1", "gone": "1", "lost": "1", "both": "1" });
  assertCode(await pair.sync("-Mode Both"), 0);
  await edit(`${pair.local}/mine`, "edited here");
  await edit(`${pair.local}/new`, "from here");
  await Deno.remove(`${pair.local}/gone`);
  await pair.put("theirs", "edited there", { metadata: { mtime: String(Date.now() / 1000 - 50) } });
  await pair.put("d/new", "from there", { metadata: { mtime: "1700000000" } });
  await edit(`${pair.local}/both`, "edited here, older");
  await pair.put("both", "edited there, newer", { metadata: { mtime: String(Date.now() / 1000 - 40) } });
  const ran = await pair.sync("-Mode Both -Remove");
  assertCode(ran, 0);
  const expected = {
    "mine": "edited here",
    "theirs": "edited there",
    "new": "from here",
    "d/new": "from there",
    "lost": "1",
    "both": "edited there, newer",
  };
  assert.deepEqual(await pair.objects(), expected);
  assert.deepEqual(readFolder(pair.local), { ...expected, "d/": "" });
  const kept = Object.values(readFolder(`${pair.dir}/home`));
  assert.ok(kept.includes("edited here, older"), "the loser is kept");
  await assertIdle(pair, "-Mode Both -Remove");
});

serverTest("Sync-Path -Remove removes what the source lacks, in both directions", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1", "d/b": "2", "d/c": "3" });
  assertCode(await pair.sync("-Mode Remote"), 0);
  await Deno.remove(`${pair.local}/d`, { recursive: true });
  assertCode(await pair.sync("-Mode Remote -Remove -MaxRemove 5"), 0);
  assert.deepEqual(await pair.objects(), { "a": "1" });
  await fill(pair.local, { "extra": "x", "e/f": "x" });
  assertCode(await pair.sync("-Mode Local -Remove -MaxRemove 5"), 0);
  assert.deepEqual(readFolder(pair.local), { "a": "1" });
});

serverTest("Sync-Path -WhatIf changes nothing in a bucket", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, tree);
  await pair.put("old", "x");
  await pair.requests();
  assertCode(await pair.sync("-Mode Remote -Remove -WhatIf"), 0);
  assert.equal((await pair.requests())["PUT"] ?? 0, 0);
  assert.deepEqual(await pair.objects(), { "old": "x" });
});

serverTest(
  "NM-10 SE-09 SE-22 keys that are no paths are named, keep the run from success, and are neither fetched nor removed",
  {
    server,
  },
  async () => {
    await using pair = await startS3Pair(running());
    const odd = ["a//b", "/a", "w/", "a/./b", "a/../b", "../../../../tmp/x", "d/..", "line\nbreak", "\u0001"];
    for (const key of odd) await pair.put(key, "evil");
    await pair.put("good", "fine");
    const ran = await pair.sync("-Mode Local");
    assertCode(ran, 1);
    assert.deepEqual(Object.entries(readFolder(pair.local)).filter(([, text]) => text !== ""), [["good", "fine"]]);
    const named = JSON.stringify(ran.result()["Failures"]);
    for (const part of ["a/\u2215b", "\u2215a", "w/(empty)", "a/.\u2215b", "a/..\u2215b", "d/..", "u000ab"]) {
      assert.ok(named.includes(part) || ran.stdout.includes(part), `${part} is not named: ${named}`);
    }
    assert.equal(await pair.sync("-Mode Remote -Remove -Mirror -Force").then(({ code }) => code), 1);
    assert.equal(Object.values(await pair.objects()).filter((text) => text === "evil").length, odd.length);
  },
);

serverTest("NM-11 an object beside a folder of its name is reported, and neither is touched", { server }, async () => {
  await using pair = await startS3Pair(running());
  await pair.put("a", "file");
  await pair.put("a/b", "below");
  await pair.put("c", "fine");
  assertCode(await pair.sync("-Mode Local"), 1);
  assert.deepEqual(readFolder(pair.local), { "c": "fine" });
  assertCode(await pair.sync("-Mode Remote -Remove -Mirror -Force"), 1);
  assert.deepEqual(await pair.objects(), { "a": "file", "a/b": "below", "c": "fine" });
});

serverTest("TM-07 an overwrite by a client that writes no times is seen, its missing time alone is no change", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "same": "12345", "other": "12345" });
  assertCode(await pair.sync("-Mode Both"), 0);
  await pair.put("same", "12345");
  await pair.put("other", "54321");
  const ran = await pair.sync("-Mode Both");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [0, 1, 0, 0, 0]);
  assert.deepEqual(readFolder(pair.local), { "other": "54321", "same": "12345" });
});

serverTest("Sync-Path -Criteria Checksum compares by ETags, without reading an object", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "same": "12345", "other": "12345" });
  await pair.put("same", "12345");
  await pair.put("other", "54321");
  const ran = await pair.sync("-Mode Remote -Criteria Checksum -NoReadBack");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [1, 0, 0, 0, 0]);
  assert.deepEqual(await pair.objects(), { "same": "12345", "other": "12345" });
});
