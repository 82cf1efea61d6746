import mime from "npm:mime@4.1.0";
import { nameOf, type RelPath } from "../../core/path.ts";

/**
 * Returns the Content-Type of a file by its name's extension; undefined for an unknown extension. Text types get
 * charset=utf-8.
 */
export function contentType(path: RelPath): string | undefined {
  const type = mime.getType(nameOf(path));
  return type?.startsWith("text/") ? `${type}; charset=utf-8` : type ?? undefined;
}
