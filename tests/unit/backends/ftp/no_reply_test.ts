import assert from "node:assert/strict";
import { addLayers } from "../../../../lib/backends/layers/stack.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { type SmallFtp, startSmallFtp } from "../../../support/servers/small_ftp.ts";

const options = { options: { Timeout: "1000" } };

function count({ told }: SmallFtp, command: string): number {
  return told.filter((one) => one === command).length;
}

for (const garbage of ["hello there", "25O End", "2 50 x", "250End"]) {
  Deno.test(`an answer "${garbage}", which is no FTP reply, fails its own path, once and by name`, async () => {
    const reply = (command: string) => command === "MLST /a" ? `${garbage}\r\n` : undefined;
    await using server = await startSmallFtp({ holds: { "/a": "x", "/b": "y" }, reply });
    await using backend = addLayers(await openSmallFtp(server, options), { retry: { sleep: () => Promise.resolve() } });
    const error = await assertRejects(backend.stat(toRelPath("a"), call), "unexpected");
    assert.ok(error.message.includes(`the server answers "${garbage}", which is no FTP reply`), error.message);
    assert.equal(count(server, "MLST /a"), 1);
    assert.equal((await backend.stat(toRelPath("b"), call))?.kind, "file");
  });
}

Deno.test("a final reply that never comes for one path is waited for twice, not five times", async () => {
  const reply = (command: string) => command === "MLST /a" ? "" : undefined;
  await using server = await startSmallFtp({ holds: { "/a": "x", "/b": "y" }, reply });
  await using backend = addLayers(await openSmallFtp(server, options), { retry: { sleep: () => Promise.resolve() } });
  const error = await assertRejects(backend.stat(toRelPath("a"), call), "timeout");
  assert.match(error.message, /the server sent no reply to it in 1 s, twice, and answered other commands/);
  assert.equal(count(server, "MLST /a"), 2);
  assert.equal((await backend.stat(toRelPath("b"), call))?.kind, "file");
});

Deno.test("a final reply that comes the second time is one, and is not held against the path later", async () => {
  let asked = 0;
  const reply = (command: string) => command === "MLST /a" && ++asked % 2 === 1 ? "" : undefined;
  await using server = await startSmallFtp({ holds: { "/a": "x" }, reply });
  await using backend = addLayers(await openSmallFtp(server, options), { retry: { sleep: () => Promise.resolve() } });
  for (let i = 0; i < 2; i++) assert.equal((await backend.stat(toRelPath("a"), call))?.kind, "file");
  assert.equal(asked, 4);
});

Deno.test("a line in a reply of several lines is not blamed for a later silence", async () => {
  const features = ["MLST type*;size*;modify*;", "hello", "12 34"];
  await using server = await startSmallFtp({ features, reply: (command) => command === "MLST /a" ? "" : undefined });
  await using backend = await openSmallFtp(server, options);
  await assertRejects(backend.stat(toRelPath("a"), call), "timeout");
});
