import assert from "node:assert/strict";
import type { SyncError } from "../../../../lib/core/errors.ts";
import { bind, type Binding, type BindOptions } from "../../../../lib/shell/bind/binder.ts";
import { defineCommand, type ParamType } from "../../../../lib/shell/command/command.ts";
import { given, Session, sync } from "../sync_command.ts";

const read = (argv: readonly string[], options?: BindOptions) => bind(sync, given(argv), options);

async function all(binding: Binding<typeof sync.params>, ...objects: readonly unknown[]) {
  const found = [];
  for await (
    const bound of binding.each((async function* () {
      yield* objects;
    })())
  ) found.push(bound);
  return found;
}

Deno.test("bind() takes a piped object by value, another by its properties in any case", async () => {
  const binding = read(["a"], { piped: true });
  assert.deepEqual(binding.missing, ["Mode"]);
  const [byProperty] = await all(binding, { MODE: "both", remotepath: "/r", localPath: "b", Other: 1, session: null });
  assert.deepEqual([byProperty?.Mode, byProperty?.RemotePath, byProperty?.LocalPath], ["Both", "/r", "a"]);
  const session = new Session("x");
  const [byValue] = await all(read(["-Mode", "Local"], { piped: true }), session);
  assert.equal(byValue?.Session, session);
  const [inside] = await all(read(["-Mode", "Local"], { piped: true }), { WinSCPSession: session });
  assert.equal(inside?.Session, session);
});

Deno.test("bind() yields one bound set an object, none for none, one where nothing is piped", async () => {
  const binding = read(["-Mode", "Local"], { piped: true });
  assert.equal((await all(binding, new Session("1"), new Session("2"))).length, 2);
  assert.equal((await all(binding)).length, 0);
  assert.equal((await Array.fromAsync(binding.each())).length, 1);
});

Deno.test("bind() refuses a piped object that gives nothing, a wrong value, and one that lacks what is mandatory", async () => {
  const refuses = async (id: string, words: readonly string[], object: unknown) =>
    await assert.rejects(all(read(words, { piped: true }), object), (error) => {
      assert.equal((error as SyncError).facts.id, id);
      return true;
    });
  await refuses("InputObjectNotBound", ["-Mode", "Local"], { Other: 1 });
  await refuses("InputObjectNotBound", ["-Mode", "Local"], null);
  await refuses("InputObjectNotBound", ["-Mode", "Local"], "text");
  await refuses("CannotConvertArgument", [], { Mode: "Up" });
  await refuses("MissingMandatoryParameter", [], { RemotePath: "/x" });
  await refuses("CannotMirrorBoth", ["-Mirror"], { Mode: "Both" });
});

Deno.test("bind() lets a fault of a type through while it tries a piped object", async () => {
  const broken: ParamType<string> = {
    name: "broken",
    convert: () => {
      throw new TypeError("a bug");
    },
  };
  const params = { One: { type: broken, fromPipe: "value", help: "" } } as const;
  const command = defineCommand({ name: "Do-It", summary: "", params, async *run() {} });
  const binding = bind(command, [], { piped: true });
  await assert.rejects(
    Array.fromAsync(binding.each((async function* () {
      yield 1;
    })())),
    TypeError,
  );
});
