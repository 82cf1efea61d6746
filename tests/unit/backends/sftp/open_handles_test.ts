import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setTimeout as wait } from "node:timers/promises";
import { OpenFileLimit } from "../../../../lib/backends/sftp/open_files.ts";
import { type Handle, OpenHandles } from "../../../../lib/backends/sftp/open_handles.ts";
import { root } from "../../../../lib/core/path.ts";

const ask = { signal: new AbortController().signal, operation: "read", path: root };

Deno.test("OpenHandles opens one file at a time once a handle was shared, however many were open then", async () => {
  const handles = new OpenHandles(new AbortController().signal, new OpenFileLimit(10_000));
  const open = (name: string) =>
    handles.open(ask, {
      send: () => Promise.resolve(Buffer.from(name)),
      close: (handle) => handles.remove(handle),
      hasOtherReason: () => Promise.resolve(true),
    });
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

Deno.test("OpenHandles of a channel that ended wakes all calls that wait to open a file", async () => {
  const closed = new AbortController();
  const files = new OpenFileLimit(60_000);
  files.start({ announced: 1, allowsMany: false });
  const handles = new OpenHandles(closed.signal, files);
  let count = 0;
  const open = () =>
    handles.open(ask, {
      send: () => Promise.resolve(Buffer.from(`${count++}`)),
      close: (handle) => handles.remove(handle),
      hasOtherReason: () => Promise.resolve(true),
    });
  await open();
  const waiting = Array.from({ length: 5 }, () => open().then(() => "opened", () => "ended"));
  await wait(0);
  closed.abort(new Error("the end"));
  assert.deepEqual(await Promise.all(waiting), Array(5).fill("ended"));
});
