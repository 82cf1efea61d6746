import assert from "node:assert/strict";
import { pipe } from "../../../lib/shell/run/pipe.ts";
import { testCommandLine } from "../../support/command_line.ts";
import { testProgram } from "../../support/program.ts";

/** Counts how often an address with this path is parsed: the parser decodes the path of each once. */
async function parsesOf(path: string, body: () => Promise<unknown>): Promise<number> {
  const decode = globalThis.decodeURIComponent;
  let count = 0;
  globalThis.decodeURIComponent = (text) => {
    if (text === path) count++;
    return decode(text);
  };
  try {
    await body();
  } finally {
    globalThis.decodeURIComponent = decode;
  }
  return count;
}

const lines: Readonly<Record<string, string>> = {
  "Sync-Path": "Sync-Path {}/local file://{}/remote -Mode Remote",
  "Sync-Path -WhatIf": "Sync-Path {}/local file://{}/remote -Mode Remote -WhatIf",
  "Compare-Path": "Compare-Path {}/local file://{}/remote -Mode Both",
  "New-Session": "New-Session file://{}/remote | Sync-Path {}/local -Mode Remote",
  "a session from a variable": "$s = New-Session file://{}/remote; Sync-Path {}/local -Session $s -Mode Remote",
};
for (const [what, line] of Object.entries(lines)) {
  Deno.test(`The address of one run is parsed once: ${what}`, async () => {
    await using shell = await testCommandLine({ local: { a: { text: "1" } } });
    assert.equal(await parsesOf(`${shell.folder}/remote`, () => shell.run(line)), 1);
  });
}

Deno.test("The address of one run is parsed once: a program", async () => {
  await using program = await testProgram({ a: { text: "1" } });
  assert.equal(await parsesOf(program.remote, () => pipe(program.syncPath({ mode: "Remote" }))), 1);
});
