import { root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { GcsClient, ObjectContext } from "./client.ts";
import { listFirst } from "./list.ts";
import { type GcsObject, toFileEntry } from "./object.ts";

/**
 * The entry at a key: an object is a file, and names that begin with "key/" make the key a folder. `object` of a file
 * only.
 */
export interface StatResult {
  readonly entry: Entry;
  readonly object?: GcsObject;
}

/** Returns the entry at a key; undefined if there is none. */
export async function stat(client: GcsClient, context: ObjectContext): Promise<StatResult | undefined> {
  // A root is usually a folder.
  if (context.path === root && await hasChildren(client, context)) return { entry: { kind: "dir", path: root } };
  const object = context.key === "" ? undefined : await client.getMetadata(context);
  if (object !== undefined) return { entry: toFileEntry(context.path, object), object };
  return context.path !== root && await hasChildren(client, context)
    ? { entry: { kind: "dir", path: context.path } }
    : undefined;
}

/** Whether names begin with "key/". A bucket that exists is a folder, also when it is empty. */
export async function hasChildren(client: GcsClient, context: ObjectContext): Promise<boolean> {
  const [first] = await listFirst(client, context, 1);
  return context.key === "" || first !== undefined;
}
