import assert from "node:assert/strict";
import { addressFacts } from "../../../cmd/get_help.ts";
import { testCommandLine } from "../../support/command_line.ts";

Deno.test("Get-Help lists the commands, explains one, and is wrong usage for an unknown one", async () => {
  await using shell = await testCommandLine();
  assert.match(String(await shell.run("Get-Help")), /^Sync-Path +Makes a local folder/m);
  assert.match(String(await shell.run("Get-Help Sync-Directory")), /^NAME\n {4}Sync-Path\n/);
  await assert.rejects(shell.run("Get-Help Snc-Path"), {
    kind: "badInput",
    message: 'There is no command "Snc-Path". Did you mean Sync-Path?',
  });
});

Deno.test("Get-Help -Protocol explains the parameters of that protocol alone", async () => {
  await using shell = await testCommandLine();
  const help = String(await shell.run("Get-Help New-Session -Protocol Ftp"));
  assert.deepEqual(help.match(/^PARAMETERS.*$/gm), ["PARAMETERS", "PARAMETERS OF FTP"]);
  assert.match(help, /-FtpSecure/);
  assert.doesNotMatch(help, /-SshHostKeyPolicy|-Region/);
  assert.equal(String(await shell.run("Get-Help Close-Session -Protocol Ftp")).includes("PARAMETERS OF"), false);
  await assert.rejects(shell.run("Get-Help -Protocol Ftp"), {
    kind: "badInput",
    message: /Get-Help New-Session -Protocol Ftp/,
  });
  await assert.rejects(shell.run("Get-Help New-Session -Protocol Gopher"), {
    kind: "badInput",
    message: /Sftp, Scp, Ftp/,
  });
});

Deno.test("The help of a line with an address shows its protocol alone, and no parameter that replaces an address", () => {
  assert.deepEqual(addressFacts(["./site", "ftps://web1/x"]), { hasAddress: true, protocol: "Ftp" });
  assert.deepEqual(addressFacts(["./site", "nope://web1/x"]), { hasAddress: true, protocol: undefined });
  assert.deepEqual(addressFacts(["./site"]), {});
});

Deno.test("A parameter of another protocol than the address's is wrong usage that names the protocols it belongs to", async () => {
  await using shell = await testCommandLine({ local: {} });
  const lines: Readonly<Record<string, RegExp>> = {
    "New-Session ftp://h -SshAgent none":
      /^-SshAgent belongs to Sftp, and the server is reached by Ftp: leave it out\./,
    "New-Session sftp://h -SecretKey x": /^-SecretKey belongs to Gcs and S3, and the server is reached by Sftp/,
    "Sync-Path {}/local file://{}/remote -Mode Remote -Connections 2":
      /^-Connections belongs to Sftp, (?:\w+, )*\w+ and \w+, and the server is reached by File/,
  };
  for (const [line, message] of Object.entries(lines)) {
    await assert.rejects(shell.run(line), { kind: "badInput", message }, line);
  }
});
