import type { Mutant } from "./list.ts";

/** Sabotages of files that are written under their final names or in place, and of what history knows of them. */
export const mutantsOfDirectWrites: readonly Mutant[] = [
  {
    name: "history does not know of files that are written under their final names",
    file: "lib/sync/apply/transfer.ts",
    old: "onDirectWrite: async () => await options.onDirectWrite?.(action),",
    new: "onDirectWrite: async () => {},",
    tests: ["tests/unit/sync/direct_writes_test.ts"],
  },
  {
    name: "the record of files that were not begun stays",
    file: "lib/sync/record_run.ts",
    old: "unbegun.length === 0 ? settled.updates :",
    new: "unbegun.length >= 0 ? settled.updates :",
    tests: ["tests/unit/sync/direct_writes_test.ts"],
  },
  {
    name: "a half-written file is taken for the last whole one",
    file: "lib/sync/record_run.ts",
    old: "if (base?.partialSide === to) return [];",
    new: "if (base?.partialSide === (to as string) + to) return [];",
    tests: ["tests/unit/sync/direct_writes_test.ts"],
  },
  {
    name: "what a write that only began left counts as a file that was deleted",
    file: "lib/sync/guards/root_guards.ts",
    old: 'base.kind !== "dir" && !isOnlyBegun(base)',
    new: 'base.kind !== "dir"',
    tests: ["tests/unit/sync/direct_writes_test.ts"],
  },
  {
    name: "an existing file is replaced though it cannot be renamed",
    file: "lib/backends/shared/direct_writes.ts",
    old: 'if (options.expect !== "absent") {',
    new: "if (options.expect === undefined && options.size < 0) {",
    tests: ["tests/unit/backends/shared/direct_writes_test.ts"],
  },
  {
    name: "a complete file is still taken for one that was begun",
    file: "lib/backends/shared/direct_writes.ts",
    old: "this.#begun.delete(target.serverPath);",
    new: "this.#begun.add(target.serverPath);",
    tests: ["tests/unit/backends/shared/direct_writes_test.ts"],
  },
];
