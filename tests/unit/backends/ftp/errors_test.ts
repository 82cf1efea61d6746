import assert from "node:assert/strict";
import { errorKindOf } from "../../../../lib/backends/ftp/errors.ts";
import { parseEpsvPort, parseFeatures, parsePasvPort, parsePwdFolder } from "../../../../lib/backends/ftp/replies.ts";

Deno.test("epsvPort() reads the port, whatever stands around it", () => {
  assert.equal(parseEpsvPort({ code: 229, text: "229 Entering Extended Passive Mode (|||6446|)" }), 6446);
  assert.equal(parseEpsvPort({ code: 229, text: "229 (!!!1!)" }), 1);
  for (const text of ["229 (|||0|)", "229 (|||65536|)", "229 (|||a|)", "229 ok"]) {
    assert.equal(parseEpsvPort({ code: 229, text }), undefined, text);
  }
});

Deno.test("pasvPort() reads the port and ignores the host", () => {
  assert.equal(parsePasvPort({ code: 227, text: "227 Entering Passive Mode (10,9,8,7,4,1)" }), 1025);
  assert.equal(parsePasvPort({ code: 227, text: "227 Entering Passive Mode (10,9,8,7,256,1)" }), undefined);
  assert.equal(parsePasvPort({ code: 425, text: "425 (1,2,3,4,5,6)" }), undefined);
});

Deno.test("pwdFolder() reads doubled quotes as one", () => {
  assert.equal(parsePwdFolder({ code: 257, text: '257 "/a ""b"" c" is the folder "x"' }), '/a "b" c');
  assert.equal(parsePwdFolder({ code: 550, text: '550 "/a"' }), undefined);
});

Deno.test("featuresOf() tells SITE commands apart", () => {
  const text = "211-Features:\n MLST type*;size*;\n SITE UTIME\n SITE MKDIR\nREST STREAM\n211 End";
  const found = parseFeatures({ code: 211, text });
  assert.deepEqual([...found.keys()], ["MLST", "SITE UTIME", "SITE MKDIR", "REST"]);
  assert.equal(found.get("MLST"), "type*;size*;");
});

const kinds: readonly (readonly [number, string, string])[] = [
  [550, "550 /x: No such file or directory", "notFound"],
  [550, "550 x: Permission denied", "denied"],
  [553, "553 Could not create file.", "denied"],
  [552, "552 Transfer aborted. Disk quota exceeded", "full"],
  [451, "451 No space left on device", "full"],
  [451, "451 Failure writing to local file.", "full"],
  [451, "451 Failure reading network stream.", "connection"],
  [421, "421 There are too many connections from your internet address.", "busy"],
  [530, "530 Sorry, the maximum number of clients (2) are already connected.", "busy"],
  [530, "530 Login incorrect.", "auth"],
  [426, "426 Connection closed; transfer aborted", "connection"],
  [500, "500 Unknown command.", "unsupported"],
  [550, "550 Failed.", "unexpected"],
];

for (const [code, text, kind] of kinds) {
  Deno.test(`errorKindOf() calls "${text}" ${kind}`, () => assert.equal(errorKindOf({ code, text }), kind));
}
