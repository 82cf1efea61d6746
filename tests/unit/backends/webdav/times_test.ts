import assert from "node:assert/strict";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { root } from "../../../../lib/core/path.ts";
import { call } from "../../../contract/assertions.ts";
import { startDavStore } from "../../../support/servers/dav_store.ts";
import { davTarget } from "../../../support/targets/webdav_target.ts";

for (
  const [what, time, warnings] of [
    ["none", () => undefined, 1],
    ["none that can be read", () => "Invalid Date", 1],
    ["some that can be read", (ms: number) => new Date(ms).toISOString(), 0],
  ] as const
) {
  Deno.test(`a server that tells the times of files as ${what} is told of ${warnings === 1 ? "once" : "never"}`, async () => {
    await using server = await startDavStore({ time });
    for (const name of ["a", "b"]) server.files.set(name, { bytes: new Uint8Array(1), modified: 0, version: 1 });
    const said: string[] = [];
    const target = {
      ...davTarget({ user: "", password: "", root: "/", port: server.port }),
      warn: (text: string) => void said.push(text),
    };
    await using backend = await openWebdav(target, call);
    await backend.list(root, call);
    await backend.list(root, call);
    assert.equal(said.length, warnings);
  });
}
