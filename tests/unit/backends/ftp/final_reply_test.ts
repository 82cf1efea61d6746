import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { addLayers } from "../../../../lib/backends/layers/stack.ts";
import { SMALL_FILE_BYTES } from "../../../../lib/core/backend.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, put, text } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { type SmallFtp, type SmallFtpOptions, startSmallFtp } from "../../../support/servers/small_ftp.ts";

const noWait = { retry: { sleep: () => Promise.resolve() } };
const sizes = [0, 5, 2 * SMALL_FILE_BYTES];

function count({ told }: SmallFtp, verb: string): number {
  return told.filter((one) => one.split(" ")[0] === verb).length;
}

/** Opens a server whose answers may take 200 ms, and its last words so many ms. */
async function open(server: SmallFtp, finalReplyTime: number, more: Readonly<Record<string, string>> = {}) {
  const options = { Timeout: "200", FinalReplyTime: String(finalReplyTime), ...more };
  return addLayers(await openSmallFtp(server, { options }), noWait);
}

/** The ways in which no last word comes. */
const losses: Readonly<Record<string, string>> = {
  "never comes": "",
  "is cut off": "cut",
  "is 421 for an idle connection": "421 idle for too long",
};

for (const size of sizes) {
  Deno.test(`an upload of ${size} bytes waits longer than -Timeout for its final reply, and is sent once`, async () => {
    const lastWord = () => pause(700, "226 scanned");
    await using server = await startSmallFtp({ lastWord });
    await using backend = await open(server, 60_000);
    await put(backend, "a", "x".repeat(size));
    assert.equal(server.files.get("/a")?.length, size);
    assert.equal(count(server, "STOR"), 1);
  });

  for (const [name, word] of Object.entries(losses)) {
    Deno.test(`an upload of ${size} bytes whose final reply ${name} is not sent again if it is whole`, async () => {
      await using server = await startSmallFtp({ lastWord: () => word });
      await using backend = await open(server, 300);
      await put(backend, "a", "x".repeat(size));
      assert.deepEqual([...server.files.keys()], ["/a"]);
      assert.equal(server.files.get("/a")?.length, size);
      assert.equal(count(server, "STOR"), 1);
    });

    Deno.test(`a download of ${size} bytes whose final reply ${name} is whole by its size`, async () => {
      const holds = { "/a": "x".repeat(size) };
      await using server = await startSmallFtp({ holds, lastWord: () => word });
      await using backend = await open(server, 300, { Connections: "1" });
      assert.equal((await text(backend, "a")).length, size);
      assert.equal(count(server, "RETR"), 1);
    });
  }
}

Deno.test("an upload that is not whole after its final reply was lost is sent once more, and never renamed", async () => {
  await using server = await startSmallFtp({ holds: { "/a": "old" }, lastWord: () => "", keeps: 3 });
  await using backend = await open(server, 300);
  const error = await assertRejects(put(backend, "a", "bytes"), "timeout");
  assert.match(error.message, /sent no reply to it in 0 s, twice/);
  assert.deepEqual([count(server, "STOR"), count(server, "RNFR"), server.files.get("/a")], [2, 0, "old"]);
});

Deno.test("a download that changed before its final reply was lost is not believed", async () => {
  const holds = new Map([["/a", "bytes"]]);
  const options: SmallFtpOptions = { holds, lastWord: () => (holds.set("/a", "other bytes"), "cut") };
  await using server = await startSmallFtp(options);
  await using backend = await open(server, 300);
  const expect = { kind: "file", path: toRelPath("a"), size: 5 } as const;
  await assertRejects(backend.read(toRelPath("a"), { ...call, expect }), "changed");
});

for (const what of ["upload", "download"] as const) {
  Deno.test(`Ctrl-C ends the wait for the final reply of a small ${what} at once`, async () => {
    const stop = new AbortController();
    const lastWord = () => (stop.abort(), "");
    await using server = await startSmallFtp({ holds: { "/a": "bytes" }, lastWord });
    await using backend = await open(server, 3_600_000);
    const { signal } = stop;
    const body = () => Promise.resolve(new TextEncoder().encode("bytes"));
    const work = what === "upload"
      ? backend.write(toRelPath("b"), body, { signal, size: 5 })
      : backend.read(toRelPath("a"), { signal });
    await assertRejects(work, "cancelled");
    assert.equal(server.files.has("/b"), false);
  });
}

Deno.test("calls that wait for the only connection wait as long as a final reply does", async () => {
  const lastWord = () => pause(1_500, "226 scanned");
  await using server = await startSmallFtp({ holds: { "/b": "x" }, lastWord });
  await using backend = await open(server, 60_000, { Connections: "1", Timeout: "1000" });
  const [, found] = await Promise.all([put(backend, "a", "bytes"), backend.stat(toRelPath("b"), call)]);
  assert.equal(found?.kind, "file");
});
