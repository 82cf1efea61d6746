import { defineCommand } from "../lib/shell/command/command.ts";
import { text } from "../lib/shell/command/param_types.ts";
import { findItems, requireTrashFolder, toTrashRecord, type TrashRecord } from "./shared/trash_location.ts";

export const getTrashItemCommand = defineCommand({
  name: "Get-TrashItem",
  summary: "Lists versions that lost and were kept, the oldest first.",
  notes: ["Each lies as a plain file at Kept, so that it can be copied by hand too."],
  examples: ["Get-TrashItem", "Get-TrashItem report*.txt"],
  params: {
    Path: { type: text, position: 0, help: "Only items of this path or name; * stands for anything." },
  },
  async *run(inputs, context): AsyncIterable<TrashRecord> {
    for await (const { Path } of inputs) {
      for (const item of await findItems(await requireTrashFolder(context), undefined, context)) {
        if (Path === undefined || matchesPattern(item.path, Path)) yield toTrashRecord(item);
      }
    }
  },
});

/** Whether the pattern matches the whole path, or its last segments. */
function matchesPattern(path: string, pattern: string): boolean {
  const source = pattern.split("*").map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&")).join(".*");
  return new RegExp(`^(?:.*/)?${source}$`, "i").test(path);
}
