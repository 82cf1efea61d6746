import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import type { Side } from "../../../../lib/core/entry.ts";
import { knownAs, notesOf, planFor, type PlanInput, refusalsOf, START } from "../../../support/planning/planning.ts";
import { summarizeActions, sumOf } from "../../../support/planning/planning.ts";
import type { BaseEntry } from "../../../../lib/core/history.ts";

/**
 * What a one-way run does with a file of both sides. Columns: local newer, sizes equal or not; local older; same time. "C" copies,
 * "k" keeps a newer target, "-" finds nothing to do.
 */
const table: readonly (readonly [mode: "Local" | "Remote", criteria: string, mirror: boolean, cells: string])[] = [
  ["Remote", "None", false, "- - - - - -"],
  ["Remote", "None", true, "- - - - - -"],
  ["Remote", "Time", false, "C C k k - -"],
  ["Remote", "Time", true, "C C C C - -"],
  ["Remote", "Size", false, "- C - C - C"],
  ["Remote", "Size", true, "- C - C - C"],
  ["Remote", "Either", false, "C C k k - C"],
  ["Remote", "Either", true, "C C C C - C"],
  ["Local", "None", false, "- - - - - -"],
  ["Local", "None", true, "- - - - - -"],
  ["Local", "Time", false, "k k C C - -"],
  ["Local", "Time", true, "C C C C - -"],
  ["Local", "Size", false, "- C - C - C"],
  ["Local", "Size", true, "- C - C - C"],
  ["Local", "Either", false, "k k C C - C"],
  ["Local", "Either", true, "C C C C - C"],
  ["Remote", "Time,Size", false, "C C k k - C"],
  ["Local", "Time,Size", true, "C C C C - C"],
];

const columns = [[2000, 5], [2000, 6], [-2000, 5], [-2000, 6], [0, 5], [0, 6]] as const;

for (const [mode, criteria, mirror, cells] of table) {
  columns.forEach(([later, size], i) => {
    const expected = cells.split(" ")[i];
    const when = later > 0 ? "newer" : later < 0 ? "older" : "of the same time";
    const name = `${mode} -Criteria ${criteria}${mirror ? " -Mirror" : ""}: local ${when}, size ${
      size === 5 ? "equal" : "other"
    }`;
    Deno.test(`plan() decides ${name}: ${expected}`, () => {
      const made = planFor({
        mode,
        criteria,
        mirror,
        local: { f: { modified: START + later, size } },
        remote: { f: {} },
      });
      const done = made.actions.length > 0 ? "C" : notesOf(made).includes("keptNewer f") ? "k" : "-";
      assert.equal(done, expected);
      assert.deepEqual(
        made.actions.map(({ to }) => to),
        expected === "C" ? [mode === "Local" ? "local" : "remote"] : [],
      );
    });
  });
}

const pair = (given: Omit<PlanInput, "mode"> & { readonly mode?: PlanInput["mode"] }) =>
  planFor({ mode: "Remote", ...given });

Deno.test("plan() replaces exactly what the listing showed", () => {
  const made = pair({ local: { f: { modified: START + 5000 } }, remote: { f: { mode: 0o600 } } });
  const [action] = made.actions;
  assert.equal(action?.do === "copy" && action.replaces?.kind === "file" && action.replaces.mode, 0o600);
});

Deno.test("UP-04 plan() sends a file of other size though its time was set back", () => {
  assert.deepEqual(summarizeActions(pair({ local: { f: { size: 6 } }, remote: { f: {} } }).actions), [
    "copy remote f size",
  ]);
});

