import assert from "node:assert/strict";
import { getCommandCommand } from "../../../cmd/get_command.ts";
import { commands } from "../../../cmd/mod.ts";
import { createListStep } from "../../../lib/shell/run/pipe.ts";
import { testHost } from "../../support/test_host.ts";

/** The names that Get-Command lists for this pattern; all of them without one. */
async function namesFor(name?: string): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack();
  const step = createListStep(getCommandCommand(() => commands), (common, stack) => testHost({ common, stack }));
  const found = await step(name === undefined ? {} : { name })(undefined, stack);
  return found.map((one) => one.Name);
}

Deno.test("Get-Command lists every command once, in the order of the table", async () => {
  assert.deepEqual(await namesFor(), commands.map(({ name }) => name));
});

Deno.test("Get-Command finds names by a pattern and by an alias, in any case", async () => {
  assert.deepEqual(await namesFor("*-session"), ["New-Session", "Close-Session"]);
  assert.deepEqual(await namesFor("Sync-Directory"), ["Sync-Path"]);
  assert.deepEqual(await namesFor("no-such-command"), []);
});
