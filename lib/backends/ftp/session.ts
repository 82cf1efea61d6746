import type { Entry } from "../../core/entry.ts";
import type { RelPath } from "../../core/path.ts";
import { SyncError } from "../../core/errors.ts";
import { type Abilities, spell, unspell } from "./connect.ts";
import type { FtpLink } from "./control_connection.ts";
import type { Spelling } from "./listing_parser.ts";
import type { FtpPool } from "./pool.ts";
import { ON_WIRE } from "../../net/transport.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** What sets a file's time: MFMT, MDTM with a time, or SITE UTIME; "none" once all were refused. */
export type TimeSetter = "MFMT" | "MDTM" | "UTIME" | "none";

/** What all backends of one server share. The rest is learned on the way. */
export interface Site {
  readonly label: string;
  readonly pool: FtpPool;
  readonly abilities: Abilities;
  readonly spelling: Spelling;
  readonly hasMlst: boolean;
  readonly hasChmod: boolean;
  /** Blanks at the end of a name become something else there. */
  readonly altersBlanks: boolean;
  /** Returns what exists there now; see stat(). */
  look(link: FtpLink, doing: Doing & { readonly precise?: boolean }): Promise<Entry | undefined>;
  readonly learned: {
    setter: TimeSetter;
    /** A time that was set was shown again as it was set: the next ones are believed without asking. */
    keepsTimes: boolean;
    /** Refusals of all that sets times, since none was set so far. */
    timesRefused: number;
    /** MDTM answers one time for all files. */
    mdtmLies: boolean;
    /** MDTM of a file that was just written, and when that was first shown. */
    lastMdtm: { readonly shown: number; readonly at: number } | undefined;
    /** Can a listing show names with a leading dot only when asked with -a, and does the server understand that? */
    listAll: boolean;
    /** Whether a listing showed a name with a leading dot, its own folder's "." among them. */
    showsDots: boolean | undefined;
    /** ms the server's listings are ahead of UTC; undefined until a file told. */
    zone: number | undefined;
    readonly folders: LinkedFolders;
  };
}

/** One call on one connection. */
export interface Asking {
  readonly link: FtpLink;
  readonly site: Site;
  readonly doing: Doing;
}

/** A listing as far as it tells folders apart. `uniques`: the UNIQUE facts of the folder and of the folders in it; `print`: one for equal content. */
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

/** A place on the server: the path as callers know it, and as the server names it. */
export interface Spot {
  readonly path: RelPath;
  readonly at: string;
}

export type Doing = OperationContext & Spot;

/** The path as it goes over the wire. Names that the server's spelling cannot write reject with badInput. */
export function wired(site: Site, { at, ...ask }: Doing): string {
  const text = spell(at, site.spelling);
  // deno-lint-ignore no-control-regex
  if (unspell(text, site.spelling) === at && !/[^\u0000-\u00ff]/.test(text)) return text;
  throw operationError(ask, "badInput", { why: "the server's spelling cannot write this name: try -Encoding Utf8" });
}

/** Does the work on a connection; what it rejects with names the call. */
export async function onLink<T>(site: Site, doing: Doing, work: (link: FtpLink) => Promise<T>): Promise<T> {
  try {
    return await site.pool.use(doing, work);
  } catch (error) {
    throw aboutCall(error, doing);
  }
}

/** An error of the wire as the error of a call; others as they are. */
export function aboutCall(error: unknown, ask: OperationContext): unknown {
  if (!(error instanceof SyncError) || error.facts.operation !== ON_WIRE) return error;
  return operationError(ask, error.kind, { why: error.message, cause: error });
}

/** The folder that holds a path of the server; "/" for "/". */
export function parentAt(at: string): string {
  return at.slice(0, at.lastIndexOf("/")) || "/";
}

/** The last name of a path. */
export function nameAt(at: string): string {
  return at.slice(at.lastIndexOf("/") + 1);
}

/** The name of a child, as the server names it. */
export function childOf(dir: string, name: string): string {
  return dir === "/" ? `/${name}` : `${dir}/${name}`;
}
