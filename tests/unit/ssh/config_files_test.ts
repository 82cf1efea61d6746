import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import { configFiles, readFileIfPresent } from "../../../lib/ssh/config_files.ts";
import { loadKeyFiles } from "../../../lib/ssh/key_files.ts";

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

/** What is warned of while a file is read that the user named. */
async function warningsOf(path: string): Promise<readonly string[]> {
  const warnings: string[] = [];
  assert.equal(await configFiles(undefined, { warn: (message) => warnings.push(message) }).read(path), "Host *\n");
  return warnings;
}

Deno.test({
  name: "a configuration that the user named is read whatever its mode, with a warning where anybody may write it",
  ignore: isWindows,
  fn: () =>
    withConfig(async (path) => {
      await Deno.chmod(path, 0o664);
      assert.deepEqual(await warningsOf(path), []);
      await Deno.chmod(path, 0o666);
      assert.match((await warningsOf(path)).join(), /can be written by everyone/);
    }),
});

Deno.test({
  name: "a configuration that the user named and another user owns is read with a warning",
  ignore: isWindows || Deno.uid() !== 0,
  fn: () =>
    withConfig(async (path) => {
      await Deno.chown(path, 12345, 12345);
      assert.match((await warningsOf(path)).join(), /belongs to another user/);
    }),
});

Deno.test({
  name: "a pipe and a folder are refused before they are read, and the null device is an empty file",
  ignore: isWindows,
  fn: () =>
    withConfig(async (path) => {
      const pipe = `${path}.pipe`;
      assert.ok((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
      for (const one of [pipe, path.slice(0, path.lastIndexOf("/"))]) {
        await assert.rejects(readFileIfPresent(one), (error) => {
          return error instanceof SyncError && error.kind === "denied" && /no regular file/.test(error.message);
        });
        await refuses(one, /is no regular file/);
      }
      const sources = { explicit: pipe, configured: undefined, home: undefined };
      await assert.rejects(
        loadKeyFiles(sources, () => {}),
        /-SshPrivateKeyPath ".*pipe" cannot be used: it is no regular/,
      );
      const skipped = await loadKeyFiles({ ...sources, explicit: undefined, configured: [pipe] }, () => {});
      assert.deepEqual(skipped.skipped, [`key "${pipe}": it is no regular file`]);
      assert.equal(await readFileIfPresent("/dev/null"), "");
      assert.equal(await readFileIfPresent(`${path}.absent`), undefined);
    }),
});
