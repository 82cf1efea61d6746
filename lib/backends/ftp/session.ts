import type { Entry } from "../../core/entry.ts";
import type { RelPath } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import type { ServerMemory } from "../../core/protocol.ts";
import type { DirectWrites } from "../shared/direct_writes.ts";
import type { ServerProfile } from "./profile.ts";
import type { ControlConnection } from "./control_connection.ts";
import type { ParsedListing, UnreadLines } from "./listing_parser.ts";
import type { FtpPool } from "./pool.ts";
import { NoReply } from "./replies.ts";
import type { TextEncoding } from "../../net/text_encoding.ts";
import { NETWORK_OPERATION } from "../../net/net_error.ts";
import { operationError, type ResolvedPath } from "../../core/operation.ts";

/** The command that sets a file's time: MFMT, MDTM with a time, or SITE UTIME; "none" after all were refused. */
export type TimeSetter = "MFMT" | "MDTM" | "UTIME" | "none";

/** The state shared by all backends of one server. `learned` is filled in during the session. */
export interface FtpSession {
  readonly label: string;
  readonly pool: FtpPool;
  /** Whether and why new files are written under their final names. */
  readonly directWrites: DirectWrites;
  /** The facts that earlier runs learned about the server. */
  readonly serverMemory: ServerMemory | undefined;
  /** Says once in a session what the server lacks, and what that means. */
  warnOnce(message: string): void;
  readonly profile: ServerProfile;
  readonly encoding: TextEncoding;
  /** ms to wait at least for the final reply of a transfer whose bytes are all there. */
  readonly finalReplyTime: number;
  /** See listingTimeout(). */
  readonly listingTimeout: number;
  readonly hasMlst: boolean;
  readonly hasChmod: boolean;
  /** Whether the server changes blanks at the end of a name. */
  readonly altersTrailingBlanks: boolean;
  /** Returns the current entry, or undefined if there is none; see stat.ts. */
  stat(control: ControlConnection, context: PathContext & { readonly precise?: boolean }): Promise<Entry | undefined>;
  readonly learned: {
    setter: TimeSetter;
    /** Whether a time that was set was once reported unchanged. If so, later ones are trusted without a stat. */
    keepsTimes: boolean;
    /** The number of refused attempts to set a time, while none has succeeded. */
    timeRefusals: number;
    /** Whether MDTM is unreliable, for example returns one time for all files. */
    mdtmUnreliable: boolean;
    /** Whether MLSD and MLST show files without a time; then MDTM is sent for it. */
    mlstLacksTimes: boolean;
    /** The MDTM of the last file written, and when that value was first shown. */
    lastMdtm: { readonly shown: number; readonly at: number } | undefined;
    /** Whether listings use "LIST -a": false after a server refused "-a" or took it for a name. */
    usesListAll: boolean;
    /** Whether MLSD or MLST is refused although the server announced it. */
    lacksMlst: boolean;
    /** Whether LIST is refused, so that names come from NLST. */
    lacksList: boolean;
    /** Whether REST is refused, so that transfers begin at the first byte. */
    lacksRest: boolean;
    /** Whether temporary names begin without a dot, because the server refuses dot names. */
    usesUndottedTemps: boolean;
    /** Whether a listing showed a name with a leading dot, including the folder's own ".". */
    showsDots: boolean | undefined;
    /** Whether the hash of a kept part did not come in time. */
    hashesTooSlowly: boolean;
    /** The operations, with their paths, whose last attempt got no final reply. */
    readonly unanswered: Set<string>;
    /** ms the server's listings are ahead of UTC; undefined until a file's MDTM showed it. */
    zoneOffset: number | undefined;
    readonly linkedFolders: LinkedFolders;
    /** By server path the folders whose last listing had lines that cannot be read. */
    readonly unreadLines: Map<string, UnreadLines>;
  };
}

/** One operation on one connection. */
export interface FtpOperation {
  readonly control: ControlConnection;
  readonly session: FtpSession;
  readonly context: PathContext;
}

/** A listing as a server sent it. */
export interface FetchedListing extends ParsedListing {
  /** The UNIQUE facts of the folder and of the folders in it. */
  readonly uniques: ReadonlyMap<RelPath, string>;
}

/** The part of a listing that distinguishes folders. */
export interface FolderListing {
  readonly entries: readonly Entry[];
  /** The UNIQUE facts of the folder and of the folders in it. */
  readonly uniques: ReadonlyMap<RelPath, string>;
  /** A hash that is equal for equal content. */
  readonly fingerprint: string;
}

/** The links of a server that its listings may show as folders; see linked_folders.ts. */
export interface LinkedFolders {
  addRoot(serverPath: string): void;
  isLink(serverPath: string): boolean;
  isListed(serverPath: string): boolean;
  markLinks(found: FolderListing, operation: FtpOperation): Promise<readonly Entry[]>;
  assertNoLinkAbove(operation: FtpOperation & { readonly isFolder: boolean }): Promise<void>;
}

/** The path of an operation. */
export type PathContext = ResolvedPath;

/** Returns the path in the server's encoding. Rejects with badInput if the encoding cannot represent the name. */
export function encodePath(session: FtpSession, { serverPath, ...context }: PathContext): string {
  const { encoding } = session;
  const bytes = encoding.encode(serverPath);
  if (bytes !== undefined && encoding.decode(bytes) === serverPath) return bytes;
  throw operationError(context, "badInput", {
    why: `the encoding ${encoding.name} has no bytes for this name: rename it, or name another one with -FtpEncoding`,
  });
}

/** Runs `work` on a connection. Errors of the connection become errors of the operation. */
export async function withConnection<T>(
  session: FtpSession,
  context: PathContext,
  work: (control: ControlConnection) => Promise<T>,
): Promise<T> {
  const { unanswered } = session.learned;
  try {
    const result = await session.pool.use(context, work);
    if (unanswered.size > 0) unanswered.delete(operationKey(context));
    return result;
  } catch (error) {
    throw asOperationError(session, error, context);
  }
}

/**
 * Returns an error of the connection as an error of the operation; other errors unchanged. A reply that does not come
 * for the second time, on another connection that answered the login, is not waited for again: it concerns this path.
 */
export function asOperationError({ learned }: FtpSession, error: unknown, context: PathContext): unknown {
  if (!(error instanceof SyncError) || error.facts.operation !== NETWORK_OPERATION) return error;
  if (error instanceof NoReply) {
    const key = operationKey(context);
    if (learned.unanswered.has(key)) {
      const why = `the server sent no reply to it in ${error.seconds} s, twice, and answered other commands; ` +
        "-Timeout waits longer";
      return operationError(context, "timeout", { why, cause: error, transient: false });
    }
    learned.unanswered.add(key);
  }
  return operationError(context, error.kind, { why: error.message, cause: error });
}

function operationKey({ operation, serverPath }: PathContext): string {
  return `${operation} ${serverPath}`;
}

/** Returns the parent folder of a server path; "/" for "/". */
export function serverParentOf(serverPath: string): string {
  return serverPath.slice(0, serverPath.lastIndexOf("/")) || "/";
}

/** Returns the last name of a path. */
export function serverNameOf(serverPath: string): string {
  return serverPath.slice(serverPath.lastIndexOf("/") + 1);
}

/** Returns the server path of a child. */
export function childOf(dir: string, name: string): string {
  return dir === "/" ? `/${name}` : `${dir}/${name}`;
}
