import assert from "node:assert/strict";
import { type Command, defineCommand } from "../../../../lib/shell/command/command.ts";
import { commandList, helpText } from "../../../../lib/shell/run/help.ts";
import { duration, listOf, oneOf, path, secret, text, toggle } from "../../../../lib/shell/command/param_types.ts";

const sync: Command = defineCommand({
  name: "Sync-Path",
  summary: "Makes one folder like another, and tells on the way what it does, file by file, in a long summary.",
  aliases: [{ name: "Sync-Directory" }],
  notes: ["Some longer words."],
  examples: ["Sync-Path ./site sftp://u@h/www -Mode Remote\n  # one shot"],
  params: {
    Hidden: { type: text, hidden: true, help: "Nobody sees this." },
    Password: { type: { ...secret, convert: String }, fallback: "hunter2", help: "The password." },
    Criteria: { type: listOf(oneOf("Time", "Size")), fallback: ["Time", "Size"], help: "How files differ." },
    Timeout: { type: duration, fallback: 15_000, help: "How long to wait." },
    Remove: { type: toggle, exact: true, fallback: false, help: "Remove what the source lacks." },
    Mode: { type: oneOf("Local", "Remote"), mandatory: true, aliases: ["SyncMode"], help: "Which side changes." },
    RemotePath: { type: path, position: 1, fromPipe: "property", help: "The remote folder." },
    LocalPath: { type: path, position: 0, fallback: ".", help: "The local folder." },
  },
  async *run() {},
});

const help = helpText(sync);

for (
  const [what, pattern] of [
    ["the name", /^NAME\n {4}Sync-Path\n/],
    [
      "the syntax, positions first, what is mandatory without brackets",
      /SYNTAX\n {4}Sync-Path \[\[-LocalPath\] <path>\] \[\[-RemotePath\] <path>\] -Mode <Local\|Remote>/,
    ],
    ["aliases of the command", /ALIASES\n {4}Sync-Directory\n/],
    [
      "values, and aliases of a parameter",
      /-Mode <value>\n {8}Which side changes\.\n {8}Values: Local, Remote\.\n {8}\(needed; also -SyncMode\)/,
    ],
    ["a list and its default", /-Criteria <value>\n[^]*?\(several with commas; default Time,Size\)/],
    ["a duration's default with its unit", /default 15s/],
    ["a switch without a value", /-Remove\n {8}Remove what the source lacks\.\n {8}\(written in full\)/],
    ["what comes from the pipe", /\(position 1; from the pipe by name\)/],
    ["the common parameters", /Every command also takes -WhatIf, -Confirm,/],
    ["examples as they are", /EXAMPLES\n {4}Sync-Path \.\/site sftp:\/\/u@h\/www -Mode Remote\n {6}# one shot\n$/],
  ] as const
) {
  Deno.test(`helpText() shows ${what}`, () => assert.match(help, pattern));
}

Deno.test("helpText() shows neither hidden parameters nor a secret's default", () => {
  assert.ok(!help.includes("Hidden") && !help.includes("Nobody") && !help.includes("hunter2"));
});

Deno.test("helpText() keeps to the width, but never below 40", () => {
  for (const width of [1, 40, 60, 120]) {
    const lines = helpText({ ...sync, examples: [] }, { width }).split("\n");
    assert.ok(lines.every((line) => line.length <= Math.max(40, width)), `${width}`);
  }
});

Deno.test("commandList() shows one command a line in order, and wraps under the summary", () => {
  const other: Command = { ...sync, name: "Close-Session", summary: "Closes." };
  const lines = commandList([sync, other], { width: 60 }).split("\n");
  assert.equal(lines[0], "Close-Session  Closes.");
  assert.match(lines[1] ?? "", /^Sync-Path {6}Makes one folder/);
  assert.match(lines[2] ?? "", /^ {15}\S/);
  assert.ok(lines.every((line) => line.length <= 60));
});

Deno.test("helpText() shows the parameters of each protocol under its own heading, with the help that they have there", () => {
  const [a, b] = [{ names: ["A"], help: "Of A." }, { names: ["B", "C"], help: "Of B." }];
  const command = defineCommand({
    name: "New-Session",
    summary: "Opens.",
    params: {
      Both: { type: text, protocols: [a, b], help: "A: Of A. B: Of B." },
      Address: { type: text, position: 0, help: "An address." },
      OnlyB: { type: text, protocols: [{ names: ["B", "C"], help: "B alone." }], help: "B alone." },
      HostName: { type: text, replacesAddress: true, help: "A host." },
    },
    async *run() {},
  });
  const headings = (help: string) => help.split("\n").filter((line) => /^(?:PARAMETERS| {4}-\w+ <)/.test(line));
  const own = ["PARAMETERS", "    -Address <text>", "    -HostName <text>"];
  const ofB = ["PARAMETERS OF B, C", "    -Both <text>", "    -OnlyB <text>"];
  assert.deepEqual(headings(helpText(command)), [...own, "PARAMETERS OF A", "    -Both <text>", ...ofB]);
  assert.deepEqual(headings(helpText(command, { protocol: "C" })), [...own, ...ofB]);
  assert.deepEqual(headings(helpText(command, { protocol: "C", hasAddress: true })), [...own.slice(0, 2), ...ofB]);
  assert.match(
    helpText(command),
    /^ {4}New-Session \[\[-Address\] <text>\] \[-HostName <text>\] \[parameters of the$/m,
  );
  assert.match(helpText(command, { protocol: "B" }), /-Both <text>\n {8}Of B\.\n\n/);
});
