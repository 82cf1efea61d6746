import assert from "node:assert/strict";
import fs from "node:fs";
import { toRelPath } from "../../../../lib/core/path.ts";
import { type OpenedFolder, OpenFolders } from "../../../../lib/backends/local/open_folders.ts";

const options = { ignore: Deno.build.os !== "linux" };

/** Opens this folder of the disk again and again, and remembers the descriptors. */
function opener() {
  const fds: number[] = [];
  const open = (): Promise<OpenedFolder> => {
    const fd = fs.openSync(".", fs.constants.O_RDONLY);
    fds.push(fd);
    return Promise.resolve({ fd, path: "." });
  };
  const isOpen = (fd: number) => fs.existsSync(`/proc/self/fd/${fd}`);
  return { open, fds, isOpen };
}

Deno.test("OpenFolders opens a folder once for operations side by side and one after another", options, async () => {
  const { open, fds, isOpen } = opener();
  const folders = new OpenFolders();
  const [d, e] = [toRelPath("d"), toRelPath("e")];
  const [first, second, other] = [folders.take(d, open), folders.take(d, open), folders.take(e, open)];
  assert.deepEqual([first.isNew, second.isNew, other.isNew], [true, false, true]);
  assert.equal(await first.folder.opened, await second.folder.opened);
  for (const { folder } of [first, second]) folders.release(folder);
  const again = folders.take(d, open);
  assert.deepEqual([again.isNew, fds.length], [false, 2]);
  folders.release(again.folder);
  await other.folder.opened;
  folders.close();
  assert.deepEqual(fds.map(isOpen), [false, true], "a folder in use is closed too early");
  folders.release(other.folder);
  assert.deepEqual(fds.map(isOpen), [false, false]);
});

Deno.test("OpenFolders gives a forgotten folder to nobody else and closes it after its last use", options, async () => {
  const { open, fds, isOpen } = opener();
  const folders = new OpenFolders();
  const d = toRelPath("d");
  const [one, two] = [folders.take(d, open), folders.take(d, open)];
  await one.folder.opened;
  folders.forget(one.folder);
  const fresh = folders.take(d, open);
  assert.equal(fresh.isNew, true);
  await fresh.folder.opened;
  folders.release(one.folder);
  assert.deepEqual(fds.map(isOpen), [true, true]);
  folders.release(two.folder);
  assert.deepEqual(fds.map(isOpen), [false, true]);
  folders.release(fresh.folder);
  folders.close();
  assert.deepEqual(fds.map(isOpen), [false, false]);
});

Deno.test(
  "OpenFolders keeps 64 unused folders, the most recently used, and closes none that is in use",
  options,
  async () => {
    const { open, fds, isOpen } = opener();
    const folders = new OpenFolders();
    const names = ["kept", ...Array.from({ length: 70 }, (_, i) => `d${i}`)].map(toRelPath);
    // All are open before the first is released, so that no descriptor's number is used twice.
    const taken = names.map((name) => folders.take(name, open).folder);
    await Promise.all(taken.map((folder) => folder.opened));
    for (const folder of taken.slice(1)) folders.release(folder);
    assert.deepEqual([fds.filter(isOpen).length, isOpen(fds[0] ?? -1)], [65, true]);
    assert.deepEqual(fds.slice(1, 8).map(isOpen), [false, false, false, false, false, false, true]);
    for (const folder of taken.slice(0, 1)) folders.release(folder);
    folders.close();
    assert.equal(fds.filter(isOpen).length, 0);
  },
);

Deno.test("OpenFolders forgets a folder that could not be opened like any other", options, async () => {
  const folders = new OpenFolders();
  const { folder } = folders.take(toRelPath("d"), () => Promise.resolve(undefined));
  assert.equal(await folder.opened, undefined);
  folders.forget(folder);
  folders.release(folder);
  const { open } = opener();
  const next = folders.take(toRelPath("d"), open);
  assert.equal(next.isNew, true);
  await next.folder.opened;
  folders.release(next.folder);
  folders.close();
});
