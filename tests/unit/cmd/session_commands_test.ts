import assert from "node:assert/strict";
import { Session } from "../../../lib/session/session.ts";
import { testCommandLine } from "../../support/command_line.ts";

Deno.test("New-Session opens a session for each address, Close-Session closes it, and scripts see both", async () => {
  await using shell = await testCommandLine();
  const line = "$s = New-Session file://{}/local, file://{}/remote; $s[0].Opened; Close-Session $s; $s[1].Opened";
  assert.deepEqual(await shell.run(line), [true, false]);
  const [session] = await shell.run("New-Session file://{}/local");
  assert.ok(session instanceof Session);
  assert.equal(session.opened, false, "the pipeline that made it closes it");
});

const wrong: Readonly<Record<string, RegExp>> = {
  "New-Session": /^No server is named: write an address such as sftp:/,
  "New-Session nope://h": /^The scheme "nope" is not known/,
  "New-Session sftp://h -HostName h": /^The address names the server and its protocol already/,
  "New-Session sftp://a@h -UserName b": /^The address says user "a", the parameter "b"/,
  "New-Session -HostName u@h": /^-HostName takes the name alone/,
  "New-Session sftp://h -Password a -PasswordFile b": /^Give -Password or -PasswordFile, not both/,
  "Close-Session text": /^-Session: expected a session of New-Session, not the text "text"/,
};
for (const [line, message] of Object.entries(wrong)) {
  Deno.test(`Wrong usage before anything is opened: ${line}`, async () => {
    await using shell = await testCommandLine();
    await assert.rejects(shell.run(line), { kind: "badInput", message });
  });
}

Deno.test("Close-Session at the end of a pipe without a session is a failed connection", async () => {
  await using shell = await testCommandLine();
  await assert.rejects(shell.run("@() | Close-Session"), { kind: "connection" });
});

Deno.test("Get-Credential takes the password from the environment, or asks, and never shows it", async () => {
  await using shell = await testCommandLine({ env: { TANDEM_PASSWORD: "hunter22" } });
  const [credential] = await shell.run("Get-Credential deploy");
  assert.equal(credential?.userName, "deploy");
  assert.ok(!JSON.stringify(credential).includes("hunter22"));
  await using asking = await testCommandLine({ answers: ["deploy", "hunter22"] });
  const [asked] = await asking.run("Get-Credential");
  assert.equal(asked?.userName, "deploy");
  assert.deepEqual(asking.questions, ["User name: ", "Password for deploy: "]);
  await using silent = await testCommandLine();
  await assert.rejects(silent.run("Get-Credential"), { kind: "badInput", message: /write Get-Credential NAME/ });
  await assert.rejects(silent.run("Get-Credential deploy"), { kind: "badInput", message: /TANDEM_PASSWORD/ });
});

Deno.test("New-Object makes a PSCredential and an empty SecureString, and nothing else", async () => {
  await using shell = await testCommandLine();
  const [credential] = await shell.run("New-Object PSCredential deploy, (New-Object System.Security.SecureString)");
  assert.equal(credential?.userName, "deploy");
  await assert.rejects(shell.run("New-Object System.Net.WebClient"), { kind: "badInput", message: /WebClient/ });
});
