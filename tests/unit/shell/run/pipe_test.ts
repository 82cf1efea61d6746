import assert from "node:assert/strict";
import { badInput, SyncError } from "../../../../lib/core/errors.ts";
import { type CommandContext, defineCommand } from "../../../../lib/shell/command/command.ts";
import {
  createListStep,
  createOpening,
  createStep,
  pipe,
  type Step,
  withStack,
} from "../../../../lib/shell/run/pipe.ts";
import { anyObject, oneOf, text } from "../../../../lib/shell/command/param_types.ts";

const makeHost = (common: CommandContext["common"], stack: AsyncDisposableStack) =>
  ({ common, stack }) as unknown as CommandContext;

/** A thing that writes into `log` when it is opened and closed. */
function thing(log: string[], name: string, stack: AsyncDisposableStack): string {
  log.push(`open ${name}`);
  stack.defer(() => void log.push(`close ${name}`));
  return name;
}

const say = defineCommand({
  name: "Say-It",
  summary: "",
  params: {
    Word: { type: oneOf("yes", "no"), mandatory: true, help: "" },
    Input: { type: anyObject, fromPipe: "value", help: "" },
    Note: { type: text, help: "" },
  },
  check({ Word, Note }) {
    if (Word === "no" && Note !== undefined) throw badInput("no takes no note");
  },
  async *run(each, host) {
    for await (const { Word, Input } of each) yield { Word, Input, whatIf: host.common.whatIf };
  },
});
const sayIt = createStep(say, makeHost);

Deno.test("pipe() hands each step what the one before gave", async () => {
  const result = await pipe(() => 1, (n: number) => Promise.resolve(n + 1), (n) => `${n}!`);
  assert.equal(result, "2!");
});

Deno.test("pipe() closes what was opened, last opened first, before it settles", async () => {
  const log: string[] = [];
  await pipe((_, stack) => thing(log, "a", stack), (_: string, stack) => thing(log, "b", stack));
  assert.deepEqual(log, ["open a", "open b", "close b", "close a"]);
});

Deno.test("pipe() closes what was opened when a step fails, and throws that step's error", async () => {
  const log: string[] = [];
  const fails: Step<string, never> = () => {
    throw badInput("no");
  };
  await assert.rejects(pipe((_: void, stack: AsyncDisposableStack) => thing(log, "a", stack), fails), /no/);
  assert.deepEqual(log, ["open a", "close a"]);
});

Deno.test("pipe() checks every step's options before the first step runs", async () => {
  const log: string[] = [];
  const open = createOpening((stack) => Promise.resolve({ name: thing(log, "a", stack) }));
  await assert.rejects(pipe(open, sayIt({ word: "maybe" as "no" })), /-Word: "maybe"/);
  await assert.rejects(pipe(open, sayIt({ word: "no", note: "x" })), /no takes no note/);
  await assert.rejects(pipe(open, sayIt()), /needs -Word/);
  assert.deepEqual(log, []);
});

Deno.test("withStack() throws the body's error with the trouble of closing as its cause", async () => {
  const failing = withStack((stack) => {
    stack.defer(() => Promise.reject(new Error("cannot close")));
    return Promise.reject(badInput("first"));
  });
  await assert.rejects(failing, (error) => {
    assert.ok(error instanceof SyncError && error.kind === "badInput" && error.message === "first");
    assert.ok(error.cause instanceof SuppressedError && error.cause.error.message === "cannot close");
    return true;
  });
});

Deno.test("withStack() throws the trouble of closing where the body went well", async () => {
  const failing = withStack((stack) => {
    stack.defer(() => Promise.reject(new Error("cannot close")));
    stack.defer(() => Promise.reject(new Error("cannot close that either")));
    return Promise.resolve(1);
  });
  await assert.rejects(failing, (error) => error instanceof SyncError && /that either/.test(error.message));
});

Deno.test("asStep() gives the one object of a command, with its input and common options", async () => {
  const object = { a: 1 };
  assert.deepEqual(await pipe(() => object, sayIt({ word: "yes", whatIf: true })), {
    Word: "yes",
    Input: object,
    whatIf: true,
  });
  assert.equal((await pipe(sayIt({ word: "no" }))).Input, undefined);
});

Deno.test("asStep() refuses several objects, asListStep() gives them", async () => {
  const two = [{ a: 1 }, { a: 2 }];
  await assert.rejects(pipe(() => two, sayIt({ word: "yes" })), /2 objects/);
  const list = await pipe(() => two, createListStep(say, makeHost)({ word: "yes" }));
  assert.deepEqual(list.map((one) => one.Input), two);
});

Deno.test("opening() opens nothing before it is run or awaited, and once however often it is awaited", async () => {
  const log: string[] = [];
  const made = createOpening((stack) => Promise.resolve(thing(log, "a", stack)));
  assert.deepEqual(log, []);
  assert.equal(await made, "a");
  assert.equal(await made, "a");
  assert.deepEqual(log, ["open a"]);
});

Deno.test("opening() closes what was opened when it fails by itself", async () => {
  const log: string[] = [];
  const made = createOpening((stack) => {
    thing(log, "a", stack);
    return Promise.reject(badInput("refused"));
  });
  await assert.rejects(Promise.resolve(made), /refused/);
  assert.deepEqual(log, ["open a", "close a"]);
});

Deno.test("opening() runs its check before it opens", async () => {
  const log: string[] = [];
  const made = createOpening((stack) => Promise.resolve(thing(log, "a", stack)), () => {
    throw badInput("wrong options");
  });
  await assert.rejects(Promise.resolve(made), /wrong options/);
  await assert.rejects(pipe(made), /wrong options/);
  assert.deepEqual(log, []);
});
