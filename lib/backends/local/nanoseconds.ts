/** The mtimes of a session's files in ns, which the runtime shows in ms only: statx(2) of glibc, loaded at the first use. */
export class Nanoseconds {
  readonly #lifetime: AbortSignal;
  #read: ReadNanoseconds | undefined;
  #isTried = false;

  /** `lifetime`: the library is closed when it is aborted. */
  constructor(lifetime: AbortSignal) {
    this.#lifetime = lifetime;
  }

  /**
   * Returns the whole mtime in ns since the epoch, without following a link; undefined if it cannot be read, or this
   * process may not call libraries.
   */
  of(diskPath: string): bigint | undefined {
    if (this.#lifetime.aborted) return undefined;
    if (!this.#isTried) this.#read = openReader(this.#lifetime);
    this.#isTried = true;
    return this.#read?.(diskPath);
  }
}

type ReadNanoseconds = (diskPath: string) => bigint | undefined;

function openReader(lifetime: AbortSignal): ReadNanoseconds | undefined {
  // A query asks nobody, unlike the call that it is for.
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  try {
    const library = Deno.dlopen("libc.so.6", {
      statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
    });
    lifetime.addEventListener("abort", () => library.close(), { once: true });
    const found = new Uint8Array(STATX_BYTES);
    const view = new DataView(found.buffer);
    const encoder = new TextEncoder();
    return (diskPath) => {
      const path = encoder.encode(`${diskPath}\0`);
      if (library.symbols.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MTIME, found) !== 0) return undefined;
      if ((view.getUint32(0, true) & STATX_MTIME) === 0) return undefined;
      return view.getBigInt64(MTIME_SECONDS, true) * 1_000_000_000n + BigInt(view.getUint32(MTIME_NANOSECONDS, true));
    };
  } catch {
    // Another C library.
    return undefined;
  }
}

/** "man 2 statx": its layout is the same on every architecture; this runtime runs on little-endian ones alone. */
const STATX_BYTES = 256;
const MTIME_SECONDS = 112;
const MTIME_NANOSECONDS = 120;
const STATX_MTIME = 0x40;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
