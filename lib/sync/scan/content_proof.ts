import type { Backend, Call, Proof } from "../../core/backend.ts";
import { endsAll, SyncError, toSyncError } from "../../core/errors.ts";
import { printable } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";

/** `shown`: a file of `prover`; `held`: the file of the other backend, `reader`, whose content may be the same. */
export interface Proving extends Call {
  readonly held: FileEntry;
  readonly prover: Backend;
  readonly reader: Backend;
}

/**
 * Reads the held file and returns its checksum, and whether the listing of the other backend proves that its file is
 * equal. Sends no request to that backend. Returns undefined if the listing contains no such proof, if the sizes
 * differ, and if the held file cannot be read. Rejects when its server is lost, or cancelled.
 */
export async function prove(
  shown: FileEntry,
  { held, prover, reader, signal }: Proving,
): Promise<ReturnType<Proof["result"]> | undefined> {
  if (shown.size !== held.size) return undefined;
  const proof = prover.proof?.(shown);
  if (proof === undefined) return undefined;
  try {
    await readWhole(held, reader, { signal, take: (bytes) => proof.take(bytes) });
  } catch (error) {
    const why = toSyncError(error, "checksum");
    if (signal.aborted || endsAll(why.kind)) throw why;
    return undefined;
  }
  return proof.result();
}

/**
 * Reads the content of the listed version in order. Rejects with changed if it is another version, and as read() does.
 */
export async function readWhole(
  entry: FileEntry,
  backend: Backend,
  { signal, take }: Call & { take(bytes: Uint8Array): void },
): Promise<void> {
  const content = await backend.read(entry.path, { signal, expect: entry });
  let bytes = 0;
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    bytes += chunk.length;
    take(chunk);
  }
  if (bytes === entry.size) return;
  const message = `"${printable(entry.path)}" gave ${bytes} bytes, ${entry.size} were listed`;
  throw new SyncError("changed", message, { operation: "checksum", path: entry.path });
}
