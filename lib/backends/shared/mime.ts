import mime from "npm:mime@4.1.0";
import { nameOf, type RelPath } from "../../core/path.ts";

/** The Content-Type of a file, by its name's ending; undefined where the ending says nothing. Texts are said to be UTF-8. */
export function contentType(path: RelPath): string | undefined {
  const type = mime.getType(nameOf(path));
  return type?.startsWith("text/") ? `${type}; charset=utf-8` : type ?? undefined;
}
