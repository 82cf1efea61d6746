import assert from "node:assert/strict";
import { age, assertCode, fill, look } from "../support/pair.ts";
import { counts, tandem } from "../support/tandem.ts";

/** A folder of a real bucket (gs://bucket/folder) in which this test may make and remove one of its own; TANDEM_GCS_ENDPOINT: another server. */
const address = Deno.env.get("TANDEM_GCS_URL");
const endpoint = Deno.env.get("TANDEM_GCS_ENDPOINT");

const tree = {
  "a.txt": "one",
  "empty": "",
  "big": "0123456789abcdef".repeat(1_000_000),
  "dir/deep/b.txt": "two",
  "dir/naïve & co? #1 100%.txt": "three",
};

Deno.test({
  name: "A real bucket (TANDEM_GCS_URL) is filled, left alone, read back, compared by hash, and emptied",
  ignore: address === undefined,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "tandem-gcs-" });
    const remote = `${address?.replace(/\/$/, "")}/tandem-${crypto.randomUUID()}`;
    const kept = ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST"];
    const env = Object.fromEntries(kept.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    }));
    const home = Deno.env.get("HOME") ?? dir;
    const sync = async (folder: string, ...words: readonly string[]) => {
      const login = endpoint === undefined ? [] : ["-Endpoint", endpoint];
      const ran = await tandem(["Sync-Path", folder, remote, "-Verbose", ...words, ...login], { home, env });
      assertCode(ran, 0);
      return counts(ran);
    };
    const [up, down, none] = [`${dir}/up`, `${dir}/down`, `${dir}/none`];
    try {
      await Deno.mkdir(none);
      await fill(up, tree);
      assert.deepEqual(await sync(up, "-Mode", "Remote"), [5, 0, 0, 0, 0]);
      assert.deepEqual(await sync(up, "-Mode", "Remote"), [0, 0, 0, 0, 0]);
      assert.deepEqual(await sync(down, "-Mode", "Local"), [0, 5, 0, 0, 0]);
      assert.deepEqual(look(down), look(up));
      assert.deepEqual(await sync(down, "-Mode", "Local"), [0, 0, 0, 0, 0]);
      await Deno.writeTextFile(`${up}/a.txt`, "eno");
      await age(`${up}/a.txt`);
      assert.deepEqual(await sync(up, "-Mode", "Remote", "-Criteria", "Checksum"), [1, 0, 0, 0, 0]);
      await Deno.remove(`${up}/big`);
      assert.deepEqual(await sync(up, "-Mode", "Remote", "-Remove"), [0, 0, 1, 0, 0]);
    } finally {
      await sync(none, "-Mode", "Remote", "-Remove", "-AllowEmptySource", "-MaxRemove", "100%");
      await Deno.remove(dir, { recursive: true });
    }
  },
});
