import { randomBytes } from "node:crypto";
import type { WriteOptions } from "../../core/backend.ts";
import type { Entry } from "../../core/entry.ts";
import { SyncError } from "../../core/errors.ts";
import { operationError } from "../../core/operation.ts";
import { escapeForDisplay, nameOf, parentOf } from "../../core/path.ts";
import { displacedTag, tempPath, undottedTempPath } from "../../core/temp_name.ts";
import type { RenameRefusal } from "../shared/direct_writes.ts";
import type { ControlConnection } from "./control_connection.ts";
import { isAbsent, serverMessage, toSyncError } from "./errors.ts";
import type { Reply } from "./replies.ts";
import { childOf, encodePath, type FtpSession, type PathContext, serverNameOf } from "./session.ts";
import { stat } from "./stat.ts";

/** A file to be written. */
export type WriteContext = PathContext & {
  readonly options: WriteOptions;
  /** The folder that holds it, as the server names it. */
  readonly serverParent: string;
};

/** A file to be written, with the temporary name of its upload; in a direct write that is its own. */
export interface PendingWrite extends WriteContext {
  readonly temp: PathContext;
}

/** Whether the bytes go to the file's own name. */
export function isDirect({ temp, serverPath }: PendingWrite): boolean {
  return temp.serverPath === serverPath;
}

/** The refusal to rename a temporary file that is whole. Writing under the final name may be possible all the same. */
export class RenameRefused extends Error implements RenameRefusal {
  readonly operation: string;
  readonly serverMessage: string;
  /** Whether the refusal concerns renaming as such, not the new name. */
  readonly isProven: boolean;
  /** The error to report if writing under the final name is no way out. */
  override readonly cause: unknown;

  constructor({ command, reply, cause }: RefusedRename & { readonly cause: unknown }) {
    super("the rename was refused");
    this.operation = command;
    this.serverMessage = reply.text;
    this.isProven = command === "RNFR" || reply.code === 500 || reply.code === 502;
    this.cause = cause;
  }
}

/** A rename that a server refused: the command and its reply. */
export interface RefusedRename {
  readonly command: "RNFR" | "RNTO";
  readonly reply: Reply;
}

/**
 * Renames the temporary file to the target, in one step if the server renames over an existing file. Rejects with
 * RenameRefused if the file could be written under its own name instead.
 */
export async function commit(
  control: ControlConnection,
  session: FtpSession,
  { write, found }: { readonly write: PendingWrite; readonly found: Entry | undefined },
): Promise<void> {
  const refused = await renameOnServer(control, session, { from: write.temp, to: write });
  if (refused === undefined) return;
  if (refused.command === "RNTO" && found !== undefined && refused.reply.code !== 421) {
    return await replaceInSteps(control, session, { write, refused });
  }
  const cause = await explainWriteRefusal(control, session, { write, ...refused });
  throw isRenameAsSuch(refused) && await isWhole(control, session, write)
    ? new RenameRefused({ ...refused, cause })
    : cause;
}

/** Whether a refusal may be one of renaming, not of this path or this moment. */
function isRenameAsSuch({ reply }: RefusedRename): boolean {
  return reply.code >= 500 && reply.code !== 552 && !isAbsent(reply.text);
}

/** Whether the temporary file is still there and whole: a refusal to rename it says nothing about it. */
async function isWhole(control: ControlConnection, session: FtpSession, { temp, options }: PendingWrite) {
  const found = await stat(control, session, temp);
  return found?.kind === "file" && found.size === options.size;
}

/**
 * Sends RNFR and RNTO. Returns the one that was refused, and its reply. After a refused RNFR unknown servers get no
 * RNTO: one could apply it to an earlier RNFR.
 */
export async function renameOnServer(
  control: ControlConnection,
  session: FtpSession,
  { from, to }: { readonly from: PathContext; readonly to: PathContext },
): Promise<RefusedRename | undefined> {
  const [source, target] = [encodePath(session, from), encodePath(session, to)];
  const [first, ahead] = control.pipelines
    ? await control.sendCommands([`RNFR ${source}`, `RNTO ${target}`])
    : [await control.sendCommand(`RNFR ${source}`)];
  if (first.code !== 350) return { command: "RNFR", reply: first };
  const second = ahead ?? await control.sendCommand(`RNTO ${target}`);
  return second.code < 300 ? undefined : { command: "RNTO", reply: second };
}

/**
 * Replaces the target on servers that cannot rename over a file: moves the old file away, renames the new one, then
 * deletes the old one. Moves the old file back if the rename fails.
 */
async function replaceInSteps(
  control: ControlConnection,
  session: FtpSession,
  { write, refused }: { readonly write: PendingWrite; readonly refused: RefusedRename },
): Promise<void> {
  const { temp, serverParent, path, options } = write;
  const toTemp = serverNameOf(temp.serverPath).startsWith(".") ? tempPath : undottedTempPath;
  const aside = toTemp(path, displacedTag(options.tag ?? randomBytes(8).toString("hex")));
  const displaced = { ...temp, serverPath: childOf(serverParent, nameOf(aside)) };
  const stepped = await renameOnServer(control, session, { from: write, to: displaced });
  if (stepped !== undefined) throw await explainWriteRefusal(control, session, { write, ...refused });
  const placed = await renameOnServer(control, session, { from: temp, to: write });
  if (placed !== undefined) {
    const undone = await renameOnServer(control, session, { from: displaced, to: write });
    if (undone === undefined) throw await explainWriteRefusal(control, session, { write, ...placed });
    throw new SyncError(
      "unexpected",
      `Cannot write "${escapeForDisplay(path)}": its rename failed halfway, and its old content is at "${
        escapeForDisplay(displaced.serverPath)
      }": rename that back`,
      { operation: write.operation, path },
    );
  }
  const removed = await control.sendCommand(`DELE ${encodePath(session, displaced)}`);
  if (removed.code >= 300) {
    options.onWarning?.(
      `The old version of "${escapeForDisplay(path)}" was left behind as "${
        escapeForDisplay(displaced.serverPath)
      }": DELE was refused: ${serverMessage(removed)}`,
    );
  }
}

/**
 * Returns the error for a refused write. "553 Could not create file" may mean anything, so a stat of the folder
 * decides.
 */
export async function explainWriteRefusal(
  control: ControlConnection,
  session: FtpSession,
  { write, reply, command }: { readonly write: PendingWrite; readonly reply: Reply; readonly command: string },
): Promise<Error> {
  const refused = toSyncError(write, reply, command);
  if (refused.kind !== "unexpected" && refused.kind !== "denied" && refused.kind !== "notFound") return refused;
  const above = { ...write, path: parentOf(write.path), serverPath: write.serverParent };
  const parent = await stat(control, session, { ...above, precise: true });
  if (parent?.kind === "dir") {
    return refused.kind === "notFound"
      ? operationError(write, "changed", { why: `${command} was refused: ${serverMessage(reply)}` })
      : refused;
  }
  if (parent === undefined) {
    return operationError(write, "notFound", { why: "its parent folder does not exist", cause: refused });
  }
  return operationError(write, "exists", { why: "its parent is not a folder", cause: refused });
}
