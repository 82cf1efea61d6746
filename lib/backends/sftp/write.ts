import { cancelled, type ErrorKind, toSyncError } from "../../core/errors.ts";
import { nameOf, printable } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import type { FileEntry } from "../../core/entry.ts";
import type { Body, WriteOptions } from "../../core/backend.ts";
import { gather, unlessCancelled } from "./read_exactly.ts";
import { childOf, type Spot } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { startPour } from "./parallel_upload.ts";
import { statusOf } from "./errors.ts";
import { type Draft, makeTemp, modeFor, placeTemp, randomTag, removeTemp, whyRefused, written } from "./temp_file.ts";
import type { Handle } from "./handles.ts";
import type { Wire } from "./client.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import type { OperationContext } from "../../core/operation.ts";

/** The last second that SFTP version 3 can represent, in 2106. */
export const LAST_SECOND = 0xffff_ffff;

export type Writing = OperationContext & Spot & Pick<Draft, "checkParent"> & {
  readonly options: WriteOptions;
  /** The server path of the parent folder. */
  readonly dir: string;
};

/**
 * Writes a file atomically: the bytes go to a temporary name beside the target, created exclusively. Time and mode are
 * set on its handle. After CLOSE its size is checked by its path, since a handle may turn out to belong to another
 * file. Then come a last stat of the target and the rename. The parent folders are checked again together with OPEN and
 * before the rename. Small files cost three round trips; large ones use all connections, and resume from the leftover
 * of a failed write of the same tag.
 */
export async function writeFile(pool: Pool, body: Body, writing: Writing): Promise<FileEntry> {
  const { options, path } = writing;
  const wire = await pool.wire(writing);
  const mode = await modeFor(wire, writing, options);
  const temp = childOf(writing.dir, nameOf(tempPath(path, options.tag ?? randomTag())));
  const draft: Draft = { ...writing, temp, mode };
  if (options.size <= SMALL) return await writeSmall(wire, body, draft);
  return await writeLarge(pool, body, draft);
}

/** The largest file that is held in memory and sent without waiting for answers in between. */
const SMALL = 256 * 1024;
/** The number of bytes worth keeping for the next write of the same tag, and the failures after which they are kept. */
const WORTH_KEEPING = 24 << 20;
const RESUMABLE: readonly ErrorKind[] = ["connection", "timeout", "cancelled"];

async function writeSmall(wire: Wire, body: Body, draft: Draft): Promise<FileEntry> {
  const { options, signal } = draft;
  const bytes = await gather(await unlessCancelled(body(), draft), { ...draft, size: options.size });
  const handle = await makeTemp(wire, draft);
  try {
    const sent: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += wire.maxWrite) {
      sent.push(wire.write(handle, bytes.subarray(at, at + wire.maxWrite), { ...draft, to: at }));
    }
    options.onBytes?.(bytes.length);
    const entry = await finish(wire, handle, { draft, sent });
    if (signal.aborted) throw cancelled(signal, draft.operation);
    await placeTemp(wire, draft);
    return entry;
  } catch (error) {
    wire.drop(handle);
    await removeTemp(wire, draft);
    throw await whyRefused(wire, error, draft);
  }
}

async function writeLarge(pool: Pool, body: Body, draft: Draft): Promise<FileEntry> {
  const wire = await pool.wire(draft);
  const pour = await startPour(pool, wire, { draft, body });
  try {
    await pour.run();
    const entry = await finish(wire, pour.handle, { draft, sent: [] });
    await placeTemp(wire, draft);
    return entry;
  } catch (error) {
    pour.stop();
    wire.drop(pour.handle);
    const known = toSyncError(error, draft.operation);
    const keep = draft.options.tag !== undefined && RESUMABLE.includes(known.kind) && pour.safe >= WORTH_KEEPING;
    if (!keep) await removeTemp(wire, draft);
    throw await whyRefused(wire, known, draft);
  }
}

interface Finishing {
  readonly draft: Draft;
  /** The unanswered WRITEs. */
  readonly sent: readonly Promise<void>[];
}

/**
 * Sets mode and time, sends CLOSE and checks the file by its path. All are sent right after the WRITEs if the server
 * keeps the order of requests.
 */
async function finish(wire: Wire, handle: Handle, { draft, sent }: Finishing): Promise<FileEntry> {
  if (!wire.ordered) {
    await Promise.all(sent);
    await setAttributes(wire, handle, draft);
    await wire.close(handle, draft);
    return await written(wire, draft);
  }
  const set = setAttributes(wire, handle, draft);
  const close = wire.close(handle, draft);
  const [entry] = await Promise.all([written(wire, draft), set, close, ...sent]);
  return entry;
}

/** Sets the requested mode and time. A refusal is a warning: the content is valid without its time or mode. */
export async function setAttributes(wire: Wire, handle: Handle, draft: Draft): Promise<void> {
  const { mode, options } = draft;
  const times = options.modified === undefined ? {} : toTimes(options.modified, draft);
  const rwx = mode === undefined ? {} : { mode };
  const all: RawAttributes = { ...rwx, ...times };
  if (Object.keys(all).length === 0) return;
  if (await isSet(wire, handle, { draft, attributes: all })) return;
  if (mode !== undefined && !(await isSet(wire, handle, { draft, attributes: rwx }))) warn(draft, "mode");
  if (options.modified !== undefined && !(await isSet(wire, handle, { draft, attributes: times }))) warn(draft, "time");
}

async function isSet(
  wire: Wire,
  handle: Handle,
  { draft, attributes }: { readonly draft: Draft; readonly attributes: RawAttributes },
): Promise<boolean> {
  try {
    await wire.fsetstat(handle, attributes, draft);
    return true;
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    return false;
  }
}

function warn({ path, options }: Draft, what: "time" | "mode"): void {
  const about = what === "time" ? what : undefined;
  options.onWarning?.(`The server refused to set the ${what} of "${printable(path)}"`, about);
}

/** Converts a time to whole seconds from 1970 to 2106: SFTP version 3 represents no others. */
function toTimes(modified: number, { path, options }: Pick<Draft, "path" | "options">): RawAttributes {
  const wanted = Math.floor(modified / 1000);
  const mtime = Math.min(Math.max(wanted, 0), LAST_SECOND);
  if (mtime !== wanted) {
    options.onWarning?.(
      `The time of "${printable(path)}" lies outside 1970 to 2106, which SFTP cannot carry; the nearest was set`,
      "time",
    );
  }
  return { atime: mtime, mtime };
}
