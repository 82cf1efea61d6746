import { badInput } from "../lib/core/errors.ts";
import { defineCommand } from "../lib/shell/command/command.ts";
import { toggle } from "../lib/shell/command/param_types.ts";
import { clearItem } from "../lib/sync/trash/restore.ts";
import { loginParams } from "./shared/connection_params.ts";
import { sessionInput } from "./shared/session_param.ts";
import { findItems, homeOfTrash, itemIds, Places, toTrashRecord, type TrashRecord } from "./shared/trash_location.ts";

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
  wantsInput: (words) => words.Id === undefined,
  async *run(each, host): AsyncIterable<TrashRecord> {
    const home = await homeOfTrash(host);
    for await (const words of each) {
      const items = await findItems(home, words.Id, host);
      if (items.length === 0) continue;
      if (!words.Force && !host.common.whatIf) {
        const question = `Remove ${items.length} kept ${items.length === 1 ? "version" : "versions"} for good?`;
        if (!host.interactive) throw badInput(`${question} Nobody can be asked here: add -Force.`);
        if (await host.ask(question, ["No", "Yes"]) !== "Yes") continue;
      }
      const places = new Places(words, host);
      for (const item of items) {
        if (!host.common.whatIf) {
          const server = await places.holder(item);
          await clearItem(item, { home, signal: host.signal, ...(server === undefined ? {} : { server }) });
        }
        yield toTrashRecord(item);
      }
    }
  },
});
