/** The behaviour of a small SFTP server. */
export interface SmallSftpOptions {
  readonly folder: string;
  readonly user: string;
  readonly password: string;
  readonly port?: number;
  /** How many files may be open at once. */
  readonly mostOpen?: number;
  /** What the server says then; "Too many open files in this session" by default. */
  readonly mostOpenMessage?: string;
  /** Whether every open file gets one and the same handle, which then means the file opened last. */
  readonly sharesHandles?: boolean;
  /** Called with each file to be opened; true ends the SFTP channel instead of an answer, as when its process dies. */
  dies?(path: string): boolean;
  /** What the next READDIR answers, at most 1,000 names; undefined: what the disk holds. */
  lists?(path: string): readonly string[] | undefined;
  /** Called before each READDIR is answered. */
  beforeListing?(): Promise<void>;
  /** Called with each request that changed something, before it is answered. */
  onChange?(mutation: string): Promise<void> | void;
  /** Whether what is written to the file goes elsewhere, and its handle shows that other file. */
  loses?(path: string): boolean;
  /** Called with each path that LSTAT asks for; true shows it as a link. */
  isLink?(path: string): boolean;
  /** The name of the server's software. */
  readonly software?: string;
  /** Called before each request on a path or handle: the status to refuse it with; undefined: it is carried out. */
  refuses?(request: string, path: string): number | { readonly status: number; readonly message: string } | undefined;
  /** ms after which the CLOSE of a file that was written is answered. */
  closeDelay?(path: string): number;
  /** What happens to a WRITE that does not begin at the end of what its handle wrote: a refusal, silence about its loss, or zeros for what comes too late. */
  readonly outOfOrder?: "refuse" | "lose" | "fill";
  /** The time at which a file that is opened for writing is emptied, whatever the flags say: OPEN, or its first WRITE. */
  readonly truncates?: "open" | "write";
  /** ms before each answer. */
  readonly answerDelay?: number;
  /** Whether every second WRITE is carried out after the one that follows it. */
  readonly scrambles?: boolean;
  /** Whether READDIR gives names without attributes. */
  readonly namesOnly?: boolean;
}
