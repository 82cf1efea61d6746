import assert from "node:assert/strict";
import { age, assertCode, assertSame, fill, look, startPair } from "../support/pair.ts";
import { serverTest } from "../support/servers/install.ts";
import { counts } from "../support/tandem.ts";

serverTest("Sync-Path -Mode Both over SFTP carries deletions, and keeps what loses in the login folder", {
  server: "sftp",
}, async () => {
  await using pair = await startPair();
  await fill(pair.local, { "one": "1", "two": "22", "d/three": "333", "both": "old" });
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  await Deno.remove(`${pair.local}/one`);
  await Deno.writeTextFile(`${pair.remote}/both`, "theirs, earlier");
  await age(`${pair.remote}/both`, -1);
  await Deno.writeTextFile(`${pair.local}/both`, "ours, later");
  const second = await pair.sync("-Mode Both -Remove");
  assertCode(second, 0);
  assert.deepEqual(counts(second), [1, 0, 1, 1, 0], second.stderr);
  assertSame(pair);
  assert.deepEqual(Object.keys(look(pair.remote)).sort(), ["both", "d/", "d/three", "two"]);
  const items = (await pair.run(["Get-TrashItem"])).objects();
  const kept = items.map(({ Path, Side, Why }) => `${Why} ${Side} ${Path}`).sort();
  assert.deepEqual(kept, ["Conflict Remote both", "Removed Remote one"]);
  assert.ok(items.every(({ Kept }) => String(Kept).startsWith(`${pair.sshd.home}/.tandem-trash/`)), second.stdout);
  const { Id } = items.find(({ Path }) => Path === "both") ?? {};
  assertCode(await pair.run(["Restore-TrashItem", String(Id), "-Force"]), 0);
  assert.equal(look(pair.remote)["both"], "theirs, earlier");
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  assert.equal(look(pair.local)["both"], "theirs, earlier");
  await pair.idle("-Mode Both -Remove");
});
