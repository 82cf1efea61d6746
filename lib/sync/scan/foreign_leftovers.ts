import { nameOf, type RelPath } from "../../core/path.ts";

/**
 * Whether the file's name is that of a temporary, partial or lock file of another program: WinSCP, Unison, Syncthing,
 * LibreOffice, Microsoft Office, rclone, browsers and download managers. Only names that hardly any other file has:
 * rsync's ".name.aB3dE6" could be anything.
 */
export function isForeignLeftover(path: RelPath): boolean {
  // Nearly every name ends here: a scan asks for each of a million files.
  const last = path.charCodeAt(path.length - 1);
  if (ENDS.includes(last)) return SUFFIX.test(path) || WRAPPED.test(nameOf(path));
  return path.includes("~$") && OFFICE.test(nameOf(path));
}

/** The last characters of these names: "t", "l", "p" and "#". */
const ENDS = [116, 108, 112, 35];
const SUFFIX = /[^/]\.(?:filepart|part|partial)$/;
const OFFICE = /^~\$./;
const WRAPPED = /^(?:~\$.+|\.unison\..+\.unison\.tmp|\.syncthing\..+\.tmp|~syncthing~.+\.tmp|\.~lock\..+#)$/;
