import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setTimeout as wait } from "node:timers/promises";
import { type Handle, OpenHandles } from "../../../../lib/backends/sftp/requests.ts";
import { root } from "../../../../lib/core/path.ts";

const ask = { signal: new AbortController().signal, operation: "read", path: root };

Deno.test("OpenHandles opens one file at a time once a handle was shared, however many were open then", async () => {
  const handles = new OpenHandles(new AbortController().signal, 10_000);
  const open = (name: string) =>
    handles.open(ask, () => Promise.resolve(Buffer.from(name)), (handle) => handles.remove(handle));
  const first = await open("a");
  const second = await open("b");
  await assert.rejects(open("b"), { kind: "busy" });
  let third: Handle | undefined;
  const opening = open("c").then((handle) => third = handle);
  handles.remove(second);
  await wait(0);
  assert.equal(third, undefined, "another file is open");
  handles.remove(first);
  assert.equal((await opening).toString(), "c");
});