Deno.test("UP-09 plan() says that -Mirror replaces a newer file", () => {
  const made = pair({ mirror: true, local: { f: {} }, remote: { f: { modified: START + 9000 } } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote f newer"]);
  assert.deepEqual(notesOf(made), ["replacedNewer f"]);
});

Deno.test("UP-10 plan() leaves a differing file alone under -SkipModified, and says so", () => {
  const made = pair({ skipModified: true, local: { f: { size: 6 }, g: {}, h: {} }, remote: { f: {} } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote g new", "copy remote h new"]);
  assert.deepEqual(made.refusals.map(({ path, kind }) => `${kind} ${path}`), ["exists f"]);
});

Deno.test("plan() passes an unknown time on to the size", () => {
  const remote = { f: { modified: undefined } } as unknown as NonNullable<PlanInput["remote"]>;
  assert.deepEqual(summarizeActions(pair({ local: { f: {} }, remote }).actions), []);
  assert.deepEqual(summarizeActions(pair({ local: { f: { size: 6 } }, remote }).actions), ["copy remote f size"]);
});

Deno.test("plan() compares times at the step of the coarser listing", () => {
  const local = { f: { modified: START + 59_000 } };
  assert.deepEqual(pair({ local, remote: { f: { timeStep: 60_000 } } }).actions, []);
  assert.deepEqual(pair({ local, remote: { f: {} }, traits: { timeStep: 60_000 } }).actions, []);
  assert.equal(pair({ local, remote: { f: {} } }).actions.length, 1);
});

Deno.test("plan() asks for checksums where time and size did not decide", () => {
  const made = pair({ criteria: "Time,Checksum", checksumPolicy: "needed", local: { f: {} }, remote: { f: {} } });
  assert.deepEqual([made.undecided, made.actions], [["f"], []]);
});

Deno.test("plan() asks for no checksum where sizes differ", () => {
  const made = pair({ criteria: "Checksum", checksumPolicy: "needed", local: { f: { size: 6 } }, remote: { f: {} } });
  assert.deepEqual([made.undecided, summarizeActions(made.actions)], [[], ["copy remote f checksum"]]);
});

Deno.test("UP-06 plan() sends other bytes of equal size and time under Checksum only", () => {
  const sides = { local: { f: { checksum: sumOf("x") } }, remote: { f: { checksum: sumOf("y") } } };
  assert.deepEqual(pair({ criteria: "Either", ...sides }).actions, []);
  assert.deepEqual(summarizeActions(pair({ criteria: "Checksum", ...sides }).actions), ["copy remote f checksum"]);
});

Deno.test("plan() fails a file whose checksum cannot be had", () => {
  const made = pair({ criteria: "Checksum", checksumPolicy: "nothing", local: { f: {} }, remote: { f: {} } });
  assert.deepEqual([refusalsOf(made), made.actions], [["remote f unsupported"], []]);
});

Deno.test("UP-05 plan() only sets the time of a touched file whose content is proven", () => {
  const local = { f: { modified: START + 9000, checksum: sumOf("x") } };
  for (const criteria of ["Either", "Time", "Time,Checksum", "Checksum"]) {
    const made = pair({ criteria, local, remote: { f: { checksum: sumOf("x") } } });
    assert.deepEqual(summarizeActions(made.actions), ["touch remote f newer"], criteria);
    assert.equal(made.actions[0]?.do === "touch" && made.actions[0].modified, START + 9000);
  }
});

Deno.test("plan() asks for a free checksum before a transfer that only a time causes", () => {
  const given = { local: { f: { modified: START + 9000 } }, remote: { f: {} } };
  const asking = pair({ checksumPolicy: "free", ...given });
  assert.deepEqual([asking.hashIfFree, asking.undecided, asking.actions], [["f"], [], []]);
  assert.deepEqual(summarizeActions(pair({ checksumPolicy: "needed", ...given }).actions), ["copy remote f newer"]);
});

Deno.test("plan() sets no time where none can be kept", () => {
  const local = { f: { modified: START + 9000, checksum: sumOf("x") } };
  const made = pair({ local, remote: { f: { checksum: sumOf("x") } }, traits: { timeStep: undefined } });
  assert.deepEqual(made.actions, []);
});

Deno.test("plan() does not take an upload time for a newer edit under -Mirror", () => {
  const remote = { f: { modified: START + 9000 } };
  const made = pair({ mirror: true, local: { f: {} }, remote, traits: { timeStep: undefined } });
  assert.deepEqual(made.actions, []);
});

Deno.test("plan() sends a file that was edited since it was uploaded, whatever times the server keeps", () => {
  const made = pair({ local: { f: { modified: START + 9000 } }, remote: { f: {} }, traits: { timeStep: undefined } });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote f newer"]);
});

Deno.test("plan() takes the remembered time for a server that keeps none", () => {
  const known: BaseEntry = {
    path: toRelPath("f"),
    kind: "file",
    local: { size: 5, modified: START },
    remote: { size: 5, modified: START + 500_000 },
  };
  const remote = { f: { modified: START + 500_000 } };
  const down = (local: number) => planFor({ mode: "Local", known: [known], local: { f: { modified: local } }, remote });
  assert.deepEqual(down(START).actions, []);
  const up = pair({ known: [known], local: { f: { modified: START + 1 } }, remote });
  assert.deepEqual(summarizeActions(up.actions), ["copy remote f newer"]);
});

Deno.test("plan() asks for both spellings of a pair", () => {
  const made = pair({
    criteria: "Checksum",
    checksumPolicy: "needed",
    local: { "A.txt": {} },
    remote: { "a.txt": {} },
    traits: { caseSensitive: false },
  });
  assert.deepEqual(made.undecided, ["A.txt", "a.txt"]);
});

Deno.test("plan() learns what a one-way run found equal, once", () => {
  const given = { local: { f: {} }, remote: { f: {} } };
  assert.deepEqual(pair(given).historyUpdates, []);
  const first = pair({ known: [], ...given });
  assert.deepEqual(first.historyUpdates.map(({ path, base: known }) => [path, known?.kind]), [["f", "file"]]);
  assert.deepEqual(pair({ known: knownAs("f"), ...given }).historyUpdates, []);
});

Deno.test("plan() learns nothing of a pair that only looks settled", () => {
  const made = pair({ known: [], criteria: "Time", local: { f: { size: 6 } }, remote: { f: {} } });
  assert.deepEqual([made.actions, made.historyUpdates], [[], []]);
});

Deno.test("plan() replaces a link that points elsewhere", () => {
  const sides = { local: { l: { link: "x" } }, remote: { l: { link: "y" } } };
  assert.deepEqual(summarizeActions(pair(sides).actions), ["copy remote l checksum"]);
  assert.deepEqual(pair({ criteria: "None", ...sides }).actions, []);
  assert.deepEqual(pair({ local: { l: { link: "x" } }, remote: { l: { link: "x" } } }).actions, []);
});

Deno.test("plan() asks for no checksum that sizes make needless", () => {
  const made = pair({ checksumPolicy: "free", local: { f: { size: 6, modified: START + 9000 } }, remote: { f: {} } });
  assert.deepEqual([made.hashIfFree, summarizeActions(made.actions)], [[], ["copy remote f newer"]]);
});

const changed = { size: 7, modified: START + 60_000 };
const begun = (side: Side) => knownAs("f").map((known): BaseEntry => ({ ...known, partialSide: side }));

Deno.test("plan() makes a file whole that a run left half written in place, though it is the newer one", () => {
  const given = { known: begun("remote"), local: { f: {} }, remote: { f: changed } };
  const made = planFor({ mode: "Remote", inPlace: true, ...given });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote f checksum"]);
  assert.equal(made.actions[0]?.do === "copy" && made.actions[0].inPlace, true);
  assert.deepEqual(summarizeActions(planFor({ mode: "Both", ...given }).actions), ["copy remote f size"]);
});

Deno.test("plan() never takes a half-written file for a source", () => {
  const made = planFor({
    mode: "Local",
    mirror: true,
    known: begun("remote"),
    local: { f: {} },
    remote: { f: changed },
  });
  assert.deepEqual([made.actions, refusalsOf(made)], [[], ["remote f changed"]]);
});

Deno.test("plan() lets no half-written file come back that was deleted on the other side", () => {
  const made = planFor({ mode: "Both", remove: true, known: begun("remote"), remote: { f: changed } });
  assert.deepEqual(summarizeActions(made.actions), ["remove remote f gone"]);
});

Deno.test("plan() forgets that a file was begun which looks as it did before, or is proven to be whole", () => {
  const sum = { checksum: sumOf("x") };
  for (const mode of ["Remote", "Both"] as const) {
    const asBefore = planFor({ mode, known: begun("remote"), local: { f: {} }, remote: { f: {} } });
    const proven = planFor({
      mode,
      known: begun("remote"),
      local: { f: sum },
      remote: { f: { ...changed, size: 5, ...sum } },
    });
    assert.deepEqual(asBefore.actions, []);
    assert.deepEqual(
      [asBefore.historyUpdates.length, asBefore.historyUpdates[0]?.base?.partialSide],
      [1, undefined],
      mode,
    );
    assert.ok(proven.actions.every((action) => action.do === "touch"), mode);
  }
});

Deno.test("plan() asks for a free checksum where a time tells only when the file came there", () => {
  const asked = pair({
    checksumPolicy: "free",
    local: { f: {} },
    remote: { f: { modified: START + 9000, isUploadTime: true } },
  });
  assert.deepEqual([summarizeActions(asked.actions), asked.hashIfFree], [[], ["f"]]);
  const edited = pair({
    checksumPolicy: "free",
    local: { f: { modified: START + 9000 } },
    remote: { f: { isUploadTime: true } },
  });
  assert.deepEqual(summarizeActions(edited.actions), []);
  assert.deepEqual(edited.hashIfFree, ["f"]);
});

for (const [sum, done] of [["md5:1", []], ["md5:2", ["copy remote f checksum"]]] as const) {
  Deno.test(`plan() believes a checksum rather than the time of an arrival: ${done.length} copies`, () => {
    const made = pair({
      checksumPolicy: "nothing",
      local: { f: { checksum: "md5:1" } },
      remote: { f: { modified: START + 9000, isUploadTime: true, checksum: sum } },
    });
    assert.deepEqual(summarizeActions(made.actions), done);
    assert.deepEqual(notesOf(made), []);
  });
}

Deno.test("plan() replaces nothing under -Mirror because it came there later, unless its size is another", () => {
  const remote = {
    f: { modified: START + 9000, isUploadTime: true },
    g: { modified: START + 9000, isUploadTime: true },
  } as const;
  const made = pair({ mirror: true, local: { f: {}, g: { size: 6 } }, remote });
  assert.deepEqual(summarizeActions(made.actions), ["copy remote g size"]);
});

Deno.test("plan() takes nothing for a deletion, or for an edit, because a first copy in place was noted that never began", () => {
  const known = begun("remote").map(({ local: _, ...rest }) => rest);
  const gone = planFor({ mode: "Both", remove: true, known, remote: { f: {} } });
  assert.deepEqual(summarizeActions(gone.actions), ["copy local f restored"]);
  const both = planFor({ mode: "Both", conflict: "Skip", known, local: { f: { size: 9 } }, remote: { f: {} } });
  assert.deepEqual([both.actions, both.conflicts.length], [[], 1]);
});
