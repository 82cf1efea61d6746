import type { FileEntry } from "../../lib/core/entry.ts";
import type { Body, Precondition, WriteOptions } from "../../lib/core/backend.ts";
import { operationError, type ResolvedPath } from "../../lib/core/operation.ts";
import { assertUnchanged } from "../../lib/backends/shared/preconditions.ts";
import { type ExampleClient, malformed, readJson } from "./client.ts";
import { parseStat, stat } from "./stat.ts";

/** Writes a file by one PUT: the server replaces it when the last byte has arrived, and not at all if some are missing. */
export async function writeFile(
  client: ExampleClient,
  target: ResolvedPath,
  { body, ...options }: WriteOptions & { readonly body: Body },
): Promise<FileEntry> {
  const { size, modified = Date.now(), onBytes } = options;
  const response = await client.send({
    method: "PUT",
    query: `modified=${Math.max(0, Math.floor(modified))}`,
    headers: await precondition(client, target, options),
    body: { size, open: body, ...(onBytes === undefined ? {} : { onBytes }) },
  }, target);
  const written = parseStat(await readJson(response, target), target.path, target);
  if (written.kind !== "file") throw malformed(target);
  // A success does not say how much was kept: a full or faulty server may have stored less.
  if (written.size !== size) {
    throw operationError(target, "changed", {
      why: `the server holds ${written.size} bytes after ${size} were written`,
    });
  }
  return written;
}

/** Returns the headers by which the server itself checks that the entry is still the expected one. */
export async function precondition(
  client: ExampleClient,
  target: ResolvedPath,
  { expect }: Precondition,
): Promise<Readonly<Record<string, string>>> {
  if (expect === undefined) return {};
  if (expect === "absent") return { "if-none-match": "*" };
  if (expect.kind === "file" && expect.revision !== undefined) return { "if-match": expect.revision };
  const found = await stat(client, target);
  assertUnchanged({ expect }, found, { ...target, shown: target.path, backend: "example" });
  return found?.kind === "file" && found.revision !== undefined ? { "if-match": found.revision } : {};
}
