import { type ErrorKind, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";

/** The operation and its path, as messages name them. */
export interface DiskContext {
  /** "write", "read", "list" …: follows "Cannot". */
  readonly operation: string;
  readonly path?: RelPath;
  /** The path on the disk. */
  readonly diskPath: string;
}

/** Converts an error of the operating system to a SyncError, by its code only, never by its text. */
export function toSyncError(error: unknown, context: DiskContext): SyncError {
  if (error instanceof SyncError) return error;
  const code = codeOf(error);
  const known = code === undefined ? undefined : KNOWN[code];
  if (known !== undefined) return diskError(known[0], known[1], { ...context, cause: error });
  const text = error instanceof Error ? error.message : String(error);
  return diskError("unexpected", escapeForDisplay(text), { ...context, cause: error });
}

/**
 * Returns a SyncError of this disk: `Cannot read "/home/x/a": it is a folder`. Kinds "busy", "connection" and "timeout"
 * are transient.
 */
export function diskError(
  kind: ErrorKind,
  why: string,
  context: DiskContext & { readonly cause?: unknown },
): SyncError {
  const { operation, path, diskPath: shown, cause } = context;
  return new SyncError(kind, `Cannot ${operation} "${escapeForDisplay(shown)}": ${why}`, {
    operation,
    backend: "file",
    ...(path === undefined ? {} : { path }),
    ...(kind === "busy" || kind === "connection" || kind === "timeout" ? { transient: true } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Returns the code of an operating system's error ("ENOENT"); undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

const FULL = "the disk is full; free some space and run again";
const KNOWN: Readonly<Record<string, readonly [ErrorKind, string]>> = {
  ENOENT: ["notFound", "it does not exist"],
  EEXIST: ["exists", "something of that name exists already"],
  EACCES: ["denied", "permission denied"],
  EPERM: ["denied", "the system does not permit it"],
  EROFS: ["denied", "the disk is read-only"],
  ENOSPC: ["full", FULL],
  EDQUOT: ["full", "the disk quota is used up; free some space and run again"],
  EFBIG: ["unsupported", "the file is too large for this disk"],
  ENOTEMPTY: ["changed", "the folder is not empty"],
  ENOTDIR: ["changed", "a file is where a folder was expected"],
  EISDIR: ["changed", "a folder is where a file was expected"],
  ELOOP: ["refused", "it is a link"],
  EMFILE: ["busy", "too many files are open"],
  ENFILE: ["busy", "too many files are open on this machine"],
  EBUSY: ["busy", "it is in use"],
  ETXTBSY: ["busy", "it is a program that is running"],
  EAGAIN: ["busy", "it is locked"],
  EXDEV: ["unsupported", "the two places are on different disks"],
  ENAMETOOLONG: ["unsupported", "the name is too long for this disk"],
  EINVAL: ["unsupported", "the disk does not accept it"],
  ENOTSUP: ["unsupported", "the disk cannot do that"],
  EOPNOTSUPP: ["unsupported", "the disk cannot do that"],
  ENOSYS: ["unsupported", "the disk cannot do that"],
  ENXIO: ["refused", "it is a socket or a device"],
  ESTALE: ["connection", "the share was disconnected"],
  ENOTCONN: ["connection", "the share is not connected"],
  EHOSTDOWN: ["connection", "the share's server is down"],
  ETIMEDOUT: ["timeout", "the share's server does not answer"],
  EIO: ["unexpected", "the disk reports a read or write error"],
};
