import assert from "node:assert/strict";
import { testCommandLine } from "../../support/command_line.ts";
import { readDisk } from "../../support/trees/tree.ts";

const scene = { local: { "a": "1", "d/b": "22" }, remote: { "old": "x" } };

Deno.test("Sync-Path copies, and gives one result", async () => {
  await using shell = await testCommandLine(scene);
  const [result, ...more] = await shell.run("Sync-Path {}/local file://{}/remote -Mode Remote");
  assert.equal(more.length, 0);
  assert.deepEqual([result?.Type, result?.UploadCount, result?.ExitCode], ["SyncResult", 2, 0]);
  assert.deepEqual(Object.keys(await readDisk(`${shell.folder}/remote`)).sort(), ["a", "d/b", "old"]);
});

Deno.test("Sync-Path -WhatIf tells the same and changes nothing", async () => {
  await using shell = await testCommandLine(scene);
  const [result] = await shell.run("Sync-Path {}/local file://{}/remote -Mode Remote -Remove -WhatIf");
  assert.deepEqual([result?.IsWhatIf, result?.UploadCount, result?.RemovalCount], [true, 2, 1]);
  assert.deepEqual(Object.keys(await readDisk(`${shell.folder}/remote`)), ["old"]);
});

Deno.test("Sync-Path -Confirm asks with the plan, and No changes nothing", async () => {
  await using shell = await testCommandLine({ ...scene, answers: ["No"] });
  const [result] = await shell.run("Sync-Path {}/local file://{}/remote -Mode Remote -Confirm");
  assert.equal(result?.UploadCount, 0);
  assert.match(shell.questions.join(), /^2 files to upload .*Go on\?$/);
  assert.deepEqual(Object.keys(await readDisk(`${shell.folder}/remote`)), ["old"]);
});

const wrong: Readonly<Record<string, RegExp>> = {
  "Sync-Path {}/local -Mode Remote": /^No server is named: write an address as RemotePath/,
  "Sync-Path {}/none file://{}/remote -Mode Remote": /^The local folder ".*none" does not exist/,
  "Sync-Path {}/local/a file://{}/remote -Mode Remote": /is no folder/,
  "Sync-Path sftp://h/x {}/local -Mode Local": /^-LocalPath is a folder of this machine/,
  "Sync-Path {}/local deploy@web1:/www -Mode Remote": /did you mean sftp:\/\/deploy@web1\/www\?/,
  "Sync-Path {}/local file://{}/remote -Mode Both -Mirror": /^-Mode Both cannot mirror/,
  "Sync-Path {}/local file://{}/remote": /^Sync-Path needs -Mode/,
  "Compare-Path {}/local file://{}/remote -Mode Both -Criteria None": /^-Mode Both needs a criterion/,
};
for (const [line, message] of Object.entries(wrong)) {
  Deno.test(`Wrong usage before anything is changed: ${line}`, async () => {
    await using shell = await testCommandLine(scene);
    await assert.rejects(shell.run(line), { kind: "badInput", message });
    assert.deepEqual(Object.keys(await readDisk(`${shell.folder}/remote`)), ["old"]);
  });
}

Deno.test("Compare-Path gives the plan's line and one line for each difference, and changes nothing", async () => {
  await using shell = await testCommandLine(scene);
  const [plan, ...differences] = await shell.run("Compare-Path {}/local file://{}/remote -Mode Remote -Remove");
  assert.deepEqual([plan?.Type, plan?.Mode], ["Plan", "Remote"]);
  assert.deepEqual(differences.map(({ Action, Path }) => `${Action} ${Path}`).sort(), [
    "DeleteRemote old",
    "UploadNew a",
    "UploadNew d",
    "UploadNew d/b",
  ]);
  assert.deepEqual(Object.keys(await readDisk(`${shell.folder}/remote`)), ["old"]);
});
