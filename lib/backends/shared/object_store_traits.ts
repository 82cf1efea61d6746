import type { Traits } from "../../core/backend.ts";

/** What object stores have in common: no folders of their own, every write in one step, keys of 1,024 bytes, times as metadata. */
export function storeTraits(connections: number): Traits {
  return {
    timeStep: 1,
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

/** What is said of a store that tells neither version nor checksum with a content. */
export function unchecked(label: string): string {
  return `${label} tells neither ETag nor checksum of what it sends: only the sizes of downloads were compared.`;
}

/** The same work the first time, and nothing after. */
export function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
