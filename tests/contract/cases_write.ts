import assert from "node:assert/strict";
import { tempPath } from "../../lib/core/temp_name.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { toRelPath } from "../../lib/core/path.ts";
import { isSame, pattern, streamBody, wholeBody } from "../support/content.ts";
import {
  assertRejects,
  assertSameBytes,
  call,
  type Case,
  entry,
  file,
  folder,
  get,
  paths,
  put,
  text,
} from "./assertions.ts";

const tag = "00112233445566aa";

/** The cases of write(). */
export const writeCases: readonly Case[] = [
  {
    name: "write() over a longer file leaves no old tail",
    run: async ({ backend }) => {
      await put(backend, "f", "a long old content");
      await put(backend, "f", "new");
      assert.equal(await text(backend, "f"), "new");
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() gives the entry as the place now shows it",
    run: async ({ backend }) => {
      const given = await put(backend, "f", "abc", 1_600_000_000_000);
      assert.equal(given.path, "f");
      assert.deepEqual(given, await file(backend, "f"));
    },
  },
  {
    name: "write() to a missing parent rejects with notFound",
    run: async ({ backend }) => {
      await assertRejects(put(backend, "absent/f", "x"), "notFound");
      assert.deepEqual(await paths(backend), []);
    },
  },
  {
    name: "write() below a file rejects and leaves the file",
    run: async ({ backend }) => {
      await put(backend, "f", "kept");
      await assertRejects(put(backend, "f/below", "x"));
      assert.equal(await text(backend, "f"), "kept");
    },
  },
  {
    name: "write() over a folder rejects and leaves what it holds",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "kept");
      await assertRejects(put(backend, "d", "x"));
      assert.equal(await text(backend, "d/f"), "kept");
      assert.deepEqual(await paths(backend), ["d"]);
    },
  },
  {
    name: "write() over an empty folder rejects and leaves the folder",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await assertRejects(put(backend, "d", "x"));
      assert.equal((await entry(backend, "d")).kind, "dir");
      assert.deepEqual(await paths(backend), ["d"]);
    },
  },
  {
    name: "write() keeps the modified time within timeStep",
    run: async ({ backend }) => {
      const step = backend.traits.timeStep;
      if (step === undefined) return;
      for (const modified of [1_000_000_000_000, 1_700_000_001_234.5, 3_345_678_901_000]) {
        const given = await put(backend, "f", "x", modified);
        const shown = (await file(backend, "f")).modified;
        assert.ok(given.modified !== undefined && shown !== undefined);
        assert.ok(Math.abs(shown - modified) <= Math.max(step, 0.001), `${modified} became ${shown}`);
        assert.equal(given.modified, shown);
      }
    },
  },
  {
    name: "write() tells the bytes on their way, as many as the file has",
    run: async ({ backend }) => {
      const bytes = pattern(2_000_000, 2);
      let told = 0;
      await backend.write(toRelPath("f"), streamBody(bytes), {
        ...call,
        size: bytes.length,
        onBytes: (count) => void (told += count),
      });
      assert.equal(told, bytes.length);
    },
  },
  {
    name: "write() gives a new file the mode, and a replaced one keeps its own",
    method: "setMode",
    run: async ({ backend }) => {
      const path = toRelPath("f");
      const first = await backend.write(path, wholeBody("a"), { ...call, size: 1, mode: 0o600 });
      assert.equal(first.mode, 0o600);
      const second = await backend.write(path, wholeBody("b"), { ...call, size: 1, mode: 0o644 });
      assert.equal(second.mode, 0o600);
      assert.equal((await file(backend, "f")).mode, 0o600);
    },
  },
  {
    name: "write() never sets setuid, setgid or the sticky bit",
    method: "setMode",
    needs: "disk",
    run: async ({ backend, disk }) => {
      await backend.write(toRelPath("f"), wholeBody("a"), { ...call, size: 1, mode: 0o7755 });
      assert.equal(((await Deno.stat(`${disk}/f`)).mode ?? 0) & 0o7777, 0o755);
    },
  },
  ...["whole", "as a stream"].flatMap((form): readonly Case[] => {
    const body = form === "whole" ? wholeBody : (bytes: Uint8Array<ArrayBuffer>) => streamBody(bytes, { chunk: 1000 });
    const attempt = (size: number): Case["run"] => async ({ backend }) => {
      const old = await put(backend, "f", "old content");
      await assertRejects(backend.write(toRelPath("f"), body(pattern(5000)), { ...call, size }), "changed");
      await assertRejects(backend.write(toRelPath("new"), body(pattern(5000)), { ...call, size }), "changed");
      assert.deepEqual(await file(backend, "f"), old);
      assert.equal(await text(backend, "f"), "old content");
      assert.deepEqual(await paths(backend), ["f"]);
    };
    return [
      {
        name: `write() of a body shorter than its size, ${form}, rejects with changed and leaves no trace`,
        run: attempt(5001),
      },
      {
        name: `write() of a body longer than its size, ${form}, rejects with changed and leaves no trace`,
        run: attempt(4999),
      },
    ];
  }),
  {
    name: "write() whose body fails half way rejects with that error and leaves no trace",
    run: async ({ backend }) => {
      const old = await put(backend, "f", "old content");
      const body = streamBody(pattern(50_000), {
        chunk: 1000,
        before: (offset) => {
          if (offset >= 20_000) throw new SyncError("denied", "Cannot read on", { operation: "test" });
        },
      });
      await assertRejects(backend.write(toRelPath("f"), body, { ...call, size: 50_000 }), "denied");
      assert.deepEqual(await file(backend, "f"), old);
      assert.equal(await text(backend, "f"), "old content");
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() whose body cannot be opened rejects and leaves no trace",
    run: async ({ backend }) => {
      const body = () => Promise.reject(new SyncError("notFound", "It is gone", { operation: "test" }));
      await assertRejects(backend.write(toRelPath("f"), body, { ...call, size: 10 }), "notFound");
      assert.deepEqual(await paths(backend), []);
    },
  },
  {
    name: "write() that expects absence makes a new file, and never replaces one",
    run: async ({ backend }) => {
      const path = toRelPath("f");
      await backend.write(path, wholeBody("first"), { ...call, size: 5, expect: "absent" });
      await assertRejects(backend.write(path, wholeBody("other"), { ...call, size: 5, expect: "absent" }), "changed");
      assert.equal(await text(backend, "f"), "first");
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() that expects a file replaces exactly that one",
    run: async ({ backend }) => {
      const expect = await put(backend, "f", "first");
      await backend.write(toRelPath("f"), wholeBody("second"), { ...call, size: 6, expect });
      assert.equal(await text(backend, "f"), "second");
      await assertRejects(backend.write(toRelPath("f"), wholeBody("x"), { ...call, size: 1, expect }), "changed");
      assert.equal(await text(backend, "f"), "second");
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() that expects a file of another time rejects with changed",
    method: "setModified",
    run: async ({ backend }) => {
      const expect = await put(backend, "f", "first", 1_600_000_000_000);
      await backend.setModified?.(toRelPath("f"), 1_650_000_000_000, call);
      await assertRejects(backend.write(toRelPath("f"), wholeBody("other"), { ...call, size: 5, expect }), "changed");
      assert.equal(await text(backend, "f"), "first");
    },
  },
  {
    name: "write() that expects something that is gone rejects with changed",
    run: async ({ backend }) => {
      const expect = await put(backend, "f", "first");
      await backend.remove(expect, call);
      await assertRejects(backend.write(toRelPath("f"), wholeBody("x"), { ...call, size: 1, expect }), "changed");
      assert.deepEqual(await paths(backend), []);
    },
  },
  {
    name: "write() that expects a folder rejects with changed when a file is there",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await put(backend, "f", "first");
      const dir = await entry(backend, "d");
      const expect = { ...dir, path: toRelPath("f") };
      await assertRejects(backend.write(toRelPath("f"), wholeBody("x"), { ...call, size: 1, expect }), "changed");
      assert.equal(await text(backend, "f"), "first");
    },
  },
  {
    name: "write() goes on after a broken write of the same tag, with right bytes",
    run: async ({ backend }) => {
      const bytes = pattern(6 << 20, 9);
      const options = { ...call, size: bytes.length, tag };
      const broken = streamBody(bytes, {
        before: (offset) => {
          if (offset >= 4 << 20) throw new SyncError("connection", "The source is gone", { operation: "test" });
        },
      });
      await put(backend, "f", "old");
      await assertRejects(backend.write(toRelPath("f"), broken, options), "connection");
      assert.equal(await text(backend, "f"), "old");
      assert.deepEqual(await paths(backend, "", "hidden"), ["f"]);
      await backend.write(toRelPath("f"), streamBody(bytes), options);
      assertSameBytes(await get(backend, "f"), bytes);
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() takes over no leftover that is longer than the source",
    run: async ({ backend }) => {
      const bytes = pattern(2 << 20, 9);
      await put(backend, tempPath(toRelPath("f"), tag), pattern(3 << 20, 4));
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length, tag });
      assertSameBytes(await get(backend, "f"), bytes);
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() never goes through a link planted under its temporary name",
    method: "makeLink",
    run: async ({ backend }) => {
      await put(backend, "victim", "untouched");
      await backend.makeLink?.(tempPath(toRelPath("f"), tag), "victim", call);
      const bytes = pattern(2 << 20, 9);
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length, tag }).catch(isSyncError);
      assert.equal(await text(backend, "victim"), "untouched");
    },
  },
  {
    name: "write() never goes through a link at its path",
    method: "makeLink",
    run: async ({ backend }) => {
      await put(backend, "victim", "untouched");
      await backend.makeLink?.(toRelPath("f"), "victim", call);
      await put(backend, "f", "new").catch(isSyncError);
      assert.equal(await text(backend, "victim"), "untouched");
    },
  },
  {
    name: "write() below a folder that is a link never reaches what it points to",
    method: "makeLink",
    run: async ({ backend }) => {
      await folder(backend, "real");
      await backend.makeLink?.(toRelPath("door"), "real", call);
      await put(backend, "door/f", "new").catch(isSyncError);
      assert.deepEqual(await paths(backend, "real"), []);
    },
  },
  {
    name: "write() of two contents at once to one path leaves one of them whole",
    run: async ({ backend }) => {
      const contents = [pattern(1 << 20, 1), pattern((1 << 20) + 7, 2)];
      const tags = ["0000000000000001", "0000000000000002"];
      const writes = contents.map((bytes, i) =>
        backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length, tag: tags[i] ?? tag })
      );
      const done = await Promise.allSettled(writes);
      assert.ok(done.some((one) => one.status === "fulfilled"), "one of them is written");
      const found = await get(backend, "f");
      assert.ok(contents.some((bytes) => isSame(found, bytes)), "the contents are mixed");
      assert.deepEqual(await paths(backend, "", "hidden"), ["f"]);
    },
  },
];

function isSyncError(error: unknown): undefined {
  assert.ok(error instanceof SyncError, `rejected with ${error}, no SyncError`);
  return undefined;
}
