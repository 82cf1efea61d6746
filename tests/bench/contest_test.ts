import assert from "node:assert/strict";
import { join } from "node:path";
import { type Arena, type Cell, contest, type Contestant, type Job } from "./contest.ts";
import type { Measured } from "./measure.ts";
import type { Places } from "./places.ts";

/** A contestant that runs these words of a shell in place of a sync. */
function shell(name: string, words: (job: Job) => string): Contestant {
  return { name, role: "rival", version: "1", command: (job) => ({ program: "sh", args: ["-c", words(job)] }) };
}

type Seen = readonly (readonly [name: string, measured: Measured])[];

async function play(cell: Cell, contestants: readonly Contestant[], limitMs = 60_000): Promise<Seen> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-contest-" });
  try {
    for (const side of ["data", "mirror"]) {
      await Deno.mkdir(join(dir, side));
      await Deno.writeTextFile(join(dir, side, "a"), "the same");
    }
    const places: Places = {
      data: () => join(dir, "data"),
      mirror: () => Promise.resolve(join(dir, "mirror")),
      fresh: () => Deno.makeTempDir({ dir, prefix: "fresh-" }),
    };
    const arena: Arena = {
      cells: [cell],
      contestants,
      port: () => Promise.resolve(1),
      async [Symbol.asyncDispose]() {},
    };
    const seen: (readonly [string, Measured])[] = [];
    const onRun = (_cell: Cell, name: string, measured: Measured) => void seen.push([name, measured]);
    await contest(arena, cell, { rounds: 2, limitMs, places, dir, onRun });
    return seen;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function verdicts(seen: Seen): readonly string[] {
  return seen.map(([name, { how }]) => `${name} ${how}`);
}

Deno.test("contest() lets everybody begin in turn, and each upload find an empty folder", async () => {
  const copy = ({ local, remote }: Job) => `test ! -e ${remote}/a && cp ${local}/a ${remote}`;
  const seen = await play({ work: "upload", data: "small", rtt: 0 }, [shell("x", copy), shell("y", copy)]);
  assert.deepEqual(verdicts(seen), ["x done", "y done", "y done", "x done"]);
});

Deno.test("contest() fails who left something out, and asks no more", async () => {
  const seen = await play({ work: "download", data: "small", rtt: 0 }, [shell("idle", () => "true")]);
  assert.deepEqual(verdicts(seen), ["idle failed"]);
});

Deno.test("contest() fails who left other bytes of the same length", async () => {
  const seen = await play({ work: "upload", data: "small", rtt: 0 }, [
    shell("wrong", ({ remote }) => `printf 'the sane' > ${remote}/a`),
  ]);
  assert.deepEqual(verdicts(seen), ["wrong failed"]);
});

Deno.test("contest() fails who wrote though there was nothing to do", async () => {
  const cell: Cell = { work: "nothing", data: "small", rtt: 0 };
  const again = ({ local, remote }: Job) => `cp -p ${local}/a ${remote}/a`;
  assert.deepEqual(verdicts(await play(cell, [shell("again", again)])), ["again failed"]);
  assert.deepEqual(verdicts(await play(cell, [shell("idle", () => "true")])), ["idle done", "idle done"]);
});

Deno.test("contest() measures who knows the pair already, unless both meet for the first time", async () => {
  const note = ({ isFirst }: Job) => isFirst === true ? "exit 3" : "true";
  for (const [work, verdict] of [["nothing", ["x failed"]], ["meet", ["x done", "x done"]]] as const) {
    assert.deepEqual(verdicts(await play({ work, data: "small", rtt: 0 }, [shell("x", note)])), verdict, work);
  }
});

Deno.test("contest() stops who takes too long, and tells a failure's last words", async () => {
  const cell: Cell = { work: "nothing", data: "small", rtt: 0 };
  assert.deepEqual(await play(cell, [shell("slow", () => "exec sleep 60")], 200), [["slow", {
    how: "capped",
    ms: 200,
  }]]);
  const seen = await play(cell, [shell("broken", () => "echo no route >&2; exit 3")]);
  assert.deepEqual(seen, [["broken", { how: "failed", why: "exit 3: no route" }]]);
});

Deno.test("contest() passes over who is not installed or cannot do it", async () => {
  const seen = await play({ work: "nothing", data: "small", rtt: 0 }, [
    { ...shell("missing", () => "true"), version: undefined },
    { ...shell("unable", () => "true"), command: () => undefined },
  ]);
  assert.deepEqual(seen, []);
});
