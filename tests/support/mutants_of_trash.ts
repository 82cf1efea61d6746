import type { Mutant } from "./mutants_list.ts";

const sync = (name: string) => `tests/unit/sync/${name}_test.ts`;
const e2e = (name: string) => `tests/e2e/${name}_test.ts`;

/** Sabotages of the trash: of its list, of the way to it, and of what counts as kept there. */
export const mutantsOfTrash: readonly Mutant[] = [
  {
    name: "a path of the trash's list is any text",
    file: "lib/sync/trash_items.ts",
    old: "? toRelPath(value) : undefined;",
    new: "? value as RelPath : undefined;",
    tests: [sync("trash_index")],
  },
  {
    name: "a line of the trash's list names any pair",
    file: "lib/sync/trash_items.ts",
    old: "|| pair !== place.pair ||",
    new: '|| typeof pair !== "string" ||',
    tests: [sync("trash_index"), e2e("trash")],
  },
  {
    name: "a line of the trash's list names any place",
    file: "lib/sync/trash_items.ts",
    old: "return at.endsWith(`${sep}${tail}`) ? join(home, tail) : undefined;",
    new: "return at;",
    tests: [sync("trash_index"), e2e("trash")],
  },
  {
    name: "a trash folder may be a link",
    file: "lib/sync/trash_reach.ts",
    old: "constants.O_DIRECTORY | constants.O_NOFOLLOW",
    new: "constants.O_DIRECTORY",
    tests: [sync("trash_links")],
  },
  {
    name: "a folder in the trash may be a link",
    file: "lib/sync/trash_reach.ts",
    old: "if (info !== undefined) mustBeOwn(shown, info, lenient);",
    new: "",
    tests: [sync("trash_links")],
  },
  {
    name: "a server's trash is reached through links",
    file: "lib/sync/trash_server.ts",
    old: 'if (entry.kind !== "dir") throw noFolder(whole, `/${dir}`);',
    new: "",
    tests: [sync("trash_links")],
  },
  {
    name: "a version is restored through a link",
    file: "lib/sync/trash_restore.ts",
    old: 'if (entry.kind === "dir") continue;',
    new: 'if (entry.kind === "dir" || entry.kind === "link") continue;',
    tests: [sync("trash_links"), e2e("trash")],
  },
  {
    name: "-Force keeps what lies behind a link",
    file: "cmd/restore_trash_item.ts",
    old: "  await guardParents(target, item.path, { signal });\n",
    new: "",
    tests: [e2e("trash")],
  },
  {
    name: "half a copy counts as kept",
    file: "lib/sync/trash_disk.ts",
    old: "if (bytes !== size) throw",
    new: "if (bytes > size) throw",
    tests: [sync("trash_faults")],
  },
  {
    name: "half a copy on a server counts as kept",
    file: "lib/sync/trash_server.ts",
    old: 'if (kept?.kind === "file" && kept.size === size) return;',
    new: 'if (kept?.kind === "file" && kept.size <= size) return;',
    tests: [sync("trash_faults")],
  },
  {
    name: "a copy that broke off stays in the trash",
    file: "lib/sync/trash_disk.ts",
    old: "    await Deno.remove(path);\n    throw error;\n  }\n}\n\nasync function putBack",
    new: "    throw error;\n  }\n}\n\nasync function putBack",
    tests: [sync("trash_faults")],
  },
  {
    name: "what no list names counts as kept",
    file: "lib/sync/trash.ts",
    old: "      await takeBack(spot, moved, { signal });\n      throw error;",
    new: "      return;",
    tests: [sync("trash_faults")],
  },
  {
    name: "a trash that others may write to is used",
    file: "cmd/memory_of_pair.ts",
    old: "if (home !== undefined && keeps) await guardTrash({ home, pair: pairName(pair) });",
    new: "",
    tests: [e2e("trash")],
  },
];
