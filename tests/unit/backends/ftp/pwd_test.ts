import assert from "node:assert/strict";
import { parsePwdFolder } from "../../../../lib/backends/ftp/replies.ts";
import { call, paths } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const line = "type=file;size=1;modify=20231114221320; a\r\n";

const forms = [
  ['257 "/" is current', "/"],
  ['257 "/a ""b"" c" is the folder "x"', '/a "b" c'],
  ["257 /home/me", "/home/me"],
  ["257 /home/me is the current directory", "/home/me"],
  ["257 '/home/me' is the current directory.", "/home/me"],
  ['257 ""/home/me"" is current', "/home/me"],
  ['257 "/home/me', "/home/me"],
  ['257 "/home/me"', "/home/me"],
  ['257 "" is current', undefined],
  ["257", undefined],
  ["257 ", undefined],
  ['257 "C:/web" is current', undefined],
  ['257 "C:\\web" is current', undefined],
  ["257 C:/web", undefined],
  ["257 home", undefined],
  ["257 see /home/me or ask", undefined],
  ['257 "/a\tb" is current', undefined],
] as const;

for (const [text, folder] of forms) {
  Deno.test(`the folder in "${text}" is ${folder ?? "unknown"}`, () => {
    assert.equal(parsePwdFolder({ code: 257, text }), folder);
  });
}

for (const answer of ['257 "" is current', "257 home", '257 "C:/web" is current', "257", "550 no", "502 what", "500"]) {
  Deno.test(`a server that answers PWD with "${answer}" is used from "/", which is not its login folder for certain`, async () => {
    const reply = (command: string) => command === "PWD" ? `${answer}\r\n` : undefined;
    await using server = await startSmallFtp({ reply, listing: line });
    await using backend = await openSmallFtp(server);
    assert.deepEqual(await paths(backend), ["a"]);
    assert.deepEqual(backend.root, { path: "/", risk: "the server's root folder" });
    assert.deepEqual((await backend.withRoot("/web", call)).root, { path: "/web", isOrdinary: true });
    assert.equal((await backend.withRoot("~/web", call)).root.path, "/web");
  });
}
