import type { Mutant } from "./mutants_list.ts";

const sync = (name: string) => `tests/unit/sync/${name}_test.ts`;
const cases = (name: string) => `tests/unit/cases/${name}_test.ts`;
const engine = "tests/property/engine_test.ts";

/** Sabotages of what carries plans out, remembers, compares and locks. */
export const mutantsOfWork: readonly Mutant[] = [
  {
    name: "what lies in a folder that could not be made is tried all the same",
    file: "lib/sync/attempts.ts",
    old: 'if (action.do === "makeDir") this.#missing[action.to].set(action.path, error);',
    new: 'if (action.do === "makeDir") this.#missing[action.to].delete(action.path);',
    tests: [sync("apply")],
  },
  {
    name: "a dead server is asked for every file",
    file: "lib/sync/attempts.ts",
    old: "if (endsAll(why.kind) && !this.signal.aborted) this.#giveUp(why);",
    new: "if (endsAll(why.kind) && this.signal.aborted) this.#giveUp(why);",
    tests: ["tests/fault/apply_test.ts"],
  },
  {
    name: "history records what was planned, done or not",
    file: "lib/sync/settle_lessons.ts",
    old: "(done.has(action) ? learnDone(action, judged) : learnUndone(action, facts))",
    new: "(done.size >= 0 ? learnDone(action, judged) : learnUndone(action, facts))",
    tests: [sync("settle"), cases("tw"), engine],
  },
  {
    name: "history believes whatever is listed after the run",
    file: "lib/sync/settle_lessons.ts",
    old: "if (seen.size !== result.size) return false;",
    new: "if (seen.size >= 0) return true;",
    tests: [sync("settle"), engine],
  },
  {
    name: "a checksum of half a file counts",
    file: "lib/sync/digest.ts",
    old: "if (bytes !== entry.size) {",
    new: "if (bytes > entry.size) {",
    tests: [sync("digest")],
  },
  {
    name: "what waits for a checksum that cannot be had is left undecided",
    file: "lib/sync/run.ts",
    old: "if (first.open.length + mayBeFree.length === 0) return first;",
    new: "if (toOpenPairs([...first.open, ...mayBeFree], snapshots).length === 0) return first;",
    tests: [cases("tw_folders"), engine],
  },
  {
    name: "a one-way run tidies up where it only reads",
    file: "lib/sync/run.ts",
    old: 'local: options.mode === "Remote" ? [] : scans.local.leftovers,',
    new: "local: scans.local.leftovers,",
    tests: [cases("in"), engine],
  },
  {
    name: "a file that somebody just wrote is moved aside and lost",
    file: "lib/sync/replace.ts",
    old: "if (backend.traits.atomicRename) await expectSame(backend, { ...replaces, path }, call);\n",
    new: "",
    tests: [cases("fl")],
  },
  {
    name: "a file of another time counts as the expected one",
    file: "lib/backends/expect.ts",
    old: "Math.abs(is - was) > step) return",
    new: "Math.abs(is - was) < 0) return",
    tests: ["tests/unit/backends/expect_test.ts", cases("fl")],
  },
  {
    name: "bytes are renamed into place before they are on the disk",
    file: "lib/backends/local_draft.ts",
    old: "if (this.#disk.durable) await file.syncData();",
    new: "if (!this.#disk.durable) await file.syncData();",
    tests: [cases("dl")],
  },
  {
    name: "a temporary name that is taken is written to",
    file: "lib/backends/local_draft.ts",
    old: "createNew: true, mode };",
    new: "create: true, mode };",
    tests: ["tests/unit/backends/local_write_test.ts", "tests/contract/local_test.ts"],
  },
  {
    name: "history is in place before it is on the disk",
    file: "lib/sync/history.ts",
    old: "  await file.sync();\n",
    new: "",
    tests: [cases("in")],
  },
  {
    name: "a history of another pair is believed",
    file: "lib/sync/pair_name.ts",
    old: "if (then.local !== now.local) return",
    new: 'if (then.local === "") return',
    tests: [sync("history")],
  },
  {
    name: "a lock that is held is free",
    file: "lib/sync/lock.ts",
    old: "return !(world.isAlive ?? isAlive)(holder.pid);",
    new: "return (world.isAlive ?? isAlive)(holder.pid);",
    tests: [sync("lock")],
  },
  {
    name: "a lock of another machine is judged by our process ids",
    file: "lib/sync/lock.ts",
    old: "if (holder.host !== self.host) return false;",
    new: 'if (holder.host === "") return false;',
    tests: [sync("lock")],
  },
  {
    name: "an empty folder that the other side cannot hold brings a deleted folder back",
    file: "lib/sync/plan_history.ts",
    old: "if (isOld && !context.sides[otherSide(side)].traits.hasDirs) continue;",
    new: "",
    tests: [cases("tw_folders"), engine],
  },
  {
    name: "a folder spelled otherwise shows no trace of a deletion",
    file: "lib/sync/plan_trace.ts",
    old: "const key = (path: RelPath) => foldPath(path, { caseSensitive, normalizes });",
    new: "const key = (path: RelPath) => caseSensitive && normalizes ? path : path;",
    tests: [cases("nm"), engine],
  },
];
