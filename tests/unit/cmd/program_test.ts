import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import type { RunEvent } from "../../../lib/report/run_events.ts";
import { pipe } from "../../../lib/shell/run/pipe.ts";
import { testProgram } from "../../support/program.ts";

const files = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, { text: "x".repeat(1000 + i) }]));
const many = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`f${i}`, { text: "x".repeat(1000 + i) }]));

Deno.test("A program follows a run by its events: listings, plan, each file, and the same records as in the result", async () => {
  await using program = await testProgram({ ...files, "d/e": { text: "deep" } });
  const events: RunEvent[] = [];
  const result = await pipe(program.syncPath({ mode: "Remote", onEvent: (event) => void events.push(event) }));
  const of = <T extends RunEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
  assert.deepEqual(of("scanned").map(({ side, entries }) => `${side} ${entries}`).sort(), ["Local 62", "Remote 0"]);
  const [planned] = of("planned");
  assert.deepEqual([planned?.actions, planned?.conflicts, planned?.bytes], [62, 0, result.Bytes]);
  assert.equal(of("started").length, 62);
  assert.equal(of("done").length, 62);
  assert.deepEqual(of("item").map(({ item }) => item), result.Uploads);
  assert.ok(events.findIndex(({ type }) => type === "planned") < events.findIndex(({ type }) => type === "started"));
  assert.deepEqual(of("started").find(({ path }) => path.endsWith("/e")), {
    type: "started",
    action: "UploadNew",
    path: `${program.remote}/d/e`,
    length: 4,
  });
});

Deno.test("A forecast yields the items that a run would", async () => {
  await using program = await testProgram(files);
  const items: string[] = [];
  const onEvent = (event: RunEvent) => {
    if (event.type === "item") items.push(event.item.Type);
  };
  const result = await pipe(program.syncPath({ mode: "Remote", whatIf: true, onEvent }));
  assert.deepEqual([items.length, result.IsWhatIf, (await program.both())[1]], [60, true, {}]);
});

Deno.test("A comparison reports its events too", async () => {
  await using program = await testProgram(files);
  const types = new Set<string>();
  await pipe(program.comparePath({ mode: "Remote", onEvent: ({ type }) => void types.add(type) }));
  assert.deepEqual([...types], ["scanned", "planned", "item"]);
});

Deno.test("A signal that is aborted amid a run ends it in order, and the next run completes the work", async () => {
  await using program = await testProgram(many);
  const stop = new AbortController();
  let done = 0;
  const error = await pipe(program.syncPath({
    mode: "Remote",
    signal: stop.signal,
    onEvent({ type }) {
      if (type === "done" && ++done === 5) stop.abort(new Error("enough"));
    },
  })).catch((error) => error);
  assert.ok(error instanceof SyncError);
  assert.equal(error.kind, "cancelled", error.message);
  const copied = Object.keys((await program.both())[1]).length;
  assert.ok(copied >= 5 && copied < 600, String(copied));
  assert.deepEqual(program.leftovers(), []);
  const again = await pipe(program.syncPath({ mode: "Remote" }));
  assert.equal(again.UploadCount, 600 - copied);
});

Deno.test("A signal that was aborted before ends every function before anything is changed", async () => {
  await using program = await testProgram(files);
  const signal = AbortSignal.abort();
  const isCancelled = (error: unknown) => error instanceof SyncError && error.kind === "cancelled";
  await assert.rejects(pipe(program.syncPath({ mode: "Remote", signal })), isCancelled);
  await assert.rejects(pipe(program.comparePath({ mode: "Remote", signal })), isCancelled);
  assert.deepEqual((await program.both())[1], {});
  assert.deepEqual(program.leftovers(), []);
});

Deno.test("A signal keeps no listener of a run that is over", async () => {
  await using program = await testProgram(files);
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  await pipe(program.syncPath({ mode: "Remote", signal }));
  assert.equal(listeners, 0);
});

