import assert from "node:assert/strict";
import type { Body } from "../../lib/core/backend.ts";
import { toRelPath } from "../../lib/core/path.ts";
import { collect, pattern, streamBody } from "../support/content.ts";
import { assertRejects, assertSameBytes, call, type Case, file, folder, get, put, text } from "./assertions.ts";

/** The cases of read(). */
export const readCases: readonly Case[] = [
  ...[0, 1, 65_535, 65_536, 65_537].map((size): Case => ({
    name: `read() gives back the ${size} bytes that write() was given`,
    run: async ({ backend }) => {
      const bytes = pattern(size, size);
      await put(backend, "f", bytes);
      assert.deepEqual(await get(backend, "f"), bytes);
      assert.equal((await file(backend, "f")).size, size);
    },
  })),
  {
    name: "read() gives back the 20 MiB that write() was given as a stream",
    run: async ({ backend }) => {
      const bytes = pattern(20 << 20, 3);
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
      const found = await get(backend, "f");
      assert.equal(found.length, bytes.length);
      assertSameBytes(found, bytes);
    },
  },
  {
    name: "read() starts at the offset and ends after the length",
    run: async ({ backend }) => {
      await put(backend, "f", "0123456789");
      const part = async (range: { readonly offset?: number; readonly length?: number }) =>
        new TextDecoder().decode(await collect(await backend.read(toRelPath("f"), { ...call, ...range })));
      assert.equal(await part({ offset: 4 }), "456789");
      assert.equal(await part({ offset: 4, length: 3 }), "456");
      assert.equal(await part({ length: 2 }), "01");
      assert.equal(await part({ offset: 10 }), "");
      assert.equal(await part({ offset: 3, length: 0 }), "");
    },
  },
  {
    name: "read() of a range of a large file gives that range",
    run: async ({ backend }) => {
      const bytes = pattern(3 << 20, 5);
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
      const found = await collect(
        await backend.read(toRelPath("f"), { ...call, offset: 1_000_001, length: 1_500_000 }),
      );
      assertSameBytes(found, bytes.subarray(1_000_001, 2_500_001));
    },
  },
  {
    name: "read() of something absent rejects with notFound",
    run: async ({ backend }) => {
      await assertRejects(get(backend, "absent"), "notFound");
      await assertRejects(get(backend, "absent/deep"), "notFound");
    },
  },
  {
    name: "read() of a folder rejects",
    run: async ({ backend }) => {
      await folder(backend, "d");
      await assertRejects(get(backend, "d"));
    },
  },
  {
    name: "read() of the expected file gives it",
    run: async ({ backend }) => {
      await put(backend, "f", "content");
      const expect = await file(backend, "f");
      const content = await collect(await backend.read(toRelPath("f"), { ...call, expect }));
      assert.equal(new TextDecoder().decode(content), "content");
    },
  },
  {
    name: "read() of many expected files at once ends",
    run: async ({ backend }) => {
      // Small ones come whole, large ones as streams.
      const sizes = [...Array(20).fill(9), 600_000, 600_000, 600_000];
      for (const [i, size] of sizes.entries()) await put(backend, `f${i}`, pattern(size, i));
      const all = sizes.map(async (size, i) => {
        const expect = await file(backend, `f${i}`);
        assertSameBytes(await collect(await backend.read(toRelPath(`f${i}`), { ...call, expect })), pattern(size, i));
      });
      await Promise.all(all);
    },
  },
  {
    name: "stat() beside a content that is not read ends",
    run: async ({ backend }) => {
      const size = 3 << 20;
      await put(backend, "f", pattern(size, 4));
      const content = await backend.read(toRelPath("f"), call);
      await backend.stat(toRelPath("f"), call).catch((error) => assertRejects(Promise.reject(error), "timeout"));
      assertSameBytes(await collect(content), pattern(size, 4));
    },
  },
  {
    name: "write() whose body reads from the same backend ends",
    run: async ({ backend }) => {
      const size = 600_000;
      await put(backend, "f", pattern(size, 6));
      const copies = ["a", "b", "c"].map(async (name) => {
        const expect = await file(backend, "f");
        const body: Body = (offset = 0, to = size) =>
          backend.read(toRelPath("f"), { ...call, offset, length: to - offset, expect });
        await backend.write(toRelPath(name), body, { ...call, size });
      });
      await Promise.all(copies);
      for (const name of ["a", "b", "c"]) assertSameBytes(await get(backend, name), pattern(size, 6));
    },
  },
  {
    name: "read() of a file that is no longer the expected one rejects with changed",
    run: async ({ backend }) => {
      await put(backend, "f", "before");
      const expect = await file(backend, "f");
      await put(backend, "f", "after, and longer");
      await assertRejects(backend.read(toRelPath("f"), { ...call, expect }).then(collect), "changed");
    },
  },
  {
    name: "read() of an expected file that is gone rejects",
    run: async ({ backend }) => {
      await put(backend, "f", "before");
      const expect = await file(backend, "f");
      await backend.remove(expect, call);
      await assertRejects(backend.read(toRelPath("f"), { ...call, expect }).then(collect), "changed", "notFound");
    },
  },
  {
    name: "read() that is left half way leaves the backend usable",
    run: async ({ backend }) => {
      const bytes = pattern(4 << 20, 7);
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
      const content = await backend.read(toRelPath("f"), call);
      if (!(content instanceof Uint8Array)) {
        const reader = content.getReader();
        await reader.read();
        await reader.cancel();
      }
      await put(backend, "g", "still here");
      assert.equal(await text(backend, "g"), "still here");
    },
  },
  {
    name: "read() of a pipe on the disk rejects and never waits for a writer",
    needs: "disk",
    run: async ({ backend, disk }) => {
      const made = await new Deno.Command("mkfifo", { args: [`${disk}/pipe`] }).output();
      assert.ok(made.success, "mkfifo works");
      await assertRejects(get(backend, "pipe"));
      const found = await backend.stat(toRelPath("pipe"), call);
      assert.ok(found?.kind === "opaque" && found.cause === "special", "stat() shows it as special");
    },
  },
];
