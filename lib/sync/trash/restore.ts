import { dirname, posix } from "node:path";
import type { Backend, CallOptions } from "../../core/backend.ts";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import { foldersAbove, makeParents } from "../common/parent_check.ts";
import { readKept, removeFromDisk, statKept } from "./disk.ts";
import { appendLine, findIndexes, readIndex } from "./index_file.ts";
import { depthOf, goneLine, toTrashPath, type TrashItem } from "./index.ts";
import { renameOnServer, statInTrash } from "./server.ts";

/**
 * Lists the kept versions of all pairs under a trash folder, the oldest first. `warn`: called about lines that are
 * refused.
 */
export async function listTrash(home: string, warn?: (message: string) => void): Promise<readonly TrashItem[]> {
  const all: TrashItem[] = [];
  for (const index of await findIndexes(home)) {
    const { items, refused } = await readIndex(index);
    all.push(...items);
    if (refused === 0) continue;
    const lines = refused === 1 ? "1 line" : `${refused} lines`;
    warn?.(
      `The list of the trash "${
        escapeForDisplay(home)
      }" contains ${lines} that no run wrote, in "${index.pair}.jsonl": ` +
        "what they name may be anywhere, and is not touched.",
    );
  }
  return all.sort((a, b) => a.when - b.when);
}

/** The options for an item of the trash. */
export interface ItemOptions extends CallOptions {
  /** The trash folder whose index contains the item. */
  readonly home: string;
  /** A connection to its server, for items that are not on this machine. */
  readonly server?: Backend;
}

/** Removes an item permanently. Rejects with connection if it is on a server without a connection. */
export async function clearItem(item: TrashItem, options: ItemOptions): Promise<void> {
  if (item.host === "server") {
    const server = await serverRootOf(item, options);
    const entry = await statInTrash(server, item.at, { ...options, depth: depthOf(item) });
    if (entry !== undefined) await server.remove(entry, options);
  } else await removeFromDisk(toTrashPath(item), { up: depthOf(item) });
  await recordRemoval(item, options);
}

/**
 * Restores an item to its old path below `target`, which must be free there. Rejects with exists if it is not, with
 * notFound if the kept file is gone, and with connection if it is on a server without a connection.
 */
export async function restoreItem(item: TrashItem, options: ItemOptions & { readonly target: Backend }): Promise<void> {
  const { target, signal } = options;
  await assertParents(target, item.path, options);
  const there = await target.stat(item.path, options);
  if (there !== undefined) {
    throw new SyncError(
      "exists",
      `"${escapeForDisplay(item.path)}" exists again: -Force moves that one to the trash.`,
      {
        operation: "restore",
        path: item.path,
      },
    );
  }
  await makeParents(target, item.path, options);
  if (item.host === "server") {
    const server = await serverRootOf(item, options);
    if (await statInTrash(server, item.at, { ...options, depth: depthOf(item) }) === undefined) throw goneError(item);
    await renameOnServer({ serverRoot: server }, {
      from: item.at,
      to: posix.join(target.root.path, item.path),
      signal,
    });
  } else {
    await restoreFromDisk(item, target, options);
    await removeFromDisk(toTrashPath(item), { up: depthOf(item) });
  }
  await recordRemoval(item, options);
}

/**
 * Verifies that a path below a root stays inside that root: rejects with refused if a folder on the way is a link,
 * which would lead elsewhere, or not a folder.
 */
export async function assertParents(target: Backend, path: RelPath, call: CallOptions): Promise<void> {
  for (const dir of foldersAbove(path)) {
    const entry = await target.stat(dir, call);
    if (entry === undefined) return;
    if (entry.kind === "dir") continue;
    const message = `"${escapeForDisplay(path)}" is not restored: "${
      escapeForDisplay(dir)
    }" is no folder but a ${entry.kind}; move it away first.`;
    throw new SyncError("refused", message, { operation: "restore", path });
  }
}

async function restoreFromDisk(item: TrashItem, target: Backend, { signal }: CallOptions): Promise<void> {
  const { path, modified } = item;
  const place = toTrashPath(item);
  const found = await statKept(place);
  if (found === undefined) throw goneError(item);
  if (found.target !== undefined) {
    if (target.makeLink === undefined) {
      throw new SyncError("unsupported", `${target.label} supports no links`, { operation: "restore", path });
    }
    await target.makeLink(path, found.target, { signal, expect: "absent" });
    return;
  }
  await target.write(path, (from, to) => readKept(place, from, to), {
    signal,
    size: found.size,
    expect: "absent",
    ...(modified === undefined ? {} : { modified }),
    ...(found.mode === null ? {} : { mode: found.mode & 0o777 }),
  });
}

function goneError({ at }: TrashItem): SyncError {
  return new SyncError("notFound", `"${escapeForDisplay(at)}" is gone, so it cannot be restored.`, {
    operation: "restore",
  });
}

async function recordRemoval({ id, pair }: TrashItem, { home }: ItemOptions): Promise<void> {
  await appendLine({ home, pair }, goneLine(id));
}

async function serverRootOf({ at, session }: TrashItem, { server, signal }: ItemOptions): Promise<Backend> {
  if (server !== undefined) return await server.withRoot("/", { signal });
  const message = `"${
    escapeForDisplay(dirname(at))
  }" is on ${session}: pipe a session to that server in, from New-Session.`;
  throw new SyncError("connection", message, { operation: "reach the trash" });
}