const failing: Readonly<Record<string, (error: Error) => void | Promise<void>>> = {
  "throws": (error) => {
    throw error;
  },
  "rejects": (error) => Promise.reject(error),
};
for (const [how, fail] of Object.entries(failing)) {
  Deno.test(`onEvent that ${how} ends the run with that error, after everything was closed`, async () => {
    await using program = await testProgram(many);
    const mine = new TypeError("not what the program expected");
    let calls = 0;
    const run = pipe(program.syncPath({
      mode: "Remote",
      onEvent(event) {
        if (event.type === "done" && ++calls === 3) return fail(mine);
      },
    }));
    assert.equal(await run.catch((error) => error), mine);
    const copied = Object.keys((await program.both())[1]).length;
    assert.ok(copied < 600, String(copied));
    assert.deepEqual(program.leftovers(), []);
    assert.equal((await pipe(program.syncPath({ mode: "Remote" }))).UploadCount, 600 - copied);
  });
}

Deno.test("onWarning takes the warnings instead of the console, and may fail as onEvent may", async () => {
  await using program = await testProgram(files, { env: { TANDEM_STATE: "no/full/path" } });
  const heard: string[] = [];
  await pipe(program.syncPath({ mode: "Remote", onWarning: (message) => void heard.push(message) }));
  assert.equal(heard.length, 1, heard.join());
  assert.deepEqual(program.warnings, []);
  const mine = new Error("no warnings here");
  const run = pipe(program.syncPath({
    mode: "Remote",
    onWarning() {
      throw mine;
    },
  }));
  assert.equal(await run.catch((error) => error), mine);
});

Deno.test("prompt answers a confirmation, with the plan before the question; without it there is none to ask", async () => {
  await using program = await testProgram(files);
  const asked: string[] = [];
  const answers = ["Show", "No"];
  const result = await pipe(program.syncPath({
    mode: "Remote",
    confirm: true,
    prompt(request) {
      asked.push(`${request.kind} ${request.answers.join("/")}: ${request.message}`);
      return answers[asked.length - 1];
    },
  }));
  assert.equal(result.UploadCount, 0);
  assert.match(asked[0] ?? "", /^choice Yes\/No\/All\/Show: .*Go on\?$/s);
  assert.match(asked[1] ?? "", /UploadNew .*f0\n.*Go on\?$/s);
  await assert.rejects(
    pipe(program.syncPath({ mode: "Remote", confirm: true })),
    (error) => error instanceof SyncError && error.kind === "badInput",
  );
});

Deno.test("prompt that throws ends the run with that error", async () => {
  await using program = await testProgram(files);
  const mine = new Error("nobody there");
  const run = pipe(program.syncPath({
    mode: "Remote",
    confirm: true,
    prompt() {
      throw mine;
    },
  }));
  assert.equal(await run.catch((error) => error), mine);
  assert.deepEqual([(await program.both())[1], program.leftovers()], [{}, []]);
});

Deno.test("Wrong options of any step fail before the first one runs", async () => {
  await using program = await testProgram(files);
  const wrong = program.syncPath({ mode: "Both", mirror: true });
  await assert.rejects(
    pipe(program.syncPath({ mode: "Remote" }), wrong),
    (error) => error instanceof SyncError && error.facts.id === "CannotMirrorBoth",
  );
  assert.deepEqual((await program.both())[1], {});
});

for (const mode of ["Remote", "Both"] as const) {
  Deno.test(`A history that cannot be written after a run of mode ${mode} is a failure, exit 1, and the next run mends it`, async () => {
    await using program = await testProgram(files);
    const history = `${program.state}/history`;
    const items: string[] = [];
    const result = await pipe(program.syncPath({
      mode,
      onEvent(event) {
        if (event.type === "item" && event.item.Type === "Failure") items.push(event.item.Message);
        if (event.type === "planned") Deno.writeTextFileSync(history, "no folder");
      },
    }));
    assert.deepEqual([result.ExitCode, result.IsSuccess, result.UploadCount], [1, false, 60]);
    assert.deepEqual(result.Failures.map(({ Message }) => Message), items);
    assert.deepEqual(program.warnings, items);
    assert.match(
      items.join(),
      /^The history of this pair could not be written: .+ The files are in place; run the same/,
    );
    await Deno.remove(history);
    const again = await pipe(program.syncPath({ mode }));
    assert.deepEqual([again.ExitCode, again.UploadCount, again.FailureCount], [0, 0, 0]);
  });
}
