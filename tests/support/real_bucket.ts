import assert from "node:assert/strict";
import { assertCode, fill, readFolder, setOldTime } from "./targets/sftp_pair.ts";
import { counts, tandem } from "./tandem.ts";

/** Where a real bucket is, and what logs in there. */
export interface RealBucketOptions {
  /** The environment variable that names a folder of it, in which the test may make and remove one of its own. */
  readonly variable: string;
  /** Environment variables that the program may see, where they are set. */
  readonly env: readonly string[];
  /** More words of the command. */
  readonly words?: readonly string[];
}

const tree = {
  "a.txt": "one",
  "empty": "",
  // More than one part.
  "big": "0123456789abcdef".repeat(1_000_000),
  "dir/deep/b.txt": "two",
  "dir/naïve & co? #1 100%.txt": "three",
};

/** One test of all that a day brings, on a bucket that somebody has; skipped by name where nobody does. */
export function realBucketTest({ variable, env: names, words: login = [] }: RealBucketOptions): void {
  const address = Deno.env.get(variable);
  Deno.test({
    name: `A real bucket (${variable}) is filled, left alone, read back, compared by hash, and emptied`,
    ignore: address === undefined,
    async fn() {
      const dir = await Deno.makeTempDir({ prefix: "tandem-real-" });
      const remote = `${address?.replace(/\/$/, "")}/tandem-${crypto.randomUUID()}`;
      const env = Object.fromEntries(names.flatMap((name) => {
        const value = Deno.env.get(name);
        return value === undefined ? [] : [[name, value]];
      }));
      const home = Deno.env.get("HOME") ?? dir;
      const sync = async (folder: string, ...words: readonly string[]) => {
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
        assert.deepEqual(readFolder(down), readFolder(up));
        assert.deepEqual(await sync(down, "-Mode", "Local"), [0, 0, 0, 0, 0]);
        assert.deepEqual(await sync(down, "-Mode", "Local", "-Criteria", "Checksum"), [0, 0, 0, 0, 0]);
        await Deno.writeTextFile(`${up}/a.txt`, "eno");
        await setOldTime(`${up}/a.txt`);
        assert.deepEqual(await sync(up, "-Mode", "Remote", "-Criteria", "Checksum"), [1, 0, 0, 0, 0]);
        assert.deepEqual(await sync(down, "-Mode", "Both"), [0, 1, 0, 0, 0]);
        await Deno.remove(`${up}/big`);
        assert.deepEqual(await sync(up, "-Mode", "Remote", "-Remove"), [0, 0, 1, 0, 0]);
      } finally {
        await sync(none, "-Mode", "Remote", "-Remove", "-AllowEmptySource", "-MaxRemove", "100%");
        await Deno.remove(dir, { recursive: true });
      }
    },
  });
}
