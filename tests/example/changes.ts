import type { DirEntry, Entry } from "../../lib/core/entry.ts";
import { operationError, type ResolvedPath } from "../../lib/core/operation.ts";
import { root } from "../../lib/core/path.ts";
import type { ExampleClient } from "./client.ts";
import { precondition } from "./write.ts";

/** Creates a folder, for the root its parents too. An existing one is not an error. */
export async function makeDir(client: ExampleClient, target: ResolvedPath): Promise<DirEntry> {
  const isMissing = target.path === root && target.serverPath !== "/";
  const response = await client.send({ method: "PUT", query: "dir", also: isMissing ? [404] : [] }, target);
  await response.discard();
  if (response.status === 404) {
    await makeDir(client, { ...target, serverPath: target.serverPath.replace(/\/[^/]*$/, "") || "/" });
    return await makeDir(client, target);
  }
  return { kind: "dir", path: target.path };
}

/** Removes a file or an empty folder if it still is the one in the entry. An absent entry is not an error. */
export async function removeEntry(client: ExampleClient, entry: Entry, target: ResolvedPath): Promise<void> {
  const isDir = entry.kind === "dir";
  const response = await client.send({
    method: "DELETE",
    ...(isDir ? { query: "dir" } : { headers: await precondition(client, target, { expect: entry }) }),
    also: [404, 409],
  }, target);
  await response.discard();
  if (response.status === 409) {
    throw operationError(target, "changed", { why: isDir ? "it is no empty folder" : "it is no longer this file" });
  }
}
