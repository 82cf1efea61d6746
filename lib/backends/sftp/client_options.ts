import type { OpenFileLimit } from "./open_files.ts";
import type { ServerProfile } from "./profile.ts";
import type { PendingOptions } from "./requests.ts";

export interface ClientOptions extends PendingOptions {
  /** The open files of all clients of the server. */
  readonly files?: OpenFileLimit;
  readonly profile?: ServerProfile;
  /** Returns the ms for which the CLOSE of an uploaded file of so many bytes may be unanswered. */
  closePatience?(bytes: number): number;
  /** See listingTimeout(); undefined: -Timeout. */
  readonly listingTimeout?: number | undefined;
}

/** Whether the server's software allows as many open files as the system, although it may not announce it. */
export function allowsManyFiles(software: string): boolean {
  return /^(?:OpenSSH|mod_sftp|dropbear)/.test(software);
}

/**
 * Whether the server's software opens a file as it is asked to. Others may empty it with each OPEN for writing, as
 * `rclone serve sftp` does: a second handle would lose what the first has written, and the size would still be right.
 */
export function opensAsAsked(software: string): boolean {
  return /^(?:OpenSSH|mod_sftp|dropbear)/.test(software);
}

/** Returns at least 5 minutes, and a second for each MiB: a gateway passes the file on before it answers. */
export function closePatience(bytes: number): number {
  return Math.max(MIN_CLOSE_PATIENCE_MS, bytes / PASSED_ON_BYTES_PER_MS);
}

const MIN_CLOSE_PATIENCE_MS = 300_000;
const PASSED_ON_BYTES_PER_MS = 1_048;
