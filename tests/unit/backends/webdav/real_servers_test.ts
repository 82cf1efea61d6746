import assert from "node:assert/strict";
import { join } from "node:path";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { wholeBody } from "../../../support/content.ts";
import { serverTest } from "../../../support/servers/install.ts";
import { startDav } from "../../../support/servers/webdav.ts";
import { davTarget, openTestDav } from "../../../support/targets/webdav_target.ts";

const f = toRelPath("d/f");
const fresh = { ...call, size: 3, expect: "absent" } as const;

serverTest("a Subversion repository with autoversioning is written, replaced and cleared without temporary files", {
  server: "svn",
}, async () => {
  await using server = await startDav({ kind: "svn", config: ["SVNAutoversioning on"] });
  await using backend = await openTestDav(server);
  await backend.makeDir(toRelPath("d"), call);
  const first = await backend.write(f, wholeBody("one"), fresh);
  const second = await backend.write(f, wholeBody("second"), { ...call, size: 6, expect: first });
  assert.equal(second.size, 6);
  await assertRejects(backend.write(f, wholeBody("third"), { ...call, size: 5, expect: first }), "changed");
  assert.deepEqual((await backend.list(toRelPath("d"), call)).map(({ path }) => path), ["d/f"]);
  await backend.remove(second, call);
  assert.deepEqual(await backend.list(toRelPath("d"), call), []);
  const changes = (await server.mutations()).map((line) => line.split(" ").slice(0, 2).join(" "));
  assert.deepEqual(changes, ["MKCOL /svn/d/", "PUT /svn/d/f", "PUT /svn/d/f", "DELETE /svn/d/f"]);
});

serverTest("a Subversion repository without autoversioning says what it lacks", { server: "svn" }, async () => {
  await using server = await startDav({ kind: "svn" });
  await using backend = await openTestDav(server);
  assert.deepEqual(await backend.list(root, call), []);
  const changes = [
    () => backend.makeDir(toRelPath("d"), call),
    () => backend.write(toRelPath("f"), wholeBody("one"), fresh),
  ];
  for (const change of changes) {
    assert.match((await assertRejects(change(), "unsupported")).message, /"SVNAutoversioning on" \(\d+\)/);
  }
});

serverTest("nginx without MOVE gets new files under their final names, and replaces them in place", {
  server: "nginx",
}, async () => {
  const config = ["if ($request_method = MOVE) { return 405; }"];
  await using server = await startDav({ kind: "nginx", config });
  const warnings: string[] = [];
  const target = { ...davTarget(server), warn: (text: string) => void warnings.push(text) };
  await using backend = await openWebdav(target, call);
  await backend.makeDir(toRelPath("d"), call);
  await backend.write(toRelPath("d/g"), wholeBody("one"), fresh);
  await Deno.writeTextFile(join(server.disk, f), "one");
  await new Deno.Command("chown", { args: ["www-data", join(server.disk, f)] }).output();
  const entry = await backend.stat(f, call);
  assert.ok(entry?.kind === "file");
  assert.match(warnings.join("\n"), /renames no files \(MOVE was refused: status 405\)/);
  await assertRejects(backend.write(f, wholeBody("two"), { ...call, size: 3, expect: entry }), "unsupported");
  assert.equal(await Deno.readTextFile(join(server.disk, f)), "one");
  await backend.write(f, wholeBody("two"), { ...call, size: 3, expect: entry, inPlace: true });
  assert.equal(await Deno.readTextFile(join(server.disk, f)), "two");
  assert.deepEqual([...Deno.readDirSync(join(server.disk, "d"))].map(({ name }) => name).sort(), ["f", "g"]);
});

for (
  const [what, config] of [
    ["without mime types", []],
    ["with mime types", ['mimetype.assign = (".txt" => "text/plain", "" => "application/octet-stream")']],
  ] as const
) {
  serverTest(`lighttpd ${what} is written, read and replaced`, { server: "lighttpd" }, async () => {
    await using server = await startDav({ kind: "lighttpd", config });
    await using backend = await openTestDav(server);
    await backend.makeDir(toRelPath("d"), call);
    const first = await backend.write(f, wholeBody("one"), fresh);
    const [listed] = await backend.list(toRelPath("d"), call);
    assert.ok(listed?.kind === "file");
    const content = await backend.read(f, { ...call, expect: listed });
    assert.equal(content instanceof Uint8Array ? new TextDecoder().decode(content) : "", "one");
    const second = await backend.write(f, wholeBody("second"), { ...call, size: 6, expect: first });
    await backend.remove(second, call);
  });
}
