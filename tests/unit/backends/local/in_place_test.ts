import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Body } from "../../../../lib/core/backend.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { pattern, wholeBody } from "../../../support/content.ts";
import { freshDisk } from "../../../support/disk.ts";
import { assertRejects, assertSameBytes, call, file, get, paths, put, text } from "../../../contract/assertions.ts";

const f = toRelPath("f");

Deno.test("write() in place leaves an edit that came after the listing, up to the first byte of its source", async () => {
  const edits: Readonly<Record<string, (path: string) => Promise<void>>> = {
    "another size": (path) => Deno.writeTextFile(path, "edited meanwhile"),
    "the same size": (path) => Deno.writeTextFile(path, "new"),
    "a rename over it": async (path) => {
      await Deno.writeTextFile(`${path}~`, "new");
      await Deno.rename(`${path}~`, path);
    },
    "the time put back": async (path) => {
      // The runtime tells the time of the last change in whole seconds.
      await delay(1100);
      await Deno.writeTextFile(path, "new");
      await Deno.utime(path, 1_600_000_000, 1_600_000_000);
    },
  };
  for (const [how, edit] of Object.entries(edits)) {
    for (const content of ["their version", ""]) {
      await using place = await freshDisk();
      const expect = await put(place.backend, "f", "old", 1_600_000_000_000);
      let now = "";
      const body: Body = async () => {
        await edit(`${place.disk}/f`);
        now = await Deno.readTextFile(`${place.disk}/f`);
        return content === "" ? new Blob([]).stream() : new TextEncoder().encode(content);
      };
      const options = { ...call, size: content.length, expect, inPlace: true };
      await assertRejects(place.backend.write(f, body, options), "changed");
      assert.equal(await text(place.backend, "f"), now, how);
    }
  }
});

Deno.test("write() in place touches no other file that has the size and the time of the expected one", async () => {
  await using place = await freshDisk();
  const expect = await put(place.backend, "f", "old", 1_600_000_000_000);
  await put(place.backend, "other", "its", 1_600_000_000_000);
  await Deno.rename(`${place.disk}/other`, `${place.disk}/f`);
  await assertRejects(place.backend.write(f, wholeBody("new"), { ...call, size: 3, expect, inPlace: true }), "changed");
  assert.equal(await text(place.backend, "f"), "its");
});

Deno.test("write() in place keeps the file itself, its other names and its mode, and no old tail", async () => {
  await using place = await freshDisk();
  const old = await put(place.backend, "f", pattern(700_000));
  await Deno.chmod(`${place.disk}/f`, 0o640);
  await Deno.link(`${place.disk}/f`, `${place.disk}/other`);
  const before = await Deno.stat(`${place.disk}/f`);
  for (const bytes of [pattern(400_000, 3), pattern(900_000, 5), new Uint8Array()]) {
    const expect = await file(place.backend, "f");
    const options = { ...call, size: bytes.length, modified: 1_600_000_000_123, expect, inPlace: true };
    const entry = await place.backend.write(f, wholeBody(bytes), options);
    assert.deepEqual([entry.size, entry.modified, entry.fileId], [bytes.length, 1_600_000_000_123, old.fileId]);
    for (const name of ["f", "other"]) assertSameBytes(await get(place.backend, name), bytes);
  }
  const after = await Deno.stat(`${place.disk}/f`);
  assert.deepEqual([after.ino, after.mode, after.nlink], [before.ino, before.mode, 2]);
  assert.deepEqual(await paths(place.backend), ["f", "other"]);
});

Deno.test("write() in place touches no other file than the one that is expected, and none through a link", async () => {
  await using place = await freshDisk();
  const expect = await put(place.backend, "f", "old");
  const write = (size = 3) => place.backend.write(f, wholeBody("new"), { ...call, size, expect, inPlace: true });
  await Deno.writeTextFile(`${place.disk}/f`, "another");
  await assertRejects(write(), "changed");
  await Deno.remove(`${place.disk}/f`);
  await assertRejects(write(), "changed");
  await Deno.writeTextFile(`${place.disk}/victim`, "old");
  await Deno.symlink("victim", `${place.disk}/f`);
  await assertRejects(write(), "changed");
  await assertRejects(
    place.backend.write(f, wholeBody("new"), { ...call, size: 3, inPlace: true }),
    "notFound",
    "exists",
  );
  assert.equal(await text(place.backend, "victim"), "old");
});

Deno.test("write() in place rejects when its source gives more or less than it should", async () => {
  await using place = await freshDisk();
  for (const size of [2, 4]) {
    const expect = await put(place.backend, "f", "old and long");
    await assertRejects(place.backend.write(f, wholeBody("new"), { ...call, size, expect, inPlace: true }), "changed");
  }
});

Deno.test({
  name: "write() in place opens no source for a file that cannot be written",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using place = await freshDisk();
    // The one file that not even root can write to: a program that runs.
    await Deno.copyFile("/bin/sleep", `${place.disk}/f`);
    await Deno.chmod(`${place.disk}/f`, 0o755);
    const running = new Deno.Command(`${place.disk}/f`, { args: ["60"] }).spawn();
    let asked = 0;
    const body = () => {
      asked++;
      return Promise.resolve(new ReadableStream<Uint8Array<ArrayBuffer>>());
    };
    const expect = await file(place.backend, "f");
    await assertRejects(place.backend.write(f, body, { ...call, size: 3, expect, inPlace: true }));
    running.kill();
    await running.status;
    assert.equal(asked, 0);
  },
});
