import type { Mutant } from "./mutants_list.ts";

const sync = (name: string) => `tests/unit/sync/${name}_test.ts`;
const steps = "tests/property/steps_test.ts";

/** Sabotages of what tells an edit that follows another at once, and of what becomes of times that servers do not keep. */
export const mutantsOfPlan: readonly Mutant[] = [
  {
    name: "a source is compared with the target's time, though its own mark moved",
    file: "lib/sync/plan_pair.ts",
    old: 'if (own !== undefined && own !== "differ") return weigh(',
    new: 'if (own !== undefined && own === "unknown") return weigh(',
    tests: [sync("plan_doubt"), steps],
  },
  {
    name: "a mark that is too young is believed one way",
    file: "lib/sync/plan_pair.ts",
    old: "if (doubted.length > 0 && !isEdited) {",
    new: "if (doubted.length > 1e9 && !isEdited) {",
    tests: [sync("plan_doubt"), steps],
  },
  {
    name: "a mark that is too young is believed in Both",
    file: "lib/sync/plan_both_files.ts",
    old: "const isTelling = doubted.length > 0 &&",
    new: "const isTelling = doubted.length > 1e9 &&",
    tests: [sync("plan_doubt"), steps],
  },
  {
    name: "files in doubt are not read",
    file: "lib/sync/run_plan.ts",
    old: "const doubts = toDoubts(unsure, snapshots, history);",
    new: "const doubts = toDoubts([], snapshots, history);",
    tests: [sync("run_times"), steps],
  },
  {
    name: "two edits of one second are taken for one in Both",
    file: "lib/sync/plan_both_files.ts",
    old: "const isHidden = wereInStep && !isFine(context, pair);",
    new: "const isHidden = wereInStep && !wereInStep;",
    tests: [sync("plan_doubt"), steps],
  },
  {
    name: "a time less than two seconds newer wins a conflict",
    file: "lib/sync/plan_conflict.ts",
    old: 'if (conflict !== "Newest" || isClose(local.modified, remote.modified)) return undefined;',
    new: 'if (conflict !== "Newest") return undefined;',
    tests: [sync("plan_conflict")],
  },
  {
    name: "a difference below two seconds is none",
    file: "lib/sync/criteria.ts",
    old: "Math.abs(apart) < Math.min(step, CLOSE_MS)",
    new: "Math.abs(apart) < CLOSE_MS",
    tests: [sync("criteria")],
  },
  {
    name: "an upload is only remembered where its time was kept",
    file: "lib/sync/settle_marks.ts",
    old: "return isSame || isKept || isOfThisRun ?",
    new: "return isKept ?",
    tests: [sync("settle"), sync("run_times")],
  },
  {
    name: "a server's own time is a mark to rely on",
    file: "lib/sync/settle_lessons.ts",
    old: "found.isSure ? ripe : toDoubted(ripe, to)",
    new: "found.isSure ? ripe : ripe",
    tests: [sync("settle"), steps],
  },
  {
    name: "what was sent has no checksum where an edit could hide behind its time",
    file: "lib/sync/transfer.ts",
    old: "if (keepsTime(entry, source, to.traits) && !isYoung) return entry;",
    new: "if (!isYoung || isYoung) return entry;",
    tests: [sync("transfer"), sync("run_times")],
  },
  {
    name: "an equal revision is proof where revisions are weak",
    file: "lib/sync/plan_history.ts",
    old: 'if (!isSameTime()) return "time";',
    new: 'if (!isSameTime() && !isSameRevision) return "time";',
    tests: [sync("plan_doubt")],
  },
  {
    name: "revisions that are another in each answer are changes",
    file: "lib/sync/plan_history.ts",
    old: 'return isSameRevision || context.loose[side] ? "same" : "revision";',
    new: 'return isSameRevision ? "same" : "revision";',
    tests: [sync("plan_doubt")],
  },
  {
    name: "the time of an arrival is that of an edit on WebDAV",
    file: "lib/backends/webdav_entry.ts",
    old: "...(ownTimes === true ? { isArrival: true } : {})",
    new: "...(ownTimes === true ? {} : {})",
    tests: ["tests/unit/backends/webdav_entry_test.ts"],
  },
  {
    name: "a later arrival is fetched without a look at its content",
    file: "lib/sync/plan_pair.ts",
    old: 'return { is: comesLater ? "askBack" : "askFree" };',
    new: 'return { is: "askFree" };',
    tests: [sync("run_times")],
  },
  {
    name: "each time that is not kept is a warning of its own",
    file: "lib/report/result.ts",
    old: "if (isUntimed !== true) this.#warnings.push(...told);",
    new: "if (isUntimed !== false) this.#warnings.push(...told);",
    tests: ["tests/unit/report/result_test.ts"],
  },
  {
    name: "a time that is ignored goes unsaid",
    file: "lib/sync/perform_times.ts",
    old: "...(isUntimed || isLost ? { isUntimed: true } : {}),",
    new: "...(isUntimed ? { isUntimed: true } : {}),",
    tests: [sync("run_times")],
  },
  {
    name: "a remote root that is missing at the first contact is refused with -Remove",
    file: "lib/sync/run_roots.ts",
    old: 'return mode === "Both" && missing.remote && !isStore && known ? "remote" : undefined;',
    new: 'return mode === "Both" && missing.remote && !isStore ? "remote" : undefined;',
    tests: [sync("run")],
  },
  {
    name: "a remote root that was there once is made anew",
    file: "lib/sync/run_roots.ts",
    old: 'return mode === "Both" && missing.remote && !isStore && known ? "remote" : undefined;',
    new: 'return mode === "Both" && missing.remote && !isStore && !known ? undefined : undefined;',
    tests: [sync("run")],
  },
];
