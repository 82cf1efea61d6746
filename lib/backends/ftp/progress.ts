import type { Transport } from "../../net/transport.ts";

/** Wraps a data connection so that `onProgress` is called after each read and write. */
export function withProgress(wire: Transport, onProgress: () => void): Transport {
  return {
    read: async (into, reading) => {
      const count = await wire.read(into, reading);
      onProgress();
      return count;
    },
    write: async (bytes) => {
      await wire.write(bytes);
      onProgress();
    },
    end: () => wire.end(),
    destroy: () => wire.destroy(),
    ...(wire.endedCleanly === undefined ? {} : { endedCleanly: wire.endedCleanly }),
  };
}
