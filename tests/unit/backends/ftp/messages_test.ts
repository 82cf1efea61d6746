import assert from "node:assert/strict";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const refused: readonly (readonly [command: string, reply: string, message: RegExp])[] = [
  [
    "USER anonymous",
    "421 full house",
    /^Cannot connect to "ftp:[^"]+": the server accepts no more connections: the server answered "421 full house"; try again later$/,
  ],
  [
    "USER anonymous",
    "332 who pays?",
    /^Cannot log in to "ftp:[^"]+": the server asks for an account \(ACCT\), which is not supported$/,
  ],
  [
    "TYPE I",
    "504 text only",
    /^Cannot connect to "ftp:[^"]+": the server refuses binary transfers: the server answered "504 text only"$/,
  ],
];

for (const [command, answer, message] of refused) {
  Deno.test(`a login that the server ends with "${answer.slice(0, 4)}" to ${command} says so once`, async () => {
    await using server = await startSmallFtp({ reply: (one) => one === command ? `${answer}\r\n` : undefined });
    assert.match((await assertRejects(openSmallFtp(server))).message, message);
  });
}

Deno.test("what a server says beside its codes is quoted and escaped in messages of each operation", async () => {
  const reply = (command: string) => {
    if (command.startsWith("MLST /")) return "550 \u001b]0;x\u0007 Permission denied\r\n";
    return /^E?PASV|^EPSV/.test(command) ? "500 \u001b[31m\r\n" : undefined;
  };
  await using server = await startSmallFtp({ reply });
  await using backend = await openSmallFtp(server);
  const denied = await assertRejects(backend.stat(toRelPath("a"), call), "denied");
  assert.equal(
    denied.message,
    'Cannot look at "a": the server answered "550 \\u001b]0;x\\u0007 Permission denied"',
  );
  const closed = await assertRejects(backend.list(toRelPath(""), call), "connection");
  assert.equal(
    closed.message,
    'Cannot list ".": the server opens no data connection: the server answered "500 \\u001b[31m"; ' +
      "-FtpMode Auto lets the server connect to this machine instead",
  );
});
