import type { Traits } from "./backend.ts";

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
