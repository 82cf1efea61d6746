import assert from "node:assert/strict";
import { sharedServer } from "../../contract/shared.ts";
import { ensureServer, skipsServer } from "../../support/servers/install.ts";
import { type S3Pair, type S3Store, startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { counts } from "../../support/tandem.ts";

const ignore = ["s3", "rclone"].some((server) => skipsServer(server));
const running = sharedServer(ignore, startS3Store);
const files = Object.fromEntries([
  ...Array.from({ length: 20 }, (_, i) => [`d/${i}.txt`, `content ${i}`]),
  ["big", "0123456789abcdef".repeat(700_000)],
  ["empty", ""],
  ["ünï & 100%.txt", "x"],
]);

/** Runs rclone with the pair's bucket as "c:", and returns what it says. `remote`: "c:bucket/prefix" in place of "c:". */
async function rclone({ server, bucket }: S3Store, pair: S3Pair, words: readonly string[]) {
  const found = ensureServer("rclone");
  assert.ok("place" in found);
  const remote = `c:${bucket.name}/${pair.prefix.slice(0, -1)}`;
  const { code, stderr } = await new Deno.Command(`${found.place.root}/usr/bin/rclone`, {
    args: ["--config", `${pair.dir}/rclone.conf`, ...words.map((word) => word === "c:" ? remote : word)],
    env: {
      ...found.place.env,
      HOME: pair.dir,
      AWS_CA_BUNDLE: "",
      RCLONE_CONFIG_C_TYPE: "s3",
      RCLONE_CONFIG_C_PROVIDER: "Ceph",
      RCLONE_CONFIG_C_ENDPOINT: server.endpoint,
      RCLONE_CONFIG_C_ACCESS_KEY_ID: server.accessKey,
      RCLONE_CONFIG_C_SECRET_ACCESS_KEY: server.secretKey,
    },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.equal(code, 0, said);
  return said;
}

/** Gives files times with nanoseconds, which no program of this runtime can. */
async function stampNanoseconds(folder: string): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const time = `2024-01-02 03:04:${String(i).padStart(2, "0")}.${123_456_789 + i * 1001}`;
    await new Deno.Command("touch", { args: ["-d", time, `${folder}/d/${i}.txt`] }).output();
  }
}

Deno.test(
  { name: "rclone finds no difference after an upload, and no time that differs by a nanosecond", ignore },
  async () => {
    const store = running();
    await using pair = await startS3Pair(store);
    await fill(pair.local, files);
    await stampNanoseconds(pair.local);
    assertCode(await pair.sync("-Mode Remote"), 0);
    assert.match(await rclone(store, pair, ["check", pair.local, "c:"]), /\b0 differences found/);
    // A touch of the same content sets the time of the object alone.
    await new Deno.Command("touch", { args: ["-d", "2025-01-02 03:04:05.987654321", `${pair.local}/d/3.txt`] })
      .output();
    const touched = await pair.sync("-Mode Remote");
    assert.deepEqual([counts(touched), touched.result().TouchCount], [[0, 0, 0, 0, 0], 1], touched.stderr);
    const dry = ["sync", "--dry-run", "-v", pair.local, "c:"];
    const said = await rclone(store, pair, dry);
    assert.match(said, /There was nothing to transfer/);
    assert.doesNotMatch(said, /Skipped/);
  },
);

Deno.test(
  { name: "After an upload by rclone nothing differs, in any mode, and a download has its times", ignore },
  async () => {
    const store = running();
    await using pair = await startS3Pair(store);
    await fill(pair.local, files);
    await stampNanoseconds(pair.local);
    await rclone(store, pair, ["copy", pair.local, "c:"]);
    for (const words of ["-Mode Remote -Mirror -Remove", "-Mode Local -Mirror -Remove", "-Mode Both"]) {
      const ran = await pair.sync(words);
      assertCode(ran, 0);
      assert.deepEqual([counts(ran), ran.result().TouchCount], [[0, 0, 0, 0, 0], 0], words);
    }
    const other = `${pair.dir}/other`;
    await Deno.mkdir(other);
    assertCode(await pair.sync("-Mode Local", { local: other }), 0);
    const times = (folder: string) =>
      Object.keys(files).map((path) => Deno.statSync(`${folder}/${path}`).mtime?.getTime());
    assert.deepEqual(times(other), times(pair.local));
    assert.deepEqual(counts(await pair.sync("-Mode Remote -Mirror", { local: other })), [0, 0, 0, 0, 0]);
  },
);
