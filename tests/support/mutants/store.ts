import type { Mutant } from "./list.ts";

const confirm = "tests/unit/sync/confirm/confirm_test.ts";
const listings = "tests/property/listing_test.ts";
const scan = "tests/unit/sync/scan/scan_test.ts";
const wall = "tests/unit/sync/scan/entry_validator_test.ts";
const store = "tests/unit/sync/run_store_test.ts";
const s3 = "tests/unit/backends/s3/hostile_test.ts";
const gcs = "tests/unit/backends/gcs/hostile_test.ts";

/** Sabotages of what confirms absences, bounds listings and checks what stores send. */
export const mutantsOfStore: readonly Mutant[] = [
  {
    name: "store: absences are believed as they are listed",
    file: "lib/sync/run.ts",
    old: "const made = isRefused ? raw :",
    new: "const made = !isRefused ? raw :",
    tests: [confirm],
  },
  {
    name: "store: the old name of a move is not confirmed to be gone",
    file: "lib/sync/confirm/confirm.ts",
    old: 'return [{ action, path: action.source.path, expected: "absent" }];',
    new: "return [];",
    tests: [confirm, listings],
  },
  {
    name: "store: a folder takes a file's place on the word of one listing",
    file: "lib/sync/confirm/confirm.ts",
    old: 'return action.replaces === undefined ? [] : [{ action, path: action.path, expected: "dir" }];',
    new: "return [];",
    tests: [confirm, listings],
  },
  {
    name: "store: what cannot be asked for counts as absent",
    file: "lib/sync/confirm/confirm.ts",
    old: "    return await toDoubt(error, listing);",
    new: "    return void await toDoubt(error, listing);",
    tests: [confirm],
  },
  {
    name: "store: many removals are confirmed by a sample alone",
    file: "lib/sync/confirm/confirm.ts",
    old: "if (isIt) doubts.set(claim.action, wronglyAbsent(listing.side));",
    new: "if (isIt && checksAll) doubts.set(claim.action, wronglyAbsent(listing.side));",
    tests: [confirm],
  },
  {
    name: "store: names that servers hide are not looked at among many",
    file: "lib/sync/confirm/confirm.ts",
    old: "return [...kinds, ...odd, ...spread",
    new: "return [...kinds, ...odd.slice(0, 0), ...spread",
    tests: [confirm],
  },
  {
    name: "store: a hidden name counts as one that a listing missed",
    file: "lib/sync/confirm/confirm.ts",
    old: 'return { is: "hidden", why:',
    new: 'return { is: "wrong", why:',
    tests: [confirm],
  },
  {
    name: "store: a wrong listing holds nothing else",
    file: "lib/sync/confirm/confirmed_plan.ts",
    old: "const removalBlock = first === undefined || options.removeDespiteFailures",
    new: "const removalBlock = first !== undefined || options.removeDespiteFailures",
    tests: [confirm],
  },
  {
    name: "store: a folder goes though something in it stays",
    file: "lib/sync/confirm/confirmed_plan.ts",
    old: 'if (action.do === "remove" && above[action.to].has(action.path)) return "something in it stays";\n',
    new: "",
    tests: [confirm],
  },
  {
    name: "store: what is listed and cannot be read has vanished",
    file: "lib/sync/apply/executor.ts",
    old: '    if (action.do === "copy" && "vanished" in outcome) await vanished.confirmGone(action);\n',
    new: "",
    tests: [confirm],
  },
  {
    name: "store: a listing most of whose names are not there is believed",
    file: "lib/sync/apply/vanished.ts",
    old: "if (likely * 2 <= countLeaves(options.snapshot)) return;",
    new: "if (likely <= countLeaves(options.snapshot)) return;",
    tests: [confirm],
  },
  {
    name: "store: what lies below a folder that became a link is removed",
    file: "lib/sync/apply/executor.ts",
    old: '  if (action.do === "remove") await context.parents.assertFolders(action.to, action.path);\n',
    new: "",
    tests: ["tests/unit/sync/apply/apply_test.ts"],
  },
  {
    name: "store: a name of a listing may lead out of its folder",
    file: "lib/sync/scan/entry_validator.ts",
    old: "return this.#toChecked(entry, explainInvalidName(nameOf(entry.path), this.#options.names));",
    new: "return entry;",
    tests: [wall],
  },
  {
    name: "store: a listing takes all the memory there is",
    file: "lib/sync/scan/entry_validator.ts",
    old: "if (this.#bytes <= this.#maxBytes) return;",
    new: "if (this.#bytes <= 64 * this.#maxBytes) return;",
    tests: [wall],
  },
  {
    name: "store: one folder that breaks the link ends the run",
    file: "lib/sync/common/ends_run.ts",
    old: "return await backend.stat(root, call).then(() => call.signal.aborted, () => true);",
    new: "return await backend.stat(root, call).then(() => true, () => true);",
    tests: [scan, "tests/fault/run_test.ts"],
  },
  {
    name: "store: a server that stays overloaded is another run of the pair",
    file: "lib/sync/run.ts",
    old: 'const isBusy = error instanceof SyncError && error.kind === "busy";',
    new: 'const isBusy = error instanceof SyncError && error.kind === "full";',
    tests: ["tests/fault/run_test.ts"],
  },
  {
    name: "store: a later page is asked for once",
    file: "lib/backends/s3/list.ts",
    old: "? requestPage() : withRetry(requestPage, context)",
    new: "? requestPage() : requestPage()",
    tests: [s3],
  },
  {
    name: "store: a condition that a store refuses is replaced by nothing",
    file: "lib/backends/s3/conditional_write.ts",
    old: "    await look();\n    // If something else was refused",
    new: "    // If something else was refused",
    tests: ["tests/unit/backends/s3/conditional_write_test.ts"],
  },
  {
    name: "store: a copy without a condition takes whatever is there",
    file: "lib/backends/s3/changes.ts",
    old: "if (now?.etag !== etag) throw operationError(from,",
    new: "if (now === undefined) throw operationError(from,",
    tests: ["tests/unit/backends/s3/conditional_write_test.ts"],
  },
  {
    name: "store: leftovers of other programs are missing from their side",
    file: "lib/sync/scan/scan.ts",
    old: 'return { kind: "opaque", path, cause: "foreign",',
    new: 'return entry.size >= 0 ? undefined : { kind: "opaque", path, cause: "foreign",',
    tests: ["tests/unit/cases/foreign_leftovers_test.ts"],
  },
  {
    name: "store: a side that holds leftovers alone was emptied",
    file: "lib/sync/guards/root_guards.ts",
    old: "recorded.filter((path) => !isForeign(before[side].get(path)));",
    new: "recorded;",
    tests: ["tests/unit/cases/foreign_leftovers_test.ts"],
  },
  {
    name: "store: an empty prefix that is known is a lost root",
    file: "lib/sync/run.ts",
    old: "missing: missing[side] && sides[side].traits.hasDirs,",
    new: "missing: missing[side],",
    tests: [store],
  },
  {
    name: "store: content without an ETag is not held against the listing's",
    file: "lib/backends/s3/read.ts",
    old: "const etag = facts.etag ?? expect?.revision;",
    new: "const etag = facts.etag;",
    tests: [s3],
  },
  {
    name: "store: an upload in parts is read without its version",
    file: "lib/backends/s3/read.ts",
    old: 'if (facts.etag !== expect?.revision) throw operationError(request, "changed"',
    new: 'if (facts.etag === "") throw operationError(request, "changed"',
    tests: [s3],
  },
  {
    name: "store: content that nothing checks is not told of",
    file: "lib/backends/gcs/read.ts",
    old: "if (isWhole && hashes === noHashes) request.onUnchecked?.();",
    new: "if (!isWhole && hashes === noHashes) request.onUnchecked?.();",
    tests: [gcs],
  },
  {
    name: "store: Cloud Storage's content is held against its own word",
    file: "lib/backends/gcs/read.ts",
    old: "if (listed !== undefined) return {",
    new: 'if (listed === "") return {',
    tests: [gcs],
  },
  {
    name: "looks that do not find what is listed are believed",
    file: "lib/sync/confirm/confirm.ts",
    old: "if (unreliable !== undefined) {",
    new: "if (unreliable !== undefined && claims.length < 0) {",
    tests: ["tests/unit/sync/confirm/blind_looks_test.ts"],
  },
  {
    name: "a type change is confirmed though another spelling is of another kind",
    file: "lib/sync/confirm/confirm.ts",
    old: "return kinds.size === 1 && kinds.has(kind);",
    new: "return kinds.has(kind);",
    tests: [confirm],
  },
];
