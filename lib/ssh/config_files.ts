import { join } from "node:path";
import { badInput, SyncError } from "../core/errors.ts";
import type { ConfigFiles } from "./config_parser.ts";
import type { ConnectContext } from "../core/protocol.ts";

/**
 * Reads the text of a small file; returns undefined if it is absent. Rejects with denied if it cannot be read:
 * unreadable is not absent.
 */
export async function readFileIfPresent(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new SyncError("denied", `Cannot read "${path}": ${why}`, { operation: "read a file of ssh", cause: error });
  }
}

/** Returns the home folder in which ssh's files are. */
export function homeOf(env: ConnectContext["env"]): string | undefined {
  return Deno.build.os === "windows" ? env("USERPROFILE") ?? env("HOME") : env("HOME");
}

/** Returns the folder of ssh's system-wide configuration. */
export function systemSshDir(env: ConnectContext["env"]): string {
  return Deno.build.os === "windows" ? join(env("PROGRAMDATA") ?? "C:\\ProgramData", "ssh") : "/etc/ssh";
}

/**
 * Returns the file access for an ssh_config. A file that another user owns or can write to is refused, as ssh does: it
 * could name their known hosts.
 */
export function configFiles(home: string | undefined): ConfigFiles {
  return {
    home,
    async read(path) {
      const text = await readFileIfPresent(path);
      if (text !== undefined && await modeOf(path) & 0o022) {
        throw badInput(`"${path}" can be written by others, so ssh would not follow it either: chmod go-w it.`);
      }
      if (text !== undefined && !await isTrusted(path)) {
        throw badInput(`"${path}" belongs to another user, so ssh would not follow it either: chown it.`);
      }
      return text;
    },
    async list(dir) {
      try {
        return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw new SyncError("denied", `Cannot list "${dir}"`, {
          operation: "read the ssh configuration",
          cause: error,
        });
      }
    },
  };
}

/** Returns the rwx bits of a file, 0 if the system has none. */
export async function modeOf(path: string): Promise<number> {
  if (Deno.build.os === "windows") return 0;
  const { mode, isFile } = await Deno.stat(path);
  return isFile ? (mode ?? 0) & 0o777 : 0;
}

/** In a container: a user outside of it, such as the machine's root (user_namespaces(7)). */
const UNMAPPED_UID = 65_534;

/** Whether a file is this user's or the machine's; always where files have no owners. */
async function isTrusted(path: string): Promise<boolean> {
  const { uid, isFile } = await Deno.stat(path);
  return uid === null || !isFile || [0, Deno.uid(), UNMAPPED_UID].includes(uid);
}
