import { Buffer } from "node:buffer";
import { gate, type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { handled } from "./read_exactly.ts";
import { childOf, type Seen, toEntry, toSeen } from "./stat.ts";
import type { Handle } from "./handles.ts";
import type { Wire } from "./client.ts";
import type { RawAttributes, RawName } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

export interface ListOptions extends OperationContext {
  /** The server path of the folder. */
  readonly at: string;
  /** Rejects unless the path is a folder, reached through folders only. */
  readonly isFolder: Promise<void>;
  /** Called when the listing contains ".": such a listing leaves out no name that begins with a dot. */
  onDot?(): void;
}

/** Lists the children of one folder. Rejects when it is no folder, cannot be read or its listing never ends. */
export async function listFolder(wire: Wire, options: ListOptions): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  const handle = await openFolder(wire, options);
  const names = new Set<string>();
  const limit = new ListingLimit(wire, options);
  const ahead: Promise<readonly RawName[] | undefined>[] = [];
  const most = wire.software.startsWith("OpenSSH") ? AHEAD : CAUTIOUS;
  // For most folders the second answer is the last.
  let wanted = 2;
  let ended = false;
  try {
    while (!ended || ahead.length > 0) {
      while (!ended && ahead.length < wanted) ahead.push(handled(wire.readdir(handle, options)));
      const answer = await ahead.shift();
      if (answer === undefined) {
        ended = true;
        continue;
      }
      wanted = most;
      if (answer.some(({ filename }) => filename === ".")) options.onDot?.();
      const fresh = answer.filter((one) => isFresh(one.filename, names));
      limit.count(answer, { fresh: fresh.length, all: names.size });
      for (const entry of await toEntries(wire, fresh, options)) found.push(entry);
    }
    return found;
  } finally {
    wire.drop(handle);
  }
}

/**
 * The number of READDIRs in flight on one handle. OpenSSH answers them in order; other servers may not support many.
 */
const AHEAD = 4;
const CAUTIOUS = 2;
const MOST_NAMES = 5_000_000;
/** The size limit of one folder's listing: 64 MiB hold about 400,000 names. */
const MOST_BYTES = 64 << 20;
const ATTRIBUTES_BYTES = 32;
/** The number of successive answers without a new name that are allowed. */
const MOST_IDLE = 64;
/** A limit above the longest name that any file system allows. */
const MOST_NAME_BYTES = 1024;
const LINKS_AT_ONCE = 64;

/** The limits of one listing. A listing that never ends, repeats its names or arrives too slowly is refused. */
class ListingLimit {
  readonly #wire: Wire;
  readonly #ask: OperationContext;
  readonly #since = performance.now();
  #bytes = 0;
  #idle = 0;

  constructor(wire: Wire, ask: OperationContext) {
    this.#wire = wire;
    this.#ask = ask;
  }

  /**
   * Counts one answer. Throws refused when the limit of bytes, names or idle answers is exceeded, and timeout when
   * names arrive too slowly.
   */
  count(answer: readonly RawName[], { fresh, all }: { readonly fresh: number; readonly all: number }): void {
    for (const { filename, longname } of answer) this.#bytes += filename.length + longname.length + ATTRIBUTES_BYTES;
    this.#idle = fresh > 0 ? 0 : this.#idle + 1;
    if (all > MOST_NAMES) throw this.#refusal(`it holds over ${MOST_NAMES} names`);
    if (this.#bytes > MOST_BYTES) throw this.#refusal(`its listing is longer than ${MOST_BYTES >> 20} MiB`);
    if (this.#idle > MOST_IDLE) {
      throw this.#refusal(`its listing repeats names and does not end (${MOST_IDLE} answers)`);
    }
    const seconds = (performance.now() - this.#since) / 1000;
    if (seconds * 1000 <= this.#wire.patience || all >= seconds) return;
    const why = `its listing brought only ${all} names in ${Math.round(seconds)} s, 20 times -Timeout`;
    throw operationError(this.#ask, "timeout", { why });
  }

  #refusal(why: string): Error {
    return operationError(this.#ask, "refused", { why });
  }
}

async function openFolder(wire: Wire, options: ListOptions): Promise<Handle> {
  const [opened, checked] = await Promise.allSettled([wire.opendir(options.at, options), options.isFolder]);
  if (opened.status === "fulfilled" && checked.status === "fulfilled") return opened.value;
  if (opened.status === "fulfilled") wire.drop(opened.value);
  throw checked.status === "rejected" ? checked.reason : opened.status === "rejected" && opened.reason;
}

/** Whether the name is new. Some servers list a name twice when the folder changes meanwhile. */
function isFresh(name: string, names: Set<string>): boolean {
  if (name === "." || name === ".." || names.has(name)) return false;
  names.add(name);
  return true;
}

async function toEntries(wire: Wire, names: readonly RawName[], options: ListOptions): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  const open: { readonly at: number; readonly name: RawName; readonly seen: Seen }[] = [];
  for (const name of names) {
    const gated = gateName(options.path, name.filename);
    if (gated.kind === "opaque") {
      all.push(gated);
      continue;
    }
    const seen = toSeen(gated.path, name.attrs);
    if (seen.kind === "link" || name.attrs.mode === undefined) open.push({ at: all.length, name, seen });
    all.push(seen.kind === "link" ? { kind: "opaque", path: seen.path, cause: "link", why: "a link" } : seen);
  }
  for (let i = 0; i < open.length; i += LINKS_AT_ONCE) {
    await Promise.all(
      open.slice(i, i + LINKS_AT_ONCE).map(async ({ at, name, seen }) => {
        all[at] = await settle(wire, seen, {
          ...options,
          at: childOf(options.at, name.filename),
          attributes: name.attrs,
        });
      }),
    );
  }
  return all;
}

function gateName(dir: RelPath, name: string): { kind: "good"; path: RelPath } | Extract<Entry, { kind: "opaque" }> {
  if (name.length > MOST_NAME_BYTES / 4 && Buffer.byteLength(name) > MOST_NAME_BYTES) {
    const gated = gate(dir, `${name.slice(0, 64)}…`);
    const path = gated.ok ? gated.path : gated.shown;
    return { kind: "opaque", path, cause: "name", why: `the name is longer than ${MOST_NAME_BYTES} bytes` };
  }
  const gated = gate(dir, name);
  if (gated.ok) return { kind: "good", path: gated.path };
  return { kind: "opaque", path: gated.shown, cause: "name", why: gated.why };
}

/**
 * Completes an entry that the listing leaves open: requests a link's target, and all attributes if the server lists
 * names only.
 */
async function settle(
  wire: Wire,
  seen: Seen,
  options: ListOptions & { readonly attributes: RawAttributes },
): Promise<Entry> {
  if (options.attributes.mode !== undefined) return await toEntry(wire, seen, options);
  const told = await wire.lstat(options.at, options);
  return await toEntry(wire, told === undefined ? seen : toSeen(seen.path, told), options);
}
