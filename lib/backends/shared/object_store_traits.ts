import type { Traits } from "../../core/backend.ts";

/**
 * Returns the traits that all object stores share: no folders of their own, atomic writes, keys of 1,024 bytes, times
 * as metadata.
 */
export function objectStoreTraits(connections: number): Traits {
  return {
    timeStep: 1,
    keepsNanoseconds: true,
    dirTimes: false,
    caseSensitive: true,
    normalizes: false,
    hasDirs: false,
    atomicWrite: true,
    atomicRename: false,
    maxConnections: connections,
    parallelFiles: connections,
    names: "posix",
    maxNameBytes: 1024,
    showsDots: true,
  };
}

/** Returns the warning for a store that sends neither ETag nor checksum with a content. */
export function uncheckedDownloadsWarning(label: string): string {
  return `${label} sends neither ETag nor checksum with its contents: only the sizes of downloads were compared.`;
}

/** Returns a function that runs the work on its first call only. */
export function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
