import type { Backend, CallOptions, EqualityProof } from "../../core/backend.ts";
import { isFatal, SyncError, toSyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";

/** `counterpart`: the file of the other backend, `reader`, whose content may be that of the listed file of `prover`. */
export interface ProofOptions extends CallOptions {
  readonly counterpart: FileEntry;
  readonly prover: Backend;
  readonly reader: Backend;
}

/**
 * Reads the counterpart and returns its checksum, and whether the listing of the other backend proves that its file is
 * equal. Sends no request to that backend. Returns undefined if the listing contains no such proof, if the sizes
 * differ, and if the counterpart cannot be read. Rejects when its server is lost, or cancelled.
 */
export async function proveByListing(
  shown: FileEntry,
  { counterpart: held, prover, reader, signal }: ProofOptions,
): Promise<ReturnType<EqualityProof["result"]> | undefined> {
  if (shown.size !== held.size) return undefined;
  const proof = prover.equalityProof?.(shown);
  if (proof === undefined) return undefined;
  try {
    await readVersion(held, reader, { signal, take: (bytes) => proof.take(bytes) });
  } catch (error) {
    const why = toSyncError(error, "checksum");
    if (signal.aborted || isFatal(why.kind)) throw why;
    return undefined;
  }
  return proof.result();
}

/**
 * Reads the content of the listed version in order. Rejects with changed if it is another version, and as read() does.
 */
export async function readVersion(
  entry: FileEntry,
  backend: Backend,
  { signal, take }: CallOptions & { take(bytes: Uint8Array): void },
): Promise<void> {
  const content = await backend.read(entry.path, { signal, expect: entry });
  let bytes = 0;
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    bytes += chunk.length;
    take(chunk);
  }
  if (bytes === entry.size) return;
  const message = `"${escapeForDisplay(entry.path)}" has ${bytes} bytes, but ${entry.size} were listed; run again`;
  throw new SyncError("changed", message, { operation: "checksum", path: entry.path });
}
