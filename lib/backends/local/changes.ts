import fs from "node:fs";
import type { CallOptions, Precondition } from "../../core/backend.ts";
import type { DirEntry, Entry, LinkEntry } from "../../core/entry.ts";
import { nameOf, type RelPath, root } from "../../core/path.ts";
import { assertUnchanged, describeMismatch } from "../shared/preconditions.ts";
import { setMode as setModeOfFile } from "./disk.ts";
import { codeOf } from "./errors.ts";
import { isNotFound, type LocalRoot } from "./root.ts";
import { newTempPath } from "./write.ts";

/** Creates the folder; for the root also its parents. */
export async function makeDir(disk: LocalRoot, path: RelPath, call: CallOptions): Promise<DirEntry> {
  const operation = "make the folder";
  return await disk.runOperation(operation, path, async () => {
    disk.assertActive(operation, call);
    return await disk.withEntryPath(path, operation, async (full) => {
      const recursive = path === root;
      try {
        await disk.schedule(() => Deno.mkdirSync(full, { recursive }), () => Deno.mkdir(full, { recursive }));
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw error;
      }
      const made = await disk.stat(path, full);
      if (made?.kind === "dir") return made;
      throw disk.error("exists", "something that is not a folder exists there", { operation, path });
    });
  });
}

/** Removes a file, a link or an empty folder, if it is still the given entry. An absent one is not an error. */
export async function remove(disk: LocalRoot, entry: Entry, call: CallOptions): Promise<void> {
  const operation = "remove";
  const { path } = entry;
  await disk.runOperation(operation, path, async () => {
    disk.assertActive(operation, call);
    if (entry.kind === "opaque") throw disk.error("refused", entry.why, { operation, path });
    try {
      await disk.withEntryPath(path, operation, async (full) => {
        const found = await disk.stat(path, full);
        if (found === undefined) return;
        const why = describeMismatch(entry, found);
        if (why !== undefined) throw disk.error("changed", why, { operation, path });
        if (found.kind === "dir") await disk.schedule(() => fs.rmdirSync(full), () => fs.promises.rmdir(full));
        else await disk.schedule(() => fs.unlinkSync(full), () => fs.promises.unlink(full));
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  });
}

/** Renames an entry. The target is compared right before. */
export async function rename(
  disk: LocalRoot,
  { from, to }: { readonly from: RelPath; readonly to: RelPath },
  options: CallOptions & Precondition,
): Promise<void> {
  const operation = "rename";
  await disk.runOperation(operation, from, async () => {
    disk.assertActive(operation, options);
    await disk.withEntryPath(from, operation, (source) =>
      disk.withEntryPath(to, operation, async (target) => {
        const found = await disk.stat(to, target);
        assertUnchanged(options, found, { operation: "rename to", shown: disk.diskPathOf(to), backend: "file" });
        await disk.schedule(() => Deno.renameSync(source, target), () => Deno.rename(source, target));
      }));
  });
}

/** Sets the time of a regular file. */
export async function setModified(disk: LocalRoot, path: RelPath, modified: number, call: CallOptions): Promise<void> {
  const operation = "set the time of";
  await disk.withFilePath(path, { operation, ...call }, async (full) => {
    // For times before 1970, this call, the only one that does not follow links, accepts only whole seconds.
    const time = new Date(modified < 0 ? Math.floor(modified / 1000) * 1000 : modified);
    await disk.schedule(() => fs.lutimesSync(full, time, time), () => fs.promises.lutimes(full, time, time));
  });
}

/** Sets the rwx bits of a regular file. */
export async function setMode(disk: LocalRoot, path: RelPath, mode: number, call: CallOptions): Promise<void> {
  const operation = "set the mode of";
  const context = { operation, path, diskPath: disk.diskPathOf(path) };
  await disk.withFilePath(
    path,
    { operation, ...call },
    (full, info) => setModeOfFile({ diskPath: full, context }, { mode, info }),
  );
}

/** Creates a link; replaces a file or a link, never a folder. */
export async function makeLink(
  disk: LocalRoot,
  path: RelPath,
  target: string,
  options: CallOptions & Precondition,
): Promise<LinkEntry> {
  const operation = "make the link";
  return await disk.runOperation(operation, path, async () => {
    disk.assertActive(operation, options);
    return await disk.withEntryPath(path, operation, async (full) => {
      const found = await disk.stat(path, full);
      assertUnchanged(options, found, { operation, shown: disk.diskPathOf(path), backend: "file" });
      if (found?.kind === "dir" || found?.kind === "opaque") {
        throw disk.error("exists", "it is taken", { operation, path });
      }
      if (found === undefined) await Deno.symlink(target, full);
      else await replaceWithLink(path, full, target);
      return { kind: "link", path, target };
    });
  });
}

/** Flushes the names in the folders to the disk. An absent folder is not an error. */
export async function flush(disk: LocalRoot, dirs: readonly RelPath[], call: CallOptions): Promise<void> {
  for (const dir of dirs) {
    await disk.runOperation("flush", dir, async () => {
      disk.assertActive("flush", call);
      try {
        using held = await disk.hold(dir, "flush");
        using folder = await Deno.open(held.folder);
        await folder.sync();
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    });
  }
}

async function replaceWithLink(path: RelPath, full: string, target: string): Promise<void> {
  const temp = full.slice(0, -nameOf(path).length) + nameOf(newTempPath(path));
  await Deno.symlink(target, temp);
  await Deno.rename(temp, full);
}
