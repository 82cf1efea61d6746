import { randomBytes } from "node:crypto";
import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, nameOf, parentOf } from "../../core/path.ts";
import { displacedTag, tempPath } from "../../core/temp_name.ts";
import type { Entry } from "../../core/entry.ts";
import type { WriteOptions } from "../../core/backend.ts";
import type { ControlConnection } from "./control_connection.ts";
import { stat } from "./stat.ts";
import { type Reply, serverMessage, toSyncError } from "./reply.ts";
import { childOf, encodePath, type FtpSession, type PathContext } from "./session.ts";
import { operationError } from "../../core/operation.ts";

/** A file to be written. */
export type WriteContext = PathContext & {
  readonly options: WriteOptions;
  /** The folder that holds it, as the server names it. */
  readonly serverParent: string;
};

/** A file to be written, with the temporary name of its upload. */
export interface PendingWrite extends WriteContext {
  readonly temp: PathContext;
}

/** Renames the temporary file to the target, in one step if the server renames over an existing file. */
export async function commit(
  control: ControlConnection,
  session: FtpSession,
  { write, found }: { readonly write: PendingWrite; readonly found: Entry | undefined },
): Promise<void> {
  const reply = await renameOnServer(control, session, { from: write.temp, to: write });
  if (reply.code < 300) return;
  if (found === undefined || reply.code === 421) throw await explainWriteRefusal(control, session, { write, reply });
  await replaceInSteps(control, session, write);
}

/** Sends RNFR and RNTO. Returns the reply that counts. */
export async function renameOnServer(
  control: ControlConnection,
  session: FtpSession,
  { from, to }: { readonly from: PathContext; readonly to: PathContext },
): Promise<Reply> {
  const [source, target] = [encodePath(session, from), encodePath(session, to)];
  const [first, second] = await control.sendCommands([`RNFR ${source}`, `RNTO ${target}`]);
  return first.code === 350 ? second : first;
}

/**
 * Replaces the target on servers that cannot rename over a file: moves the old file away, renames the new one, then
 * deletes the old one. Moves the old file back if the rename fails.
 */
async function replaceInSteps(control: ControlConnection, session: FtpSession, write: PendingWrite): Promise<void> {
  const { temp, serverParent: dir, path } = write;
  const aside = {
    ...temp,
    serverPath: childOf(dir, nameOf(tempPath(path, displacedTag(write.options.tag ?? randomBytes(8).toString("hex"))))),
  };
  const stepped = await renameOnServer(control, session, { from: write, to: aside });
  if (stepped.code >= 300) throw await explainWriteRefusal(control, session, { write, reply: stepped });
  const placed = await renameOnServer(control, session, { from: temp, to: write });
  if (placed.code >= 300) {
    const undone = await renameOnServer(control, session, { from: aside, to: write });
    if (undone.code < 300) throw await explainWriteRefusal(control, session, { write, reply: placed });
    throw new SyncError(
      "unexpected",
      `Cannot write "${escapeForDisplay(path)}": its old content is left at "${aside.serverPath}"`,
      {
        operation: write.operation,
        path,
      },
    );
  }
  await control.sendCommand(`DELE ${encodePath(session, aside)}`);
}

/**
 * Returns the error for a refused write. "553 Could not create file" may mean anything, so a stat of the folder
 * decides.
 */
export async function explainWriteRefusal(
  control: ControlConnection,
  session: FtpSession,
  { write, reply }: { readonly write: PendingWrite; readonly reply: Reply },
): Promise<Error> {
  const refused = toSyncError(write, reply);
  if (refused.kind !== "unexpected" && refused.kind !== "denied" && refused.kind !== "notFound") return refused;
  const above = { ...write, path: parentOf(write.path), serverPath: write.serverParent };
  const parent = await stat(control, session, { ...above, precise: true });
  if (parent?.kind === "dir") {
    return refused.kind === "notFound" ? operationError(write, "changed", { why: serverMessage(reply) }) : refused;
  }
  if (parent === undefined) {
    return operationError(write, "notFound", { why: "the folder that is to hold it is absent", cause: refused });
  }
  return operationError(write, "exists", { why: "what is to hold it is no folder", cause: refused });
}
