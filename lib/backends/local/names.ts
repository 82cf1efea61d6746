import type { PlatformPath } from "node:path";
import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, explainUnstorableName, type RelPath } from "../../core/path.ts";
import type { Address } from "../../core/protocol.ts";

/** node:path of one system: `posix` or `win32`. */
export type PathRules = PlatformPath;

/**
 * Resolves `folder` against `base` to an absolute path. Throws badInput for a name that does not identify one folder:
 * `C:x`, `\\?\…`, `\\.\…`, a NUL.
 */
export function resolveFolder(flavour: PathRules, base: string, folder: string): string {
  const why = explainAmbiguousFolder(flavour, folder);
  if (why !== undefined) throw badInput(`The folder "${escapeForDisplay(folder)}" is not usable: ${why}.`);
  return flavour.resolve(base, folder);
}

/**
 * Returns the folder of a `file:` address (file:///mnt/x, file:///C:/x, file://server/share); undefined if it has no
 * path. Throws badInput for a host on a system without UNC paths.
 */
export function addressFolder(flavour: PathRules, address: Address): string | undefined {
  const { path } = address;
  const host = address.host.toLowerCase() === "localhost" ? "" : address.host;
  if (flavour.sep === "/") {
    if (host === "") return path === "" ? undefined : path;
    throw badInput(
      `"file://${escapeForDisplay(host)}${
        escapeForDisplay(path)
      }" names another machine; write file:///path for this one.`,
    );
  }
  const native = path.replaceAll("/", "\\");
  if (host !== "") return `\\\\${host}${native}`;
  if (native === "") return undefined;
  return /^\\[A-Za-z]:/.test(native) ? native.slice(1) : native;
}

/**
 * Returns the disk path of `path`. Every segment is a plain name there, so the result is below `root` and never a
 * device, a stream or another spelling. Throws kind "unsupported" for a name that this system cannot store.
 */
export function diskPath(flavour: PathRules, root: string, path: RelPath): string {
  if (path === "") return root;
  if (flavour.sep === "\\") {
    for (const name of path.split("/")) {
      const why = explainUnstorableName(name, "windows");
      if (why !== undefined) throw unusableNameError(path, why);
    }
    return withSeparator(flavour, root) + path.replaceAll("/", "\\");
  }
  return withSeparator(flavour, root) + path;
}

/**
 * Returns why a user is unlikely to want this real path emptied, or undefined. A network share counts as an ordinary
 * folder.
 */
export function explainRisk(flavour: PathRules, real: string, home: string | undefined): string | undefined {
  const isShare = flavour.sep === "\\" && real.startsWith("\\\\");
  if (!isShare && flavour.parse(real).root === withSeparator(flavour, real)) return "a disk's root";
  if (home !== undefined && home !== "" && flavour.relative(real, home) === "") return "your home folder";
  return undefined;
}

/** Returns the path with one separator at its end. */
export function withSeparator(flavour: PathRules, folder: string): string {
  return folder.endsWith(flavour.sep) ? folder : folder + flavour.sep;
}

function explainAmbiguousFolder(flavour: PathRules, folder: string): string | undefined {
  if (folder.includes("\0")) return "it contains a NUL";
  if (flavour.sep === "/") return undefined;
  if (/^[\\/]{2}[?.][\\/]/.test(folder)) return "it is a device path; write the drive or the share itself";
  if (/^[A-Za-z]:(?![\\/])/.test(folder) && folder.length > 2) {
    return "it depends on the drive's current folder; write C:\\…";
  }
  for (const name of folder.replace(/^[A-Za-z]:/, "").split(/[\\/]/)) {
    const why = name === "" || name === "." || name === ".." ? undefined : explainUnstorableName(name, "windows");
    if (why !== undefined) return why;
  }
  return undefined;
}

function unusableNameError(path: RelPath, why: string): SyncError {
  return new SyncError("unsupported", `Cannot use "${escapeForDisplay(path)}" on this machine: ${why}`, {
    operation: "find a file",
    path,
  });
}
