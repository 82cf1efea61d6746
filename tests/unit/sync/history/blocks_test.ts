import assert from "node:assert/strict";
import { applyUpdates, type BlockStore, unpackBlock } from "../../../../lib/sync/history/blocks.ts";
import { known, recordUpdates } from "../../../support/history_files.ts";

/** A store of one block at most. */
function newStore(): BlockStore & { readonly bodies: readonly string[] } {
  const blocks = new Map<string, string>();
  return {
    get bodies() {
      return [...blocks.values()];
    },
    last: () => {
      const [block] = blocks;
      return block && { first: block[0], body: block[1] };
    },
    next: () => undefined,
    remove: (first) => void blocks.delete(first),
    add: (first, body) => void blocks.set(first, body),
  };
}

Deno.test("a block keeps the keys that earlier versions wrote to the disk, and reads them", () => {
  const entries = [known("a", { partialSide: "remote" }), known("b", { unprovenSide: "both", checksum: "md5:00" })];
  const store = newStore();
  applyUpdates(store, recordUpdates(...entries));
  const [body = ""] = store.bodies;
  assert.deepEqual(JSON.parse(body).rest, { 0: { begun: "remote" }, 1: { provisional: "both", checksum: "md5:00" } });
  assert.deepEqual(unpackBlock(body), entries);
});
