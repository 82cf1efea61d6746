/** A path below a root: segments joined with "/", no leading or trailing "/", "" for the root itself. Only this file makes one. */
export type RelPath = string & { readonly __relPath: unique symbol };

/** The root itself. */
export const root = "" as RelPath;

/** The naming rules of a file system. */
export type NameRules = "posix" | "windows";

/** The result of the name check: the path, or the reason for the refusal. */
export type NameCheck = { readonly ok: true; readonly path: RelPath } | {
  readonly ok: false;
  readonly displayPath: RelPath;
  readonly why: string;
};

const encoder = new TextEncoder();

/**
 * Checks a name from a peer and joins it to `dir`. NO OTHER FUNCTION TURNS A PEER'S NAME INTO A PATH. `name` is one
 * segment after the last decoding step. For a refused name, the result has a printable path that is for reports only.
 */
export function checkName(dir: RelPath, name: string): NameCheck {
  const why = explainUnsafeName(name);
  if (why === undefined) return { ok: true, path: joinPath(dir, name) };
  return { ok: false, displayPath: joinPath(dir, escapeForDisplay(name).replaceAll("/", "\u2215") || "(empty)"), why };
}

/** Returns why the text is not a valid name of one entry in a folder, as a clause; undefined if it is valid. */
export function explainInvalidName(name: string, rules: NameRules): string | undefined {
  if (rules === "windows" && name.includes("\\")) return "the name contains a backslash";
  return explainUnsafeName(name);
}

/**
 * Returns the path of names that are known to be valid (a user's input, a test). Throws a RangeError for a name that
 * checkName() refuses.
 */
export function toRelPath(text: string): RelPath {
  if (text === "") return root;
  for (const name of text.split("/")) {
    const why = explainUnsafeName(name);
    if (why !== undefined) throw new RangeError(`"${escapeForDisplay(text)}" is not a path: ${why}`);
  }
  return text as RelPath;
}

/** Returns the parent folder of `path`; the root for the root. */
export function parentOf(path: RelPath): RelPath {
  const at = path.lastIndexOf("/");
  return (at < 0 ? "" : path.slice(0, at)) as RelPath;
}

/** Whether the path is a direct child of the folder. */
export function isChild(path: RelPath, dir: RelPath): boolean {
  return path !== "" && path.lastIndexOf("/") === (dir === "" ? -1 : dir.length) && path.startsWith(dir);
}

/** Returns the last segment; "" for the root. */
export function nameOf(path: RelPath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether `path` is the folder itself or below it. */
export function isWithin(path: RelPath, dir: RelPath): boolean {
  return dir === "" || path === dir || path.startsWith(dir + "/");
}

/**
 * Compares two paths by UTF-16 units, with "/" below every other character, so that a folder comes directly before its
 * content.
 */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (x === SLASH) return -1;
    if (y === SLASH) return 1;
    return x - y;
  }
  return a.length - b.length;
}

/**
 * Returns the same key for all spellings of a path that the file system treats as one: `caseSensitive` false folds
 * case, `normalizes` folds Unicode forms.
 */
export function foldPath(
  path: string,
  rules: { readonly caseSensitive: boolean; readonly normalizes: boolean },
): string {
  let key = path;
  if (rules.normalizes || !rules.caseSensitive) key = key.normalize("NFC");
  // Upper and lower case: neither alone folds all pairs that differ only in case (sharp s and SS, Kelvin sign and k).
  if (!rules.caseSensitive) key = key.toLowerCase().toUpperCase().toLowerCase().normalize("NFC");
  return key;
}

/**
 * Returns why a file system with these rules cannot store the name (`maxBytes` in UTF-8), or undefined. Windows:
 * Microsoft, "Naming Files, Paths, and Namespaces".
 */
export function explainUnstorableName(name: string, rules: NameRules, maxBytes = 255): string | undefined {
  if (name.length * 3 > maxBytes && encoder.encode(name).length > maxBytes) {
    return `the name is longer than ${maxBytes} bytes`;
  }
  if (rules === "posix") return undefined;
  const bad = /[\\:<>"|?*]/.exec(name);
  if (bad !== null) return `Windows allows no ${bad[0]} in a name`;
  if (/[ .]$/.test(name)) return "Windows drops a trailing dot or blank";
  if (WINDOWS_DEVICE.test(name)) return "Windows keeps this name for a device";
  return undefined;
}

/** Escapes every character that a terminal, a log or a CI annotation could interpret; for messages and views. */
export function escapeForDisplay(text: string): string {
  return text.toWellFormed().replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const SLASH = 0x2f;
const WINDOWS_DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])[ ]*(?:\.|$)/i;
// C0, DEL, C1, line and paragraph separators, bidirectional controls, the byte order mark.
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

function explainUnsafeName(name: string): string | undefined {
  if (name === "") return "the name is empty";
  if (name === "." || name === "..") return `"${name}" is not a name of an entry`;
  if (name.includes("/")) return "the name contains a slash";
  if (CONTROL.test(name)) return "the name contains a control character";
  if (name.includes("\ufffd") || !name.isWellFormed()) return "the name is not valid Unicode";
  return undefined;
}

function joinPath(dir: RelPath, name: string): RelPath {
  return (dir === "" ? name : `${dir}/${name}`) as RelPath;
}
