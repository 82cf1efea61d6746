import { badInput } from "../lib/core/errors.ts";
import { defineCommand } from "../lib/shell/command/command.ts";
import { toggle } from "../lib/shell/command/param_types.ts";
import { clearItem } from "../lib/sync/trash/restore.ts";
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

export const clearTrashCommand = defineCommand({
  name: "Clear-Trash",
  summary: "Removes kept versions for good: all of them, or those named.",
  examples: ["Clear-Trash -Force", "Get-TrashItem *.tmp | Clear-Trash -Force"],
  params: {
    Id: { type: itemIds, position: 0, fromPipe: "value", help: "Only these: Ids of Get-TrashItem." },
    Force: { type: toggle, exact: true, fallback: false, help: "Do not ask." },
    Session: { type: sessionInput, help: "A session to the server the items lie on; else one is opened." },
    ...loginParams,
  } as const,
  wantsInput: (bound) => bound.Id === undefined,
  async *run(inputs, context): AsyncIterable<TrashRecord> {
    const trashFolder = await requireTrashFolder(context);
    for await (const bound of inputs) {
      const items = await findItems(trashFolder, bound.Id, context);
      if (items.length === 0) continue;
      if (!bound.Force && !context.common.whatIf) {
        const question = `Remove ${items.length} kept ${items.length === 1 ? "version" : "versions"} for good?`;
        if (!context.interactive) throw badInput(`${question} There is no terminal to ask at: add -Force.`);
        if (await context.choose(question, ["No", "Yes"]) !== "Yes") continue;
      }
      const backends = new TrashBackends(bound, context);
      for (const item of items) {
        if (!context.common.whatIf) {
          const server = await backends.holderOf(item);
          await clearItem(item, {
            home: trashFolder,
            signal: context.signal,
            ...(server === undefined ? {} : { server }),
          });
        }
        yield toTrashRecord(item);
      }
    }
  },
});
