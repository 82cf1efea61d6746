import { badInput, SyncError } from "../lib/core/errors.ts";
import { type Bound, type CommandContext, defineCommand, type Params } from "../lib/shell/command/command.ts";
import { toggle } from "../lib/shell/command/param_types.ts";
import { PairTrash } from "../lib/sync/trash/trash.ts";
import type { TrashItem } from "../lib/sync/trash/index.ts";
import { assertParents, restoreItem } from "../lib/sync/trash/restore.ts";
import { loginParams } from "./shared/connection_params.ts";
import { sessionInput } from "./shared/session_param.ts";
import {
  findItems,
  itemIds,
  requireTrashFolder,
  toTrashRecord,
  TrashBackends,
  type TrashRecord,
} from "./shared/trash_location.ts";

const params = {
  Id: {
    type: itemIds,
    mandatory: true,
    position: 0,
    fromPipe: "value",
    help: "The items to restore: Ids of Get-TrashItem.",
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
  wantsInput: (bound) => bound.Id === undefined,
  async *run(inputs, context): AsyncIterable<TrashRecord> {
    const trashFolder = await requireTrashFolder(context);
    for await (const bound of inputs) {
      if (bound.Id === undefined) {
        throw badInput("No item is named: write its Id, or pipe Get-TrashItem in.", "MissingMandatoryParameter");
      }
      const backends = new TrashBackends(bound, context);
      for (const item of await findItems(trashFolder, bound.Id, context)) {
        await restore(item, { bound, backends, trashFolder, context });
        yield toTrashRecord(item);
      }
    }
  },
});

interface RestoreContext {
  readonly bound: Bound<typeof params>;
  readonly backends: TrashBackends;
  readonly trashFolder: string;
  readonly context: CommandContext;
}

async function restore(item: TrashItem, { bound, backends, trashFolder, context }: RestoreContext): Promise<void> {
  if (context.common.whatIf) return;
  const target = await backends.rootOf(item);
  const server = await backends.holderOf(item);
  const { signal } = context;
  await assertParents(target, item.path, { signal });
  const existing = await target.stat(item.path, { signal });
  if (existing !== undefined && bound.Force) {
    if (existing.kind !== "file" && existing.kind !== "link") {
      throw new SyncError("exists", `"${item.path}" is a folder now: move it away first.`, { operation: "restore" });
    }
    const { pair, session, side, path } = item;
    const sides = { local: target, remote: target };
    const trash = new PairTrash({ home: trashFolder, pair, sides, start: context.now(), session });
    const kept = await trash.keep({ side, entry: existing, path, why: "overwritten", take: true }, { signal });
    if (!kept.moved) await target.remove(existing, { signal });
  }
  await restoreItem(item, { home: trashFolder, target, signal, ...(server === undefined ? {} : { server }) });
}
