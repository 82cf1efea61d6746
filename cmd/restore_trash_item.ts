import { badInput, SyncError } from "../lib/core/errors.ts";
import { type Bound, defineCommand, type Host, type Params } from "../lib/shell/command/command.ts";
import { toggle } from "../lib/shell/command/param_types.ts";
import { PairTrash } from "../lib/sync/trash/trash.ts";
import type { TrashItem } from "../lib/sync/trash/index.ts";
import { guardParents, restoreItem } from "../lib/sync/trash/restore.ts";
import { loginParams } from "./shared/connection_params.ts";
import { sessionInput } from "./shared/session_param.ts";
import { findItems, homeOfTrash, itemIds, Places, toTrashRecord, type TrashRecord } from "./shared/trash_location.ts";

const params = {
  Id: {
    type: itemIds,
    mandatory: true,
    position: 0,
    fromPipe: "value",
    help: "What to restore: Ids of Get-TrashItem.",
  },
  Force: {
    type: toggle,
    exact: true,
    fallback: false,
    help: "A file that is there again goes into the trash itself.",
  },
  Session: { type: sessionInput, help: "A session to the server the item belongs to; else one is opened." },
  ...loginParams,
} as const satisfies Params;

export const restoreTrashItemCommand = defineCommand({
  name: "Restore-TrashItem",
  summary: "Puts versions that lost back in their place, on the side they came from.",
  notes: ["Nothing is overwritten without -Force, and then it is kept in turn. The next Sync-Path carries it on."],
  examples: ["Restore-TrashItem 3f9a1c", "Get-TrashItem report.txt | Restore-TrashItem -Force"],
  params,
  wantsInput: (words) => words.Id === undefined,
  async *run(each, host): AsyncIterable<TrashRecord> {
    const home = await homeOfTrash(host);
    for await (const words of each) {
      if (words.Id === undefined) {
        throw badInput("Which item? Write its Id, or pipe Get-TrashItem in.", "MissingMandatoryParameter");
      }
      const places = new Places(words, host);
      for (const item of await findItems(home, words.Id, host)) {
        await restore(item, { words, places, home, host });
        yield toTrashRecord(item);
      }
    }
  },
});

interface Restoring {
  readonly words: Bound<typeof params>;
  readonly places: Places;
  readonly home: string;
  readonly host: Host;
}

async function restore(item: TrashItem, { words, places, home, host }: Restoring): Promise<void> {
  if (host.common.whatIf) return;
  const target = await places.root(item);
  const server = await places.holder(item);
  const { signal } = host;
  await guardParents(target, item.path, { signal });
  const there = await target.stat(item.path, { signal });
  if (there !== undefined && words.Force) {
    if (there.kind !== "file" && there.kind !== "link") {
      throw new SyncError("exists", `"${item.path}" is a folder now: move it away first.`, { operation: "restore" });
    }
    const { pair, session, side, path } = item;
    const sides = { local: target, remote: target };
    const trash = new PairTrash({ home, pair, sides, start: host.now(), session });
    const kept = await trash.keep({ side, entry: there, path, why: "overwritten", take: true }, { signal });
    if (!kept.moved) await target.remove(there, { signal });
  }
  await restoreItem(item, { home, target, signal, ...(server === undefined ? {} : { server }) });
}
