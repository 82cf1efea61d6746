import type { Entry } from "../../core/entry.ts";
import type { Expecting } from "../../core/backend.ts";
import { look, mustMatch, type Spot } from "./stat.ts";
import type { Pool } from "./pool.ts";
import { FAILURE, NO_SUCH_FILE, statusOf } from "./errors.ts";
import { placeTemp } from "./temp_file.ts";
import type { Wire } from "./client.ts";
import { LAST_SECOND } from "./write.ts";
import type { RawAttributes } from "../../ssh/channels.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

type Changing = OperationContext & Spot & { checkParent(wire: Wire): Promise<void> };

/** Removes a file, a link or an empty folder if it still matches the entry. An absent one is fine. */
export async function removeEntry(pool: Pool, entry: Entry, changing: Changing): Promise<void> {
  const wire = await pool.wire(changing);
  if (entry.kind === "opaque") throw operationError(changing, "refused", { why: entry.why });
  const [hasFolder, found] = await Promise.all([hasParent(wire, changing), look(wire, changing.at, changing)]);
  if (!hasFolder || found === undefined) return;
  mustMatch(found, { ...changing, expect: entry });
  try {
    if (entry.kind === "dir") await wire.rmdir(changing.at, changing);
    else await wire.unlink(changing.at, changing);
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return;
    if (entry.kind !== "dir" || statusOf(error) !== FAILURE) throw error;
    throw operationError(changing, "changed", { why: "the folder is not empty", cause: error });
  }
}

/**
 * Renames a file or folder, in one step if the server can. Rejects with notFound when the source is absent, and with
 * changed when the target is not as expected.
 */
export async function renameEntry(pool: Pool, from: Changing, to: Changing & Expecting): Promise<void> {
  const wire = await pool.wire(from);
  await Promise.all([from.checkParent(wire), to.checkParent(wire)]);
  if (await look(wire, from.at, from) === undefined) {
    throw operationError(from, "notFound", { why: "there is no such file or folder" });
  }
  const { signal, expect } = to;
  const options = { signal, size: 0, ...(expect === undefined ? {} : { expect }) };
  await placeTemp(wire, { ...to, temp: from.at, options, mode: undefined });
}

/**
 * Sets the time of a file or folder, never through a link. Rejects with unsupported for a time before 1970 or after
 * 2106.
 */
export async function setEntryTime(pool: Pool, modified: number, changing: Changing): Promise<void> {
  const mtime = Math.floor(modified / 1000);
  if (mtime < 0 || mtime > LAST_SECOND) {
    throw operationError(changing, "unsupported", { why: "SFTP carries times from 1970 to 2106 only" });
  }
  await setEntry(pool, { atime: mtime, mtime }, changing);
}

/** Sets the rwx bits of a file or folder, never through a link. */
export async function setEntryMode(pool: Pool, mode: number, changing: Changing): Promise<void> {
  await setEntry(pool, { mode }, changing);
}

/** Whether the parent folder exists. It may be gone together with the entry. */
async function hasParent(wire: Wire, changing: Changing): Promise<boolean> {
  try {
    await changing.checkParent(wire);
    return true;
  } catch (error) {
    if (error instanceof Error && "kind" in error && error.kind === "notFound") return false;
    throw error;
  }
}

async function setEntry(pool: Pool, attributes: RawAttributes, changing: Changing): Promise<void> {
  const wire = await pool.wire(changing);
  await changing.checkParent(wire);
  const found = await look(wire, changing.at, changing);
  if (found === undefined) throw operationError(changing, "notFound", { why: "there is no such file or folder" });
  if (found.kind !== "file" && found.kind !== "dir") {
    throw operationError(changing, "refused", { why: "it is no file or folder" });
  }
  if (attributes.mode === undefined && wire.offers(LSETSTAT)) {
    return await wire.lsetstat(changing.at, attributes, changing);
  }
  await wire.setstat(changing.at, attributes, changing);
}

/** The extension that sets times without following a link. Linux cannot set modes that way. */
const LSETSTAT = "lsetstat@openssh.com";
