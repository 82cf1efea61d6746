import type { Backend } from "../../lib/core/backend.ts";
import { openLocal } from "../../lib/backends/local/mod.ts";

/** A folder of this machine's disk, and the backend that is rooted there; removed in the end. */
export interface Disk extends AsyncDisposable {
  readonly disk: string;
  readonly backend: Backend;
}

/** A new, empty folder under the system's temporary one. */
export async function freshDisk(
  options: { readonly durable?: boolean; readonly handles?: boolean } = {},
): Promise<Disk> {
  const disk = await Deno.makeTempDir({ prefix: "tandem-local-" });
  const backend = await openLocal(disk, { signal: new AbortController().signal, ...options });
  return {
    disk,
    backend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await Deno.remove(disk, { recursive: true });
    },
  };
}
