import assert from "node:assert/strict";
import type { Backend, CallOptions } from "../../lib/core/backend.ts";
import type { Entry } from "../../lib/core/entry.ts";
import {
  explainInvalidName,
  foldPath,
  isChild,
  isWithin,
  nameOf,
  parentOf,
  type RelPath,
} from "../../lib/core/path.ts";
import { withOverrides } from "../support/stacked.ts";

/** The backend with every result compared with what the contract says of all results, in each case of the suite. */
export function checked(inner: Backend): Backend {
  return withOverrides(inner, {
    withRoot: async (inner, folder, call) => checked(await inner.withRoot(folder, call)),
    async list(inner, dir, call) {
      const found = await inner.list(dir, call);
      for (const entry of found) {
        assert.ok(isChild(entry.path, dir), `list() named ${quote(entry.path)}, which is no child of ${quote(dir)}`);
        assertPlain(inner, entry);
      }
      return found;
    },
    ...(inner.walk === undefined ? {} : { walk: checkedWalk }),
    async stat(inner, path, call) {
      const found = await inner.stat(path, call);
      const key = (one: RelPath) => foldPath(one, inner.traits);
      if (found !== undefined) assert.equal(key(found.path), key(path), "stat() gave the entry of another path");
      return found;
    },
    async write(inner, path, body, options) {
      const written = await inner.write(path, body, options);
      assert.equal(written.path, path, "write() gave the entry of another path");
      assert.equal(written.size, options.size, "write() resolved with another size than it was given");
      return written;
    },
  });
}

async function* checkedWalk(inner: Backend, dir: RelPath, call: CallOptions): AsyncIterable<readonly Entry[]> {
  for await (const batch of inner.walk?.(dir, call) ?? []) {
    for (const entry of batch) {
      assert.ok(isWithin(entry.path, dir), `walk() named ${quote(entry.path)}, which is not below ${quote(dir)}`);
      for (let path = entry.path; path !== dir; path = parentOf(path)) assertPlain(inner, { ...entry, path });
    }
    yield batch;
  }
}

/** Fails unless the name is one segment that a path may hold. A refused one is shown as an opaque entry. */
function assertPlain({ traits }: Backend, entry: Entry): void {
  if (entry.kind === "opaque" && entry.cause === "name") return;
  const why = explainInvalidName(nameOf(entry.path), traits.names);
  assert.equal(why, undefined, `the listing names ${quote(entry.path)}: ${why}`);
}

function quote(path: string): string {
  return JSON.stringify(path);
}
