import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { assertCode, readFolder } from "../../support/targets/sftp_pair.ts";
import { type DavStore, startDavStore } from "../../support/servers/dav_store.ts";
import { counts, type RunResult, tandem } from "../../support/tandem.ts";

interface Rig {
  readonly server: DavStore;
  readonly local: string;
  sync(...args: readonly string[]): Promise<RunResult>;
  /** Uploads so far. */
  puts(): number;
}

/** A server that writes a note into each page that it is sent, as some do with pictures and mails. */
async function withAltering(work: (rig: Rig) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const stores = (name: string, bytes: Uint8Array) =>
    name.includes(".html") ? Buffer.concat([bytes, Buffer.from("<!-- seen -->")]) : bytes;
  const server = stack.use(await startDavStore({ stores, etag: (version) => `"${version}"` }));
  const home = await Deno.makeTempDir({ prefix: "tandem-altered-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const local = join(home, "local");
  await Deno.mkdir(local);
  await Deno.writeTextFile(join(local, "a.html"), "page");
  await Deno.writeTextFile(join(local, "b.txt"), "text");
  for (const name of ["a.html", "b.txt"]) await Deno.utime(join(local, name), 1_600_000_000, 1_600_000_000);
  const sync = (...args: readonly string[]) =>
    tandem(["Sync-Path", local, `dav://127.0.0.1:${server.port}/`, ...args], { home });
  await work({ server, local, sync, puts: () => server.asked.filter(({ method }) => method === "PUT").length });
}

Deno.test("a server that alters a file is an error that names -AcceptAltered", async () => {
  await withAltering(async ({ sync, server }) => {
    const ran = await sync("-Mode", "Remote");
    assertCode(ran, 1);
    assert.match(
      ran.stderr,
      /Cannot write "a\.html": the server holds 17 bytes after 4 bytes were written; .*-AcceptAltered/,
    );
    assert.deepEqual([...server.files.keys()], ["b.txt"]);
  });
});

for (const mode of ["Remote", "Both"]) {
  Deno.test(`-AcceptAltered takes what the server made of it, and sends it again only after an edit (${mode})`, async () => {
    await withAltering(async ({ sync, server, local, puts }) => {
      const args = ["-Mode", mode, "-AcceptAltered"] as const;
      const first = await sync(...args);
      assertCode(first, 0);
      assert.deepEqual(counts(first), [2, 0, 0, 0, 0]);
      const text = () => new TextDecoder().decode(server.files.get("a.html")?.bytes);
      assert.equal(text(), "page<!-- seen -->");
      const sent = puts();
      for (let run = 0; run < 3; run++) {
        const again = await sync(...args);
        assertCode(again, 0);
        assert.deepEqual(counts(again), [0, 0, 0, 0, 0]);
      }
      assert.equal(puts(), sent);
      assert.equal(readFolder(local)["a.html"], "page");
      await Deno.writeTextFile(join(local, "a.html"), "page two");
      assert.deepEqual(counts(await sync(...args)), [1, 0, 0, 0, 0]);
      assert.equal(text(), "page two<!-- seen -->");
      assert.deepEqual(counts(await sync(...args)), [0, 0, 0, 0, 0]);
    });
  });
}

Deno.test("-AcceptAltered brings a later edit on the server down", async () => {
  await withAltering(async ({ sync, server, local }) => {
    const args = ["-Mode", "Both", "-AcceptAltered"] as const;
    assertCode(await sync(...args), 0);
    const bytes = new TextEncoder().encode("edited there");
    server.files.set("a.html", { bytes, modified: Date.now() + 10_000, version: 99 });
    assert.deepEqual(counts(await sync(...args)), [0, 1, 0, 0, 0]);
    assert.equal(readFolder(local)["a.html"], "edited there");
  });
});
