/** One line of the engine made wrong. `old` stands in the file exactly once; `tests` are those that should notice. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly old: string;
  readonly new: string;
  readonly tests: readonly string[];
}

const engine = "tests/property/engine_test.ts";
const faults = "tests/fault/run_test.ts";

/** Sabotages of what lists, plans and guards. */
export const mutantsOfPlans: readonly Mutant[] = [
  {
    name: "a folder that cannot be read looks empty",
    file: "lib/sync/scan/scan.ts",
    old: "found.entries.push(unreadable(path, `it cannot be listed: ${failureReason(why)}`));",
    new: 'found.entries.push({ kind: "dir", path });',
    tests: ["tests/unit/sync/scan/scan_test.ts", faults],
  },
  {
    name: "a folder is taken for gone without a second look",
    file: "lib/sync/scan/scan.ts",
    old: 'if (why.kind === "notFound" && await isGone(backend, path, { signal })) return;',
    new: 'if (why.kind === "notFound") return;',
    tests: ["tests/unit/sync/scan/scan_test.ts"],
  },
  {
    name: "a name that is listed twice is taken as it comes last",
    file: "lib/sync/scan/scan.ts",
    old: "return bothUnnamed ? { ...before, why } : unreadable(entry.path, why);",
    new: "return bothUnnamed ? { ...before, why } : entry;",
    tests: ["tests/unit/sync/scan/scan_test.ts", "tests/unit/cases/names_test.ts"],
  },
  {
    name: "a temporary name of another run counts as one of our own",
    file: "lib/sync/scan/scan.ts",
    old: 'if (entry.kind === "dir" || !(tag.startsWith(partial) || tag.startsWith(aside))) {',
    new: 'if (entry.kind === "dir" || !(tag.startsWith("") || tag.startsWith(partial + aside))) {',
    tests: ["tests/unit/sync/scan/scan_test.ts", "tests/unit/cases/names_test.ts"],
  },
  {
    name: "-MaxRemove as a count refuses what just reaches it",
    file: "lib/sync/guards/guards.ts",
    old: "return count > maxRemove.count ?",
    new: "return count >= maxRemove.count ?",
    tests: ["tests/unit/sync/guards/guards_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "half of a side counts as more than half",
    file: "lib/sync/guards/guards.ts",
    old: "return count * 2 > before ?",
    new: "return count * 2 >= before ?",
    tests: ["tests/unit/sync/guards/guards_test.ts"],
  },
  {
    name: "ten removals count as more than ten",
    file: "lib/sync/guards/guards.ts",
    old: "if (count <= FEW) return undefined;",
    new: "if (count < FEW) return undefined;",
    tests: ["tests/unit/sync/guards/guards_test.ts"],
  },
  {
    name: "a side with half of its files left counts as fewer than half",
    file: "lib/sync/guards/guards.ts",
    old: "if (after * 2 < before) {",
    new: "if (after * 2 <= before) {",
    tests: ["tests/unit/sync/guards/guards_test.ts"],
  },
  {
    name: "an empty source is nothing strange",
    file: "lib/sync/guards/root_guards.ts",
    old: "if (!limits.remove || actions + untraced.length === 0 || countLeaves(before[source]) > 0) return;",
    new: "if (!limits.remove || actions + untraced.length === 0 || countLeaves(before[source]) >= 0) return;",
    tests: ["tests/unit/sync/guards/guards_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "a run is not held to its guards",
    file: "lib/sync/run.ts",
    old: "if (found.length === 0) return;",
    new: "if (found.length >= 0) return;",
    tests: ["tests/unit/sync/run_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "a missing source is nothing strange",
    file: "lib/sync/guards/root_checks.ts",
    old: "if (source === undefined) return { missing, entries };",
    new: "if (source === undefined || source !== undefined) return { missing, entries };",
    tests: ["tests/unit/sync/run_test.ts", "tests/unit/cases/upload_test.ts"],
  },
  {
    name: "two seconds are one time",
    file: "lib/sync/common/criteria.ts",
    old: "if (Math.abs(apart) < Math.min(step, CLOSE_MS)",
    new: "if (Math.abs(apart) <= Math.min(step, CLOSE_MS)",
    tests: ["tests/unit/sync/common/criteria_test.ts"],
  },
  {
    name: "removals go on after one failure",
    file: "lib/sync/apply/executor.ts",
    old: "actionLog.failures === 0) return undefined;",
    new: "actionLog.failures <= 1) return undefined;",
    tests: ["tests/unit/sync/apply/apply_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "removals go on after the run was cancelled",
    file: "lib/sync/apply/executor.ts",
    old: "if (actionLog.signal.aborted && !actionLog.stopped)",
    new: "if (actionLog.signal.aborted && actionLog.stopped)",
    tests: ["tests/unit/sync/apply/apply_test.ts", "tests/fault/apply_test.ts"],
  },
  {
    name: "what is renamed or touched is not looked at before",
    file: "lib/sync/common/entry_check.ts",
    old: "if (now !== undefined && isSameEntry(now, entry)) return now;",
    new: "if (now !== undefined) return now;",
    tests: ["tests/unit/sync/apply/apply_test.ts"],
  },
  {
    name: "another size is no other version",
    file: "lib/sync/common/entry_check.ts",
    old: "return now.size === before.size &&",
    new: "return now.kind === before.kind &&",
    tests: ["tests/unit/sync/apply/transfer_test.ts", "tests/unit/sync/apply/apply_test.ts"],
  },
  {
    name: "the target is not compared before it is overwritten",
    file: "lib/sync/apply/transfer.ts",
    old: 'return target ?? { path: action.path, expect: action.replaces ?? "absent" };',
    new: "return target ?? { path: action.path };",
    tests: ["tests/unit/sync/apply/transfer_test.ts", faults, "tests/unit/cases/changes_in_flight_test.ts"],
  },
  {
    name: "the source may change while it is read",
    file: "lib/sync/apply/transfer.ts",
    old: "      expect: source,\n",
    new: "",
    tests: [
      "tests/unit/sync/apply/transfer_test.ts",
      "tests/unit/cases/changes_in_flight_test.ts",
      "tests/unit/cases/download_test.ts",
    ],
  },
  {
    name: "a copy of another size is good",
    file: "lib/sync/apply/transfer.ts",
    old: "if (entry.size === source.size) return withSentChecksum",
    new: "if (entry.size >= 0) return withSentChecksum",
    tests: ["tests/unit/sync/apply/transfer_test.ts"],
  },
  {
    name: "a link that leads out by one step is made",
    file: "lib/sync/apply/transfer.ts",
    old: "if (depth < 0) return true;",
    new: "if (depth < -1) return true;",
    tests: ["tests/unit/sync/apply/transfer_test.ts"],
  },
  {
    name: "folders are removed from the top down",
    file: "lib/sync/apply/phases.ts",
    old: "folderRemovals: byDepth(emptied).toReversed(),",
    new: "folderRemovals: byDepth(folderRemovals),",
    tests: ["tests/unit/sync/apply/phases_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "removals come before what is brought",
    file: "lib/sync/apply/apply.ts",
    old: "  await runActions(phases.transfers, context);\n",
    new: "  await runRemovals(phases, context);\n  await runActions(phases.transfers, context);\n",
    tests: ["tests/unit/sync/apply/apply_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "a lock that was taken over is not noticed",
    file: "lib/sync/apply/apply.ts",
    old: "await options.isLockOwner?.() === false",
    new: "await options.isLockOwner?.() === undefined && false",
    tests: [
      "tests/unit/sync/apply/apply_test.ts",
      "tests/unit/sync/run_test.ts",
      "tests/fault/apply_test.ts",
      "tests/unit/cases/interruption_test.ts",
    ],
  },
  {
    name: "Unicode forms are not folded",
    file: "lib/sync/plan/names.ts",
    old: "if (!ASCII.test(path)) return foldPath(path, rules);",
    new: "if (!ASCII.test(path)) return rules.caseSensitive ? path : path.toLowerCase();",
    tests: ["tests/unit/sync/plan/names_test.ts", "tests/unit/cases/names_test.ts"],
  },
  {
    name: "removals are not held after a failed listing",
    file: "lib/sync/plan/remove.ts",
    old: "if (why === undefined) builder.actions.push(toRemoval(context, target, side));",
    new: "if (why !== null) builder.actions.push(toRemoval(context, target, side));",
    tests: ["tests/unit/sync/plan/one_way_test.ts", "tests/unit/cases/deletion_safety_test.ts"],
  },
  {
    name: "another size is no change since history was written",
    file: "lib/sync/plan/changes.ts",
    old: 'if (entry.size !== stamp.size) return "changed";',
    new: 'if (entry.size < 0) return "changed";',
    tests: ["tests/unit/sync/plan/two_way_test.ts", engine],
  },
  {
    name: "a mark that was too young is trusted",
    file: "lib/sync/plan/changes.ts",
    old: 'return provisional === side || provisional === "both";',
    new: "return provisional === side && provisional !== side;",
    tests: ["tests/unit/sync/plan/two_way_test.ts", "tests/unit/cases/time_stamps_test.ts"],
  },
  {
    name: "an absence that was accepted comes back as a deletion",
    file: "lib/sync/plan/one_way.ts",
    old: "if (isLeaf(one[to])) context.builder.counts.onlyThere++;\n    removeFromHistory(context, one.base);",
    new: "if (isLeaf(one[to])) context.builder.counts.onlyThere++;",
    tests: ["tests/unit/sync/plan/one_way_test.ts", "tests/unit/sync/plan/two_way_test.ts", engine],
  },
  {
    name: "deletions travel without -Remove",
    file: "lib/sync/plan/two_way.ts",
    old: 'const found = options.remove ? findNewContent(context, on, block) : "some";',
    new: "const found = findNewContent(context, on, block);",
    tests: ["tests/unit/sync/plan/two_way_test.ts"],
  },
  {
    name: "a deletion wins over an edit",
    file: "lib/sync/plan/changes.ts",
    old: 'if (change === "changed") return "some";',
    new: 'if (change === "changed" && row.base === undefined) return "some";',
    tests: ["tests/unit/sync/plan/two_way_test.ts", engine],
  },
  {
    name: "a conflict copy takes a name that is taken",
    file: "lib/sync/plan/conflict.ts",
    old: "if (names.isTaken(name) || builder.copyNames.has(names.key(name))) continue;",
    new: "if (builder.copyNames.has(names.key(name))) continue;",
    tests: ["tests/unit/sync/plan/conflict_test.ts", "tests/unit/cases/two_way_test.ts"],
  },
  {
    name: "the loser of a conflict is not kept",
    file: "lib/sync/plan/conflict.ts",
    old: "    backupPath: name,\n",
    new: "",
    tests: ["tests/unit/sync/plan/conflict_test.ts", "tests/unit/cases/two_way_test.ts"],
  },
];
