import assert from "node:assert/strict";
import { findSecret, readEverything, secretCanary } from "../../support/secret_leaks.ts";
import { assertSame, fill, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { onTerminal } from "../../support/terminal.ts";

/** Only root can make the system user whose password sshd compares. */
const options = { server: "sftp", ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };

serverTest("A password typed at a terminal logs in, and the terminal never shows it", options, async () => {
  await using pair = await startSftpPair({ password: secretCanary });
  await Deno.remove(pair.sshd.privateKeyPath);
  await fill(pair.local, { "a": "1", "dir/b": "2" });
  const { user, port, root, home } = pair.sshd;
  const address = `sftp://${user}@127.0.0.1:${port}${root}`;
  const words = ["Sync-Path", pair.local, address, "-Mode", "Remote", "-Verbose"];
  const ran = await onTerminal(words, { home, type: { after: /assword[^\r\n]*: ?$/, text: secretCanary } });
  assert.equal(ran.code, 0, ran.shown);
  assert.match(ran.shown, /assword/);
  assert.equal(findSecret(ran.shown), undefined, ran.shown);
  assertSame(pair);
  assert.equal(findSecret(await readEverything(home)), undefined);
});
