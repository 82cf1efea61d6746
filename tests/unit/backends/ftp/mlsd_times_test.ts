import assert from "node:assert/strict";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { call, put } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { ftpTree } from "../../../support/servers/ftp_tree.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const THEN = 1_700_000_000_000;

for (const announces of [false, true]) {
  const how = announces ? "that is announced and not sent" : "that is not announced";
  Deno.test(`a modify fact ${how} is asked for by MDTM: stat() and write() know the time`, async () => {
    const tree = ftpTree({ files: { "/a": "x" }, links: {}, modify: announces ? "announced" : "none" });
    await using server = await startSmallFtp(tree.options);
    await using backend = await openSmallFtp(server);
    assert.deepEqual(await backend.list(root, call), [{ kind: "file", path: "a", size: 1 }]);
    assert.deepEqual(await backend.stat(toRelPath("a"), call), { kind: "file", path: "a", size: 1, modified: THEN });
    assert.equal((await put(backend, "b", "bytes", THEN - 5_000)).modified, THEN - 5_000);
    assert.equal(backend.traits.timeStep, 1000);
  });
}

Deno.test("the first file written to a server without modify facts is given its time too", async () => {
  const tree = ftpTree({ files: {}, links: {}, modify: "announced" });
  await using server = await startSmallFtp(tree.options);
  await using backend = await openSmallFtp(server);
  for (const name of ["a", "b"]) assert.equal((await put(backend, name, "bytes", THEN - 5_000)).modified, THEN - 5_000);
});

Deno.test("a server that shows no times in MLSD and has no MDTM keeps none, for all that its traits say", async () => {
  const tree = ftpTree({ files: { "/a": "x" }, links: {}, modify: "none", mdtm: false });
  await using server = await startSmallFtp({ ...tree.options, features: [...tree.options.features ?? [], "MFMT"] });
  await using backend = await openSmallFtp(server);
  assert.equal((await backend.list(root, call)).length, 1);
  assert.equal(backend.traits.timeStep, undefined);
  assert.deepEqual(await backend.stat(toRelPath("a"), call), { kind: "file", path: "a", size: 1 });
});

Deno.test("one stat is one round trip where MLST tells the time, and asks for both at once where it does not", async () => {
  for (const [modify, wanted] of [["sent", ["MLST /a"]], ["none", ["MLST /a", "MDTM /a"]]] as const) {
    const tree = ftpTree({ files: { "/a": "x" }, links: {}, modify });
    await using server = await startSmallFtp(tree.options);
    await using backend = await openSmallFtp(server);
    await backend.list(root, call);
    await backend.stat(toRelPath("a"), call);
    assert.deepEqual(server.told.filter((one) => / \/a$/.test(one)), wanted);
  }
});
