import assert from "node:assert/strict";
import {
  GetObjectAclCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
} from "npm:@aws-sdk/client-s3@3.1169.0";
import { sharedServer } from "../../contract/shared.ts";
import { pattern } from "../../support/content.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { makeBucket } from "../../support/targets/s3_target.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { counts, tandem } from "../../support/tandem.ts";

const server = "s3";
const running = sharedServer(skipsServer(server), startS3Store);

serverTest("-CacheControl, -StorageClass and -Acl are what the object has then, in one part and in several", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "small.css": "x", "large.bin": pattern(6 << 20) });
  const asked = "-CacheControl max-age=3600 -StorageClass STANDARD -Acl public-read -PartSize 5 -RequesterPays";
  assertCode(await pair.sync(`-Mode Remote ${asked}`), 0);
  const { client, name } = running().bucket;
  for (const key of ["small.css", "large.bin"]) {
    const place = { Bucket: name, Key: pair.prefix + key };
    const made = await client.send(new HeadObjectCommand(place));
    assert.deepEqual([made.CacheControl, made.StorageClass ?? "STANDARD"], ["max-age=3600", "STANDARD"], key);
    const { Grants = [] } = await client.send(new GetObjectAclCommand(place));
    assert.ok(
      Grants.some(({ Grantee, Permission }) => /AllUsers/.test(Grantee?.URI ?? "") && Permission === "READ"),
      key,
    );
  }
  // A time that is mended keeps all of it.
  await Deno.utime(`${pair.local}/small.css`, 1_800_000_000, 1_800_000_000);
  assertCode(await pair.sync("-Mode Remote"), 0);
  const mended = await client.send(new HeadObjectCommand({ Bucket: name, Key: `${pair.prefix}small.css` }));
  assert.deepEqual([mended.CacheControl, mended.Metadata], ["max-age=3600", { mtime: "1800000000" }]);
});

for (
  const [words, message] of [
    ["-Acl everybody", /Acl.*private.*public-read/s],
    ["-ServerSideEncryption rot13", /ServerSideEncryption.*AES256.*aws:kms/s],
    ["-StorageClass a/b", /-StorageClass is one word/],
    ["-PartSize 4", /-PartSize must be at least 5 MiB/],
  ] as const
) {
  serverTest(`A wrong value ends in one sentence, exit 2, before anything is sent: ${words}`, { server }, async () => {
    await using pair = await startS3Pair(running());
    await fill(pair.local, { "a": "1" });
    const ran = await pair.sync(`-Mode Remote ${words}`);
    assertCode(ran, 2);
    assert.match(ran.stderr, message);
    assert.deepEqual(await pair.requests(), {});
  });
}

for (const words of ["-StorageClass NOPE", "-ServerSideEncryption aws:kms"]) {
  serverTest(`A store that does not take ${words} is quoted, with the suspect, and nothing is written`, {
    server,
  }, async () => {
    await using pair = await startS3Pair(running());
    await fill(pair.local, { "small": "1", "large": pattern(6 << 20) });
    const ran = await pair.sync(`-Mode Remote -PartSize 5 ${words}`);
    assertCode(ran, 1);
    const said = new RegExp(
      `Cannot write "(large|small)": the store says Invalid[A-Za-z]+; it may not accept ${words}$`,
      "gm",
    );
    assert.deepEqual(
      Array.from(ran.stderr.matchAll(said), ([, name]) => name).toSorted(),
      ["large", "small"],
      ran.stderr,
    );
    assert.deepEqual([await pair.objects(), await pair.unfinished()], [{}, []]);
  });
}

Deno.test("A storage class that Amazon does not have is exit 2, and nobody is asked", async () => {
  const dir = await Deno.makeTempDir({ prefix: "tandem-s3-class-" });
  const env = { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK", AWS_REGION: "eu-west-1" };
  const words = ["Sync-Path", dir, "s3://bucket/x", "-Mode", "Remote", "-StorageClass", "glacier"];
  const ran = await tandem(words, { home: dir, env });
  await Deno.remove(dir, { recursive: true });
  assertCode(ran, 2);
  assert.match(ran.stderr, /Amazon S3 has no storage class "glacier": -StorageClass takes STANDARD, /);
});

for (const isVersioned of [true, false]) {
  const what = isVersioned
    ? "are said once to stay where the bucket keeps versions"
    : "are gone without a word elsewhere";
  serverTest(`Objects that are removed ${what}`, { server }, async () => {
    using bucket = await makeBucket(running().server);
    if (isVersioned) {
      const VersioningConfiguration = { Status: "Enabled" as const };
      await bucket.client.send(new PutBucketVersioningCommand({ Bucket: bucket.name, VersioningConfiguration }));
    }
    await using pair = await startS3Pair({ ...running(), bucket });
    await fill(pair.local, { "a": "1", "b": "2", "d/c": "3" });
    const sentence =
      /keeps versions: a removed file stays there as an older version until a lifecycle rule deletes it/g;
    const up = await pair.sync("-Mode Remote");
    assertCode(up, 0);
    assert.equal(up.stderr.match(sentence), null);
    for (const name of ["a", "d/c"]) await Deno.remove(`${pair.local}/${name}`);
    const ran = await pair.sync("-Mode Remote -Remove");
    assertCode(ran, 0);
    assert.deepEqual(counts(ran), [0, 0, 2, 0, 0]);
    assert.equal(ran.stderr.match(sentence)?.length ?? 0, isVersioned ? 1 : 0, ran.stderr);
    assert.deepEqual(await pair.objects(), { "b": "2" });
    const { Versions = [], DeleteMarkers = [] } = await bucket.client.send(
      new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: pair.prefix }),
    );
    const kept = new Set(Versions.map(({ Key }) => Key));
    assert.deepEqual([kept.size, DeleteMarkers.length], isVersioned ? [3, 2] : [1, 0]);
    assertCode(await pair.sync("-Mode Remote -Remove -FailIfNothing"), 6);
  });
}
