import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { badInput, SyncError } from "../core/errors.ts";
import type { ConfigFiles } from "./config_parser.ts";
import type { ConnectContext } from "../core/protocol.ts";

/** A file of ssh's. `mode`: its rwx bits, 0 if the system has none; `uid`: its owner, undefined if files have none. */
export interface SshFile {
  readonly text: string;
  readonly mode: number;
  readonly uid: number | undefined;
}

/**
 * Reads the text of a small file; returns undefined if it is absent. Rejects with denied if it cannot be read, because
 * unreadable is not absent.
 */
export async function readFileIfPresent(path: string): Promise<string | undefined> {
  const file = await readSshFile(path);
  if (file !== "notRegular") return file?.text;
  throw new SyncError("denied", `Cannot read "${path}": it is no regular file`, { operation: "read a file of ssh" });
}

/**
 * Reads a small file and its owner and mode; returns undefined if it is absent. A pipe is opened without waiting for
 * its writer, since no signal could end that wait, and is not read. The null device counts as an empty file. Rejects
 * with denied if it cannot be read.
 */
export async function readSshFile(path: string): Promise<SshFile | "notRegular" | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const info = await handle.stat();
    if (info.isFile()) {
      const text = (await handle.readFile()).toString("utf8");
      if (Deno.build.os === "windows") return { text, mode: 0, uid: undefined };
      return { text, mode: info.mode & 0o777, uid: info.uid };
    }
    if (info.isCharacterDevice() && info.rdev === (await Deno.stat(NULL_DEVICE)).rdev) {
      return { text: "", mode: 0, uid: undefined };
    }
    return "notRegular";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new SyncError("denied", `Cannot read "${path}": ${why}`, { operation: "read a file of ssh", cause: error });
  } finally {
    await handle?.close();
  }
}

const NULL_DEVICE = "/dev/null";

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
 * could name their known hosts. `named`: the user named the file; ssh does not check such a one (ssh -F), so that `warn`
 * is called with a sentence if any other user could have written it.
 */
export function configFiles(
  home: string | undefined,
  named?: { readonly warn: (message: string) => void },
): ConfigFiles {
  return {
    home,
    async read(path) {
      const file = await readSshFile(path);
      if (file === undefined) return undefined;
      if (file === "notRegular") throw badInput(`"${path}" is no regular file; name the configuration itself.`);
      if (named !== undefined) {
        const why = isTrusted(file) ? (file.mode & 0o002) !== 0 ? "can be written by everyone" : undefined : FOREIGN;
        if (why !== undefined) named.warn(`"${path}" ${why}, and it decides which host keys are trusted.`);
        return file.text;
      }
      if ((file.mode & 0o022) !== 0) {
        throw badInput(`"${path}" can be written by others, so it is not read, as by ssh; run chmod go-w on it.`);
      }
      if (!isTrusted(file)) throw badInput(`"${path}" ${FOREIGN}, so it is not read, as by ssh; run chown on it.`);
      return file.text;
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

const FOREIGN = "belongs to another user";
/** In a container: a user outside of it, such as the machine's root (user_namespaces(7)). */
const UNMAPPED_UID = 65_534;

/** Whether a file is this user's or the machine's; always if files have no owners. */
function isTrusted({ uid }: SshFile): boolean {
  return uid === undefined || [0, Deno.uid(), UNMAPPED_UID].includes(uid);
}
