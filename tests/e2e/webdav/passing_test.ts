import assert from "node:assert/strict";
import { join } from "node:path";
import { type DavStoreOptions, startDavStore } from "../../support/servers/dav_store.ts";
import { readFolder } from "../../support/targets/sftp_pair.ts";
import { tandem } from "../../support/tandem.ts";

/** Downloads a tree of three folders from a server that answers some listings with a status. */
async function download(answer: NonNullable<DavStoreOptions["answer"]>) {
  const home = await Deno.makeTempDir({ prefix: "tandem-passing-" });
  try {
    const local = join(home, "local");
    await Deno.mkdir(local);
    await using server = await startDavStore({ answer });
    for (const name of ["d", "e"]) server.folders.add(name);
    for (const name of ["a", "d/b", "e/c"]) {
      server.files.set(name, { bytes: new TextEncoder().encode(name), modified: 0, version: 1 });
    }
    const ran = await tandem(["Sync-Path", local, `dav://127.0.0.1:${server.port}/`, "-Mode", "Local"], { home });
    return { ran, found: readFolder(local) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

for (const status of [429, 500, 502, 503, 504]) {
  Deno.test(`a listing that is refused with ${status} is asked for again, of any folder`, async () => {
    const asked = new Map<string, number>();
    const { ran, found } = await download(({ method, path, depth }) => {
      if (method !== "PROPFIND") return undefined;
      const key = `${depth} ${path}`;
      asked.set(key, (asked.get(key) ?? 0) + 1);
      return asked.get(key) === 1 ? { status } : undefined;
    });
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual([found["a"], found["d/b"], found["e/c"]], ["a", "d/b", "e/c"]);
  });

  Deno.test(`a folder that is always refused with ${status} is a failure, and ends nothing`, async () => {
    const { ran, found } = await download(({ path, depth }) => path === "d" && depth === "1" ? { status } : undefined);
    assert.equal(ran.code, 1, ran.stderr);
    assert.deepEqual([found["a"], found["d/b"], found["e/c"]], ["a", undefined, "e/c"]);
  });
}

Deno.test("a server that is in maintenance all the time cannot be used: exit code 4, never 5", async () => {
  for (const depth of ["0", "1"]) {
    const { ran } = await download((one) =>
      one.method === "PROPFIND" && one.depth === depth ? { status: 503 } : undefined
    );
    assert.equal(ran.code, 4, ran.stderr);
  }
});
