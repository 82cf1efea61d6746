import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { memory } from "../../lib/backends/memory/mod.ts";
import { Crash, faulty } from "../support/faulty.ts";
import { runs } from "../support/runs.ts";
import { NOON, plant, ran, type Texts, texts } from "../unit/sync/fixtures.ts";
import type { OptionalMethod } from "../../lib/backends/memory/options.ts";

/** What somebody does to one thing of a tree: removes it, changes its content, or makes a folder of a file and a file of a folder. */
interface Edit {
  readonly at: number;
  readonly how: "remove" | "change" | "flip";
  readonly text: string;
}

const paths = ["a", "b", "c", "a/a", "a/b", "b/c", "a/a/a", "a/a/b", "b/c/a"];
const text = fc.constantFrom("x", "yy", "zzz", "qq");
const base = fc.dictionary(fc.constantFrom(...paths), text, { maxKeys: 6 }).map(toTree);
const edits = fc.array(
  fc.record<Edit>({ at: fc.nat(99), how: fc.constantFrom("remove", "change", "flip"), text }),
  { maxLength: 4 },
);
const lacks = fc.constantFrom<readonly OptionalMethod[]>([], [], ["walk"], ["rename"], ["copy"], ["rename", "copy"]);

/** Folders above a path are folders, whatever was said of them. */
function toTree(given: Readonly<Record<string, string>>): Texts {
  const tree: Record<string, string | null> = { ...given };
  for (const path of Object.keys(given)) {
    for (let dir = path; dir.includes("/");) {
      dir = dir.slice(0, dir.lastIndexOf("/"));
      tree[dir] = null;
    }
  }
  return tree;
}

function edited(tree: Texts, list: readonly Edit[]): Texts {
  const result: Record<string, string | null> = { ...tree };
  for (const { at, how, text } of list) {
    const all = Object.keys(result);
    const path = all[at % all.length];
    if (path === undefined) continue;
    const before = result[path];
    if (how === "change" && before === null) continue;
    for (const one of all) if (one === path || one.startsWith(`${path}/`)) delete result[one];
    if (how === "change" || (how === "flip" && before === null)) result[path] = `${text}!`;
    else if (how === "flip") Object.assign(result, { [path]: null, [`${path}/inside`]: text });
  }
  return result;
}

Deno.test("run() ended at any of its changes is completed by the next run, whatever the trees", async () => {
  const given = fc.record({
    tree: base,
    here: edits,
    across: edits,
    lacks,
    mode: fc.constantFrom("Local", "Remote", "Both"),
    at: fc.nat(99),
    isDone: fc.boolean(),
    concurrency: fc.integer({ min: 1, max: 4 }),
  });
  const property = fc.asyncProperty(given, async ({ tree, here, across, lacks, mode, at, isDone, concurrency }) => {
    const options = {
      mode,
      mirror: mode !== "Both",
      conflict: "KeepBoth",
      allow: ["-AllowEmptySource", "-MaxRemove 100%"],
      concurrency,
    } as const;
    const start = () => {
      const sides = { local: memory(), remote: memory({ lacks }) };
      plant(sides.local, edited(tree, here), NOON);
      plant(sides.remote, edited(tree, across), NOON - 60_000);
      return sides;
    };
    const until = (sides: ReturnType<typeof start>, crash: Crash) =>
      ran({ local: faulty(sides.local, { crash }), remote: faulty(sides.remote, { crash }) }, options);
    const whole = start();
    const counting = new Crash(Infinity);
    const { end } = await until(whole, counting);
    assert.ok(end.outcome === "applied" && end.applied.failures === 0, "the run failed by itself");
    const expected = [await texts(whole.local), await texts(whole.remote)];
    assert.deepEqual((await ran(whole, options)).end.plan.actions, [], "a second run has something to do");
    if (counting.count === 0) return;
    const sides = start();
    await until(sides, new Crash(1 + at % counting.count, { isDone }));
    await ran(sides, options);
    assert.deepEqual([await texts(sides.local), await texts(sides.remote)], expected);
  });
  await fc.assert(property, { numRuns: runs(300, 10_000) });
});
