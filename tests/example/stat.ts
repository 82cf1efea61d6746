import type { DirEntry, FileEntry } from "../../lib/core/entry.ts";
import type { OperationContext, ResolvedPath } from "../../lib/core/operation.ts";
import type { RelPath } from "../../lib/core/path.ts";
import { type ExampleClient, malformed, readJson } from "./client.ts";

/** Returns the entry at the path; undefined if it is absent. */
export async function stat(client: ExampleClient, target: ResolvedPath): Promise<FileEntry | DirEntry | undefined> {
  const response = await client.send({ method: "GET", query: "stat", also: [404] }, target);
  if (response.status === 404) return void await response.discard();
  return parseStat(await readJson(response, target), target.path, target);
}

/** Parses what the server sends of one entry: { kind, size, modified, version }. Every field may be anything. */
export function parseStat(value: unknown, path: RelPath, context: OperationContext): FileEntry | DirEntry {
  if (!isRecord(value)) throw malformed(context);
  const { kind, size, modified, version } = value;
  if (kind === "dir") return { kind, path };
  if (kind !== "file" || !isCount(size) || !isCount(modified) || !isCount(version)) throw malformed(context);
  return { kind, path, size, modified, revision: String(version) };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
