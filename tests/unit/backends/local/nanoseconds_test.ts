import assert from "node:assert/strict";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { freshDisk } from "../../../support/disk.ts";

const call = { signal: new AbortController().signal };
const ignore = Deno.build.os !== "linux";

/** Sets a time to the nanosecond, which the runtime cannot. */
async function touch(path: string, time: string): Promise<void> {
  const { success } = await new Deno.Command("touch", { args: ["-h", "-d", time, path] }).output();
  assert.ok(success);
}

Deno.test({
  name: "nanosecondsOf() gives what the ms of a listing leaves out, and follows no link",
  ignore,
}, async () => {
  await using fresh = await freshDisk();
  const { backend, disk: path } = fresh;
  const times = {
    "plain": ["2024-01-02 03:04:05.123456789 UTC", 456_789],
    "ünï\u{1f600} x": ["2024-01-02 03:04:05.000000001 UTC", 1],
    "whole": ["2024-01-02 03:04:05 UTC", 0],
  } as const;
  for (const [name, [time]] of Object.entries(times)) {
    await Deno.writeTextFile(`${path}/${name}`, "x");
    await touch(`${path}/${name}`, time);
  }
  await Deno.symlink("plain", `${path}/link`);
  await touch(`${path}/link`, "2024-01-02 03:04:05.123000777 UTC");
  const entries = await backend.list(toRelPath(""), call);
  const files = entries.filter((entry): entry is FileEntry => entry.kind === "file");
  const found = Object.fromEntries(files.map((entry) => [entry.path, backend.nanosecondsOf?.(entry)]));
  assert.deepEqual(found, Object.fromEntries(Object.entries(times).map(([name, [, ns]]) => [name, ns])));
  const [plain] = files.filter(({ path }) => path === "plain");
  assert.ok(plain?.modified !== undefined);
  assert.equal(backend.nanosecondsOf?.({ ...plain, path: toRelPath("link") }), 777);
  // A file of another time now, an absent one, and one without a time.
  assert.equal(backend.nanosecondsOf?.({ ...plain, modified: plain.modified + 1 }), undefined);
  assert.equal(backend.nanosecondsOf?.({ ...plain, path: toRelPath("absent") }), undefined);
  assert.equal(backend.nanosecondsOf?.({ kind: "file", path: plain.path, size: 1 }), undefined);
});
