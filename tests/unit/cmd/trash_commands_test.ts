import assert from "node:assert/strict";
import { type CommandLine, testCommandLine } from "../../support/command_line.ts";
import { readDisk } from "../../support/trees/tree.ts";

/** Command lines after a run that removed `remote/old` and kept it in the trash. */
async function withRemoved(answers?: readonly string[]): Promise<CommandLine> {
  const shell = await testCommandLine({
    local: { "a": "1" },
    remote: { "a": "1", "old": "kept" },
    ...(answers === undefined ? {} : { answers }),
  });
  const [result] = await shell.run("Sync-Path {}/local file://{}/remote -Mode Remote -Remove -Recycle -MaxRemove 1");
  assert.equal(result?.RemovalCount, 1, JSON.stringify(result));
  return shell;
}

const namesOf = async (shell: CommandLine) => Object.keys(await readDisk(`${shell.folder}/remote`)).sort();

Deno.test("Get-TrashItem lists what was kept, all of it or by a pattern", async () => {
  await using shell = await withRemoved();
  const [item, ...more] = await shell.run("Get-TrashItem");
  assert.deepEqual([item?.Path, item?.Why, item?.Length, more.length], ["old", "Removed", 4, 0]);
  assert.equal((await shell.run("Get-TrashItem o*")).length, 1);
  assert.equal((await shell.run("Get-TrashItem b*")).length, 0);
});

Deno.test("Restore-TrashItem puts an item back; -WhatIf does not, nor does it overwrite without -Force", async () => {
  await using shell = await withRemoved();
  assert.equal((await shell.run("Get-TrashItem | Restore-TrashItem -WhatIf")).length, 1);
  assert.deepEqual(await namesOf(shell), ["a"]);
  await Deno.writeTextFile(`${shell.folder}/remote/old`, "new");
  await assert.rejects(shell.run("Get-TrashItem | Restore-TrashItem"), { kind: "exists" });
  assert.equal(await Deno.readTextFile(`${shell.folder}/remote/old`), "new");
  await shell.run("Get-TrashItem | Restore-TrashItem -Force");
  assert.equal(await Deno.readTextFile(`${shell.folder}/remote/old`), "kept");
  assert.deepEqual((await shell.run("Get-TrashItem")).map(({ Why, Length }) => [Why, Length]), [["Overwritten", 3]]);
});

Deno.test("Restore-TrashItem and Clear-Trash are wrong usage for an item that is not there", async () => {
  await using shell = await withRemoved();
  await assert.rejects(shell.run("Restore-TrashItem ffffffff"), { kind: "badInput", message: /no item "ffffffff"/ });
  await assert.rejects(shell.run("Restore-TrashItem notanid"), {
    kind: "badInput",
    message: /expected an Id of Get-TrashItem/,
  });
  await assert.rejects(shell.run("Restore-TrashItem"), { kind: "badInput" });
  await assert.rejects(shell.run("Clear-Trash ffffffff -Force"), { kind: "badInput" });
});

Deno.test("Clear-Trash asks first, removes for good with Yes or -Force, and nothing with No or -WhatIf", async () => {
  await using shell = await withRemoved(["No", "Yes"]);
  assert.equal((await shell.run("Clear-Trash -WhatIf")).length, 1);
  assert.equal((await shell.run("Clear-Trash")).length, 0);
  assert.equal((await shell.run("Get-TrashItem")).length, 1);
  assert.equal((await shell.run("Clear-Trash")).length, 1);
  assert.equal((await shell.run("Get-TrashItem")).length, 0);
  assert.equal(shell.questions.length, 2);
  await using silent = await withRemoved();
  await assert.rejects(silent.run("Clear-Trash"), { kind: "badInput", message: /add -Force/ });
  assert.equal((await silent.run("Clear-Trash -Force")).length, 1);
});
