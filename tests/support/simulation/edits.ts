import type { Backend } from "../../../lib/core/backend.ts";
import { foldPath, nameOf, parentOf, type RelPath, root } from "../../../lib/core/path.ts";
import type { Entry } from "../../../lib/core/entry.ts";
import { collect, utf8, wholeBody } from "../content.ts";

/** One thing that a user does on one side. `at`: ms since the epoch, what the written file's time is then. */
export type UserEdit =
  | { readonly edit: "write"; readonly path: string; readonly content: string; readonly at: number }
  | { readonly edit: "makeDir"; readonly path: string }
  | { readonly edit: "delete"; readonly path: string }
  | { readonly edit: "touch"; readonly path: string; readonly at: number }
  | { readonly edit: "rename"; readonly path: string; readonly to: string };

/** Path → content; null for a folder. */
export type Contents = ReadonlyMap<string, string | null>;

const everyFold = { caseSensitive: false, normalizes: true };
const call = { signal: new AbortController().signal };

/** Everything below the root but what Tandem put there for itself, or that as well. */
export async function contentsOf(backend: Backend, options: { readonly own: boolean }): Promise<Contents> {
  const found = new Map<string, string | null>();
  const visit = async (dir: RelPath) => {
    for (const entry of await backend.list(dir, call)) {
      if (!options.own && nameOf(entry.path).includes(".tandem-")) continue;
      if (entry.kind === "dir") {
        found.set(entry.path, null);
        await visit(entry.path);
      } else if (entry.kind === "link") {
        if (options.own) found.set(entry.path, `-> ${entry.target}`);
      } else found.set(entry.path, await textAt(backend, entry.path));
    }
  };
  await visit(root);
  return found;
}

/** A file's content. */
export async function textAt(backend: Backend, path: RelPath): Promise<string> {
  return new TextDecoder().decode(await collect(await backend.read(path, call)));
}

/** Contents by path: those that the user overwrote or deleted, and those that lie under a name for which the user chose them. */
export interface EditResult {
  readonly lost: Map<string, string>;
  readonly made: Map<string, string>;
}

/** Does it as a user's programs would: what stands in the way is replaced. */
export async function applyEdit(backend: Backend, edit: UserEdit): Promise<EditResult> {
  const lost = new Map<string, string>();
  const made = new Map<string, string>();
  const path = edit.path as RelPath;
  const found = await backend.stat(path, call);
  switch (edit.edit) {
    case "delete":
      await clear(backend, found, lost);
      break;
    case "makeDir":
      if (found?.kind === "dir") break;
      await clear(backend, found, lost);
      await makeParents(backend, path, lost);
      await backend.makeDir(path, call);
      break;
    case "touch":
      if (found?.kind === "file") await backend.setModified?.(path, edit.at, call);
      break;
    case "write":
      if (found?.kind === "file") lost.set(found.path, await textAt(backend, path));
      else await clear(backend, found, lost);
      await makeParents(backend, path, lost);
      await backend.write(path, wholeBody(edit.content), {
        ...call,
        size: utf8(edit.content).length,
        modified: edit.at,
      });
      made.set(path, edit.content);
      break;
    case "rename":
      await rename(backend, { from: path, to: edit.to as RelPath, found }, { lost, made });
      break;
    default:
      edit satisfies never;
  }
  return { lost, made };
}

interface Renaming {
  readonly from: RelPath;
  readonly to: RelPath;
  readonly found: Entry | undefined;
}

async function rename(backend: Backend, { from, to, found }: Renaming, { lost, made }: EditResult): Promise<void> {
  const [old, new_] = [`${foldPath(from, everyFold)}/`, `${foldPath(to, everyFold)}/`];
  const apart = !new_.startsWith(old) && !old.startsWith(new_);
  if (found === undefined || !apart || backend.rename === undefined) return;
  const there = await backend.stat(to, call);
  if (there?.path === found.path) return;
  await clear(backend, there, lost);
  await makeParents(backend, to, lost);
  if (await backend.stat(from, call) === undefined) return;
  for (const [path, content] of await filesBelow(backend, found)) {
    lost.set(path, content);
    made.set(to + path.slice(from.length), content);
  }
  await backend.rename(from, to, call);
}

async function clear(backend: Backend, entry: Entry | undefined, lost: Map<string, string>): Promise<void> {
  if (entry === undefined) return;
  if (entry.kind === "dir") {
    for (const child of await backend.list(entry.path, call)) await clear(backend, child, lost);
  } else lost.set(entry.path, await textAt(backend, entry.path));
  const now = await backend.stat(entry.path, call);
  if (now !== undefined) await backend.remove(now, call);
}

async function makeParents(backend: Backend, path: RelPath, lost: Map<string, string>): Promise<void> {
  const dir = parentOf(path);
  if (dir === root) return;
  await makeParents(backend, dir, lost);
  const found = await backend.stat(dir, call);
  if (found?.kind === "dir") return;
  await clear(backend, found, lost);
  await backend.makeDir(dir, call);
}

async function filesBelow(backend: Backend, entry: Entry): Promise<ReadonlyMap<string, string>> {
  if (entry.kind !== "dir") return new Map([[entry.path, await textAt(backend, entry.path)]]);
  const found = new Map<string, string>();
  for (const child of await backend.list(entry.path, call)) {
    for (const [path, content] of await filesBelow(backend, child)) found.set(path, content);
  }
  return found;
}
