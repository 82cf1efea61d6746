import type { Entry } from "../../core/entry.ts";
import type { RelPath } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import { type Abilities, spell, unspell } from "./connect.ts";
import type { FtpLink } from "./control_connection.ts";
import type { Spelling } from "./listing_parser.ts";
import type { FtpPool } from "./pool.ts";
import { ON_WIRE } from "../../net/transport.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** The command that sets a file's time: MFMT, MDTM with a time, or SITE UTIME; "none" after all were refused. */
export type TimeSetter = "MFMT" | "MDTM" | "UTIME" | "none";

/** The state shared by all backends of one server. `learned` is filled in during the session. */
export interface Site {
  readonly label: string;
  readonly pool: FtpPool;
  readonly abilities: Abilities;
  readonly spelling: Spelling;
  readonly hasMlst: boolean;
  readonly hasChmod: boolean;
  /** Whether the server alters blanks at the end of a name. */
  readonly altersBlanks: boolean;
  /** Returns what exists there now; see stat(). */
  look(link: FtpLink, doing: Doing & { readonly precise?: boolean }): Promise<Entry | undefined>;
  readonly learned: {
    setter: TimeSetter;
    /** Whether a time that was set was shown again unchanged. If so, later ones are trusted without a stat. */
    keepsTimes: boolean;
    /** The number of refused attempts to set a time, while none has succeeded. */
    timesRefused: number;
    /** Whether MDTM is unreliable, for example returns one time for all files. */
    mdtmLies: boolean;
    /** The MDTM of the last file written, and when that value was first shown. */
    lastMdtm: { readonly shown: number; readonly at: number } | undefined;
    /** Whether listings use "LIST -a": false after a server refused "-a" or took it for a name. */
    listAll: boolean;
    /** Whether a listing showed a name with a leading dot, including the folder's own ".". */
    showsDots: boolean | undefined;
    /** ms the server's listings are ahead of UTC; undefined until a file showed it. */
    zone: number | undefined;
    readonly folders: LinkedFolders;
  };
}

/** One operation on one connection. */
export interface Asking {
  readonly link: FtpLink;
  readonly site: Site;
  readonly doing: Doing;
}

/**
 * The part of a listing that tells folders apart. `uniques`: the UNIQUE facts of the folder and of the folders in it;
 * `print`: a hash that is equal for equal content.
 */
export interface FolderListing {
  readonly entries: readonly Entry[];
  readonly uniques: ReadonlyMap<RelPath, string>;
  readonly print: string;
}

/** The links of a server that its listings may show as folders; see linked_folders.ts. */
export interface LinkedFolders {
  addRoot(at: string): void;
  isLink(at: string): boolean;
  isListed(at: string): boolean;
  learn(found: FolderListing, asking: Asking): Promise<readonly Entry[]>;
  mustBeReal(asking: Asking & { readonly isFolder: boolean }): Promise<void>;
}

/** A path as callers know it, and as the server names it. */
export interface Spot {
  readonly path: RelPath;
  readonly at: string;
}

export type Doing = OperationContext & Spot;

/** Returns the path in the server's encoding. Rejects with badInput if the encoding cannot represent the name. */
export function wired(site: Site, { at, ...ask }: Doing): string {
  const text = spell(at, site.spelling);
  // deno-lint-ignore no-control-regex
  if (unspell(text, site.spelling) === at && !/[^\u0000-\u00ff]/.test(text)) return text;
  throw operationError(ask, "badInput", { why: "the server's spelling cannot write this name: try -Encoding Utf8" });
}

/** Runs `work` on a connection. Errors of the connection become errors of the operation. */
export async function onLink<T>(site: Site, doing: Doing, work: (link: FtpLink) => Promise<T>): Promise<T> {
  try {
    return await site.pool.use(doing, work);
  } catch (error) {
    throw aboutCall(error, doing);
  }
}

/** Returns an error of the connection as an error of the operation; other errors unchanged. */
export function aboutCall(error: unknown, ask: OperationContext): unknown {
  if (!(error instanceof SyncError) || error.facts.operation !== ON_WIRE) return error;
  return operationError(ask, error.kind, { why: error.message, cause: error });
}

/** Returns the parent folder of a server path; "/" for "/". */
export function parentAt(at: string): string {
  return at.slice(0, at.lastIndexOf("/")) || "/";
}

/** Returns the last name of a path. */
export function nameAt(at: string): string {
  return at.slice(at.lastIndexOf("/") + 1);
}

/** Returns the server path of a child. */
export function childOf(dir: string, name: string): string {
  return dir === "/" ? `/${name}` : `${dir}/${name}`;
}
