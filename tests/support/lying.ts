import type { Backend } from "../../lib/core/backend.ts";
import { type CallHandlers, decorate } from "../../lib/backends/layers/decorator.ts";
import { parentOf, type RelPath, root } from "../../lib/core/path.ts";
import type { Entry } from "../../lib/core/entry.ts";

/** How listings go wrong. `seed`: which entries; `steady`: the same ones each time, as a parser would; `among`: one entry in so many. */
export interface Lies {
  readonly seed: number;
  readonly steady: boolean;
  readonly among: number;
}

/** A backend whose listings lose and mangle entries, each without a word: all else that it says is true. */
export function lying(inner: Backend, lies: Lies): Backend {
  let calls = 0;
  const mangled = (entries: readonly Entry[]): readonly Entry[] => {
    const call = lies.steady ? 0 : calls++;
    const isCut = hash(`${lies.seed} ${call} page`) % (3 * lies.among) === 0;
    const shown = isCut ? entries.slice(0, entries.length >> 1) : entries;
    return shown.flatMap((entry) => mangle(entry, hash(`${lies.seed} ${call} ${entry.path}`), lies.among));
  };
  const around: CallHandlers = {
    call: async (attempt) => {
      const result = await attempt.run();
      return attempt.operation === "list" ? mangled(result as readonly Entry[]) as typeof result : result;
    },
    walk: async function* ({ run }) {
      for await (const batch of run()) yield mangled(batch);
    },
  };
  return decorate(inner, around);
}

function mangle(entry: Entry, chance: number, among: number): readonly Entry[] {
  if (chance % among !== 0) return [entry];
  switch (Math.floor(chance / among) % 5) {
    case 0:
      return [{ ...entry, path: renamed(entry.path, "users; ") }];
    case 1:
      return [entry.kind === "dir" ? { kind: "file", path: entry.path, size: 3 } : { kind: "dir", path: entry.path }];
    case 2:
      return [entry, entry];
    case 3:
      return [entry, { ...entry, path: renamed(entry.path, "copy of ") }];
    default:
      return [];
  }
}

function renamed(path: RelPath, prefix: string): RelPath {
  const dir = parentOf(path);
  const name = prefix + path.slice(dir === root ? 0 : dir.length + 1);
  return (dir === root ? name : `${dir}/${name}`) as RelPath;
}

/** FNV-1a. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return (sum ^ (sum >>> 15)) >>> 0;
}
