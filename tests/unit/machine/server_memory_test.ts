import assert from "node:assert/strict";
import { openServerMemory } from "../../../lib/machine/server_memory.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

Deno.test("openServerMemory() keeps a fact per server for 30 days, and nothing of a run that may not write", async () => {
  await inFolder(async (path) => {
    const open = (server: string, { day = 0, readOnly = false } = {}) =>
      openServerMemory({ path, server, readOnly, now: () => 1e12 + day * DAY_MS });
    (await open("sftp://a")).remember("inOrder", "yes");
    (await open("sftp://b")).remember("directWrites", "RNTO was refused");
    (await open("sftp://c", { readOnly: true })).remember("inOrder", "yes");
    assert.equal((await open("sftp://a", { day: 29 })).get("inOrder"), "yes");
    assert.equal((await open("sftp://a")).get("directWrites"), undefined);
    assert.equal((await open("sftp://b")).get("directWrites"), "RNTO was refused");
    assert.equal((await open("sftp://c")).get("inOrder"), undefined);
    assert.equal((await open("sftp://a", { day: 31 })).get("inOrder"), undefined);
    if (Deno.build.os !== "windows") assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("openServerMemory() takes a damaged file for an empty one, and none that another user could have written", async () => {
  await inFolder(async (path) => {
    const open = () => openServerMemory({ path, server: "sftp://a", readOnly: false, now: () => 1e12 });
    for (const text of ["", "null", "[1]", '{"sftp://a":{"inOrder":7}}', '{"sftp://a":{"inOrder":{"value":"yes"}}}']) {
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      assert.equal((await open()).get("inOrder"), undefined, text);
    }
    if (Deno.build.os === "windows") return;
    await Deno.chmod(path, 0o666);
    await assert.rejects(open(), { kind: "refused" });
  });
});

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-memory-" });
  try {
    await work(`${folder}/servers.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
