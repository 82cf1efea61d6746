import { dirname, join, posix } from "node:path";
import type { Backend, Call } from "../backends/backend.ts";
import { SyncError } from "../errors.ts";
import { parentOf, printable, type RelPath, root } from "../path.ts";
import { appendLine, findIndexes, lookAtKept, readIndex, readKept, removeFromDisk } from "./trash_disk.ts";
import { goneLine, type TrashItem } from "./trash_items.ts";
import { below, renameOnServer } from "./trash_server.ts";

/** What is kept of all pairs under a trash folder, the oldest first. */
export async function listTrash(home: string): Promise<readonly TrashItem[]> {
  const items: TrashItem[] = [];
  for (const index of await findIndexes(home)) items.push(...await readIndex(index));
  return items.sort((a, b) => a.when - b.when);
}

/** `home`: the trash folder whose index names the item; `server`: a connection to where it lies, for those that do not lie here. */
export interface ItemOptions extends Call {
  readonly home: string;
  readonly server?: Backend;
}

/** Removes an item for good. Rejects with connection where it lies on a server that is not at hand. */
export async function clearItem(item: TrashItem, options: ItemOptions): Promise<void> {
  if (item.host === "server") {
    const whole = await wholeOf(item, options);
    const entry = await whole.stat(below(item.at), options);
    if (entry !== undefined) await whole.remove(entry, options);
  } else await removeFromDisk(item.at, { up: depthOf(item) });
  await forget(item, options);
}

/**
 * Puts an item back under its old path below `target`, which must be free there. Rejects with exists where it is not, with notFound where
 * the kept file is gone, and with connection where it lies on a server that is not at hand.
 */
export async function restoreItem(item: TrashItem, options: ItemOptions & { readonly target: Backend }): Promise<void> {
  const { target, signal } = options;
  const there = await target.stat(item.path, options);
  if (there !== undefined) {
    throw new SyncError("exists", `"${printable(item.path)}" is there again: -Force puts that one into the trash.`, {
      operation: "restore",
      path: item.path,
    });
  }
  await makeParents(target, item.path, options);
  if (item.host === "server") {
    const whole = await wholeOf(item, options);
    await renameOnServer({ whole }, { from: item.at, to: posix.join(target.place.path, item.path), signal });
  } else {
    await writeBack(item, target, options);
    await removeFromDisk(item.at, { up: depthOf(item) });
  }
  await forget(item, options);
}

async function writeBack({ at, path, modified }: TrashItem, target: Backend, { signal }: Call): Promise<void> {
  const found = await lookAtKept(at);
  if (found === undefined) {
    throw new SyncError("notFound", `"${printable(at)}" is gone, so it cannot be restored.`, { operation: "restore" });
  }
  if (found.target !== undefined) {
    if (target.makeLink === undefined) {
      throw new SyncError("unsupported", `${target.label} has no links`, { operation: "restore", path });
    }
    await target.makeLink(path, found.target, { signal, expect: "absent" });
    return;
  }
  await target.write(path, (from, to) => readKept(at, from, to), {
    signal,
    size: found.size,
    expect: "absent",
    ...(modified === undefined ? {} : { modified }),
    ...(found.mode === null ? {} : { mode: found.mode & 0o777 }),
  });
}

/** How many folders above the kept file are its own: those of its path, the run's, the pair's. */
function depthOf({ path }: TrashItem): number {
  return path.split("/").length + 1;
}

async function forget({ id, pair }: TrashItem, { home }: ItemOptions): Promise<void> {
  await appendLine(join(home, `${pair}.jsonl`), goneLine(id));
}

async function makeParents(backend: Backend, path: RelPath, call: Call): Promise<void> {
  const missing: RelPath[] = [];
  for (let dir = parentOf(path); dir !== root; dir = parentOf(dir)) missing.unshift(dir);
  for (const dir of missing) await backend.makeDir(dir, call);
}

async function wholeOf({ at, session }: TrashItem, { server, signal }: ItemOptions): Promise<Backend> {
  if (server !== undefined) return await server.at("/", { signal });
  const message = `"${printable(dirname(at))}" lies on ${session}: pipe a session to it in, from New-Session.`;
  throw new SyncError("connection", message, { operation: "reach the trash" });
}
