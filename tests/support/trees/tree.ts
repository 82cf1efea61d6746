import type { Backend } from "../../../lib/core/backend.ts";
import { openLocal } from "../../../lib/backends/local/mod.ts";
import { memory, type MemoryBackend } from "../../../lib/backends/memory/mod.ts";
import { parentOf, type RelPath, root, toRelPath } from "../../../lib/core/path.ts";
import { toSnapshot } from "../../../lib/sync/scan/snapshot.ts";
import type { Entry, FileEntry, OpaqueEntry, Snapshot } from "../../../lib/core/entry.ts";
import { collect, pattern, utf8 } from "../content.ts";
import type { MemoryDials } from "../../../lib/backends/memory/options.ts";

/** A file with facts: `text` or else `size` bytes that depend on the path alone. */
export type FileLiteral = Partial<Omit<FileEntry, "kind" | "path">> & { readonly text?: string };
export type NodeLiteral =
  | string
  | FileLiteral
  | { readonly link: string }
  | { readonly opaque: OpaqueEntry["cause"] };

/** Path → what is there. A path that ends in "/" is a folder; folders that hold something need not be named. */
export type TreeLiteral = Readonly<Record<string, NodeLiteral>>;

export interface Tree {
  readonly entries: readonly Entry[];
  snapshot(): Snapshot;
  memory(dials?: MemoryDials): MemoryBackend;
  /** Makes it in an existing folder of this machine's disk; opaque entries of cause special become pipes, others are refused. */
  disk(folder: string): Promise<void>;
}

/** The time of files whose literal tells none. */
export const usualTime = 1_700_000_000_000;

/** A tree as a literal: `tree({ "a.txt": "x", "dir/": {}, "dir/b": { size: 3, modified: 10 }, "l": { link: "a.txt" } })`. */
export function tree(literal: TreeLiteral): Tree {
  const nodes = Object.entries(literal).map(([path, node]) => toNode(path, node));
  const known = new Set(nodes.map(({ entry }) => entry.path));
  for (const { entry } of [...nodes]) {
    for (let dir = parentOf(entry.path); dir !== root && !known.has(dir); dir = parentOf(dir)) {
      known.add(dir);
      nodes.push({ entry: { kind: "dir", path: dir } });
    }
  }
  nodes.sort((a, b) => a.entry.path < b.entry.path ? -1 : 1);
  const entries = nodes.map(({ entry }) => entry);
  return {
    entries,
    snapshot: () => toSnapshot(entries),
    memory(dials) {
      const backend = memory(dials);
      for (const { entry, bytes } of nodes) backend.plant(entry, bytes);
      return backend;
    },
    async disk(folder) {
      for (const node of nodes) await makeOnDisk(`${folder}/${node.entry.path}`, node);
    },
  };
}

/** What a backend holds, as a literal: files as text, links, opaque entries, and the folders that hold nothing. */
export async function readTree(backend: Backend, options: { readonly times?: boolean } = {}): Promise<TreeLiteral> {
  const call = { signal: new AbortController().signal };
  const found: [string, NodeLiteral][] = [];
  const visit = async (dir: RelPath) => {
    const entries = await backend.list(dir, call);
    if (entries.length === 0 && dir !== root) found.push([`${dir}/`, {}]);
    for (const entry of entries) {
      if (entry.kind === "dir") await visit(entry.path);
      else if (entry.kind === "link") found.push([entry.path, { link: entry.target }]);
      else if (entry.kind === "opaque") found.push([entry.path, { opaque: entry.cause }]);
      else {
        const text = new TextDecoder().decode(await collect(await backend.read(entry.path, call)));
        const { modified } = entry;
        found.push([entry.path, options.times === true && modified !== undefined ? { text, modified } : text]);
      }
    }
  };
  await visit(root);
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}

/** What a folder of this machine's disk holds, as a literal. */
export async function readDisk(folder: string, options: { readonly times?: boolean } = {}): Promise<TreeLiteral> {
  await using backend = await openLocal(folder, { signal: new AbortController().signal });
  return await readTree(backend, options);
}

interface TreeNode {
  readonly entry: Entry;
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

function toNode(written: string, node: NodeLiteral): TreeNode {
  const path = toRelPath(written.replace(/\/$/, ""));
  if (written.endsWith("/")) return { entry: { kind: "dir", path } };
  if (typeof node === "string") return toNode(written, { text: node });
  if ("link" in node) return { entry: { kind: "link", path, target: node.link } };
  if ("opaque" in node) {
    return { entry: { kind: "opaque", path, cause: node.opaque, why: `planted as ${node.opaque}` } };
  }
  const { text, ...facts } = node as FileLiteral;
  const bytes = text === undefined ? pattern(facts.size ?? 0, path.length) : utf8(text);
  return { entry: { kind: "file", path, modified: usualTime, ...facts, size: bytes.length }, bytes };
}

async function makeOnDisk(at: string, { entry, bytes }: TreeNode): Promise<void> {
  switch (entry.kind) {
    case "dir":
      return await Deno.mkdir(at, { recursive: true });
    case "link":
      return await Deno.symlink(entry.target, at);
    case "opaque": {
      if (entry.cause !== "special") throw new Error(`no disk can be given "${entry.path}" of cause ${entry.cause}`);
      await new Deno.Command("mkfifo", { args: [at] }).output();
      return;
    }
    case "file": {
      await Deno.writeFile(at, bytes ?? new Uint8Array());
      const time = new Date(entry.modified ?? usualTime);
      await Deno.utime(at, time, time);
      if (entry.mode !== undefined) await Deno.chmod(at, entry.mode);
      return;
    }
    default:
      return entry satisfies never;
  }
}
