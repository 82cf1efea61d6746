import { randomBytes } from "node:crypto";
import { parentOf } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import { statusOf } from "../../http/errors.ts";
import { find, type Finder } from "./propfind.ts";
import { encodePath } from "./href.ts";
import type { Draft } from "./put.ts";

/** Returns the path of the temporary file as names from the server's root on. */
export function tempNames({ names, path, options, dialect }: Draft): readonly string[] {
  const { tag = randomBytes(8).toString("hex") } = options;
  const name = tempPath(path, tag, dialect.maxNameBytes).slice(parentOf(path).length).replace(/^\//, "");
  return [...names.slice(0, -1), name];
}

/**
 * Removes the temporary file after a failure. Warns if it is left behind. A server that writes while it receives may
 * still be writing when the upload is broken off, and refuse to remove the file or create it again, so the path is
 * checked repeatedly.
 */
export async function removeTemp(finder: Finder, draft: Draft, names: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const spot = { ...draft, names, signal, also: [404, 409, 410] };
  let left: unknown;
  for (const wait of draft.dialect.atomic ? [0] : LOOK_AGAIN_MS) {
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      left = undefined;
      if (wait > 0 && await find(finder, spot) === undefined) continue;
      const reply = await finder.link.done({ method: "DELETE", uri: encodePath(names) }, spot);
      await reply.drop();
    } catch (error) {
      left = error;
      if (statusOf(error) === undefined) break;
    }
  }
  if (left === undefined) return;
  draft.options.onWarning?.(`A temporary file was left behind: ${left instanceof Error ? left.message : left}`);
}

const LOOK_AGAIN_MS: readonly number[] = [0, 50, 200, 500];
