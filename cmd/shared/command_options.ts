import type { ConnectionOptions } from "./connection_options.ts";
import type { ProgramOptions, Session } from "./program_options.ts";
import type { TrashRecord } from "./trash_location.ts";

// Written by `deno task options` from the parameter tables; a test compares the two.

/** The options of newSession(): New-Session's parameters in camelCase. */
export interface SessionOptions extends ConnectionOptions {
  /** How long the JSON line of the session opens: 10m. Milliseconds, or a text such as 10s. Default: 600s. */
  readonly sessionLifetime?: number | string;
}

/** The options of comparePath(): Compare-Path's parameters in camelCase. */
export interface CompareOptions extends ConnectionOptions {
  /** The local folder; the current one by default. */
  readonly localPath?: string;
  /** The remote folder, or an address: sftp://user@host/path opens a session and closes it. */
  readonly remotePath?: string;
  /** The side that changes: Local (download), Remote (upload), Both. */
  readonly mode: "Local" | "Remote" | "Both" | "Download" | "Upload" | "Bidirectional";
  /** A session of New-Session, here or by pipe. */
  readonly session?: Session;
  /** Older files overwrite newer ones too. Removes nothing. */
  readonly mirror?: boolean;
  /** Remove what the source lacks. */
  readonly remove?: boolean;
  /** How files differ: None, Time, Size, Either (time and size), Checksum; several with commas. Default: Either. */
  readonly criteria?: readonly ("None" | "Time" | "Size" | "Either" | "Checksum")[];
  /** Leave files alone that only one side has. */
  readonly skipNew?: boolean;
  /** Leave files alone that differ. */
  readonly skipModified?: boolean;
  /** Copy a renamed file again instead of renaming it on the other side too. */
  readonly skipMoves?: boolean;
  /** In Both: which version wins where both changed. Default: Newest. */
  readonly conflict?: "Newest" | "Oldest" | "Older" | "Local" | "Remote" | "Larger" | "Smaller" | "KeepBoth" | "Skip";
  /** Symbolic links: leave alone, carry as links, or follow on the side that is read (not in Both). Default: Skip. */
  readonly links?: "Skip" | "Keep" | "Follow";
  /** Carry temporary, partial and lock files of other programs too: .filepart, .part, .~lock.x#, ~$x … */
  readonly includeLeftovers?: boolean;
  /** -Links Follow may lead out of the folder. */
  readonly allowLinksOutside?: boolean;
  /** Refuse to remove more than this: 10, or 50%. */
  readonly maxRemove?: number | `${number}%`;
  /**
   * Give up when the names of one side take more memory than this: 1G by default. Bytes, or a text such as 1.5G.
   * Default: 1073741824.
   */
  readonly maxListing?: number | string;
  /** -Remove may go on though the source is empty. */
  readonly allowEmptySource?: boolean;
  /** -Remove and -Mirror may work on a home folder or a disk's root. */
  readonly allowRoot?: boolean;
  /** A root that existed before may be created again. */
  readonly allowMissingRoot?: boolean;
  /** In Both: go on though most files of a side have another time. */
  readonly allowAllChanged?: boolean;
  /** Removals go on though files failed, outside folders that could not be listed. */
  readonly removeDespiteFailures?: boolean;
  /** Go on only if this file exists below both roots, such as .marker or photos/.marker; several with commas. */
  readonly requireMarker?: string | readonly string[];
  /** With Checksum: never read remote files back to compare them. */
  readonly noReadBack?: boolean;
  /** The folder of the history, which records what both sides held after the last run. */
  readonly historyPath?: string;
  /** Keep what is overwritten or removed in the trash, as Both does: see Get-TrashItem. */
  readonly recycle?: boolean;
  /** For how many days the trash keeps what lost no conflict. Default: 30. */
  readonly trashDays?: number;
  /** The server's folder for its trash, instead of one in the login folder. */
  readonly remoteTrash?: string;
  /**
   * Write new content into the files that are there: owners, ACLs and hard links stay. Local and Remote only; -Recycle
   * keeps a copy of the old.
   */
  readonly inPlace?: boolean;
  /**
   * How long to wait for another run of the same pair: 10m. Not at all by default. Milliseconds, or a text such as 10s.
   */
  readonly waitLock?: number | string;
  /** Take over from another run of the same pair that is known to be gone. */
  readonly breakLock?: boolean;
  /** Keep other users and machines that say -RemoteLock too out of the remote folder meanwhile. */
  readonly remoteLock?: boolean;
  /** Answer questions with yes. Opens no guard. */
  readonly force?: boolean;
}

/** The options of syncPath(): Sync-Path's parameters in camelCase. */
export interface SyncOptions extends CompareOptions {
  /** Exit 1 even if a policy resolved all conflicts. */
  readonly failOnConflict?: boolean;
  /** Exit 6 if nothing had to be done. */
  readonly failIfNothing?: boolean;
}

/** The options of getTrashItem(): Get-TrashItem's parameters in camelCase. */
export interface TrashOptions extends ProgramOptions {
  /** Only items of this path or name; * stands for anything. */
  readonly path?: string;
}

/** The options of restoreTrashItem(): Restore-TrashItem's parameters in camelCase. */
export interface RestoreOptions extends ConnectionOptions {
  /** The items to restore: Ids of Get-TrashItem. */
  readonly id?: string | TrashRecord | readonly (string | TrashRecord)[];
  /** A file that is there again goes into the trash itself. */
  readonly force?: boolean;
  /** A session to the server the item belongs to; else one is opened. */
  readonly session?: Session;
}

/** The options of clearTrash(): Clear-Trash's parameters in camelCase. */
export interface ClearOptions extends ConnectionOptions {
  /** Only these: Ids of Get-TrashItem. */
  readonly id?: string | TrashRecord | readonly (string | TrashRecord)[];
  /** Do not ask. */
  readonly force?: boolean;
  /** A session to the server the items lie on; else one is opened. */
  readonly session?: Session;
}
