import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { configFiles } from "../../../lib/ssh/config_files.ts";

const isWindows = Deno.build.os === "windows";

/** A configuration of this user's, mode 0644. */
async function withConfig(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-ssh-config-" });
  try {
    const path = `${folder}/config`;
    await Deno.writeTextFile(path, "Host *\n");
    await Deno.chmod(path, 0o644);
    await work(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const read = (path: string) => configFiles(undefined).read(path);

async function refuses(path: string, why: RegExp): Promise<void> {
  await assert.rejects(Promise.resolve(read(path)), (error) => {
    return error instanceof SyncError && error.kind === "badInput" && why.test(error.message);
  });
}

Deno.test({
  name: "a configuration of ssh that others can write is refused, one that they can read is not",
  ignore: isWindows,
  fn: () =>
    withConfig(async (path) => {
      assert.equal(await read(path), "Host *\n");
      for (const mode of [0o664, 0o646]) {
        await Deno.chmod(path, mode);
        await refuses(path, /can be written by others/);
      }
    }),
});

Deno.test({
  name: "a configuration of ssh that belongs to another user is refused",
  ignore: isWindows || Deno.uid() !== 0,
  fn: () =>
    withConfig(async (path) => {
      await Deno.chown(path, 12345, 12345);
      await refuses(path, /belongs to another user/);
    }),
});
