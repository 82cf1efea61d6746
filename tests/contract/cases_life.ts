import assert from "node:assert/strict";
import type { Backend } from "../../lib/core/backend.ts";
import { root, toRelPath } from "../../lib/core/path.ts";
import { collect, isSame, pattern, streamBody, wholeBody } from "../support/content.ts";
import { assertRejects, call, type Case, entry, folder, get, paths, put, text, withDeadline } from "./assertions.ts";

/** Cancelling, concurrency, the end of a backend and of its link. */
export const lifeCases: readonly Case[] = [
  {
    name: "every call with an aborted signal rejects with cancelled and does nothing",
    run: async ({ backend }) => {
      const known = await put(backend, "f", "kept");
      const signal = AbortSignal.abort();
      for (const [name, attempt] of calls(backend, signal)) {
        const error = await assertRejects(attempt());
        assert.equal(error.kind, "cancelled", `${name}: ${error.message}`);
      }
      await assertRejects(backend.remove(known, { signal }), "cancelled");
      assert.deepEqual(await paths(backend), ["f"]);
      assert.equal(await text(backend, "f"), "kept");
    },
  },
  {
    name: "list() that is cancelled while it is at work ends, with cancelled or whole",
    run: async ({ backend }) => {
      for (let i = 0; i < 20; i++) await put(backend, `f${i}`, "x");
      const stop = new AbortController();
      const list = backend.list(root, { signal: stop.signal });
      stop.abort();
      const [ended] = await Promise.allSettled([list]);
      if (ended.status === "fulfilled") assert.equal(ended.value.length, 20);
      else await assertRejects(list, "cancelled");
      assert.equal((await paths(backend)).length, 20);
    },
  },
  {
    name: "read() that is cancelled half way rejects with cancelled",
    run: async ({ backend }) => {
      const bytes = pattern(20 << 20, 3);
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
      const stop = new AbortController();
      const content = await backend.read(toRelPath("f"), { signal: stop.signal });
      assert.ok(!(content instanceof Uint8Array), "20 MiB come as a stream");
      const reader = content.getReader();
      await reader.read();
      stop.abort();
      const drain = async () => {
        while (!(await reader.read()).done);
      };
      await assertRejects(drain(), "cancelled");
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() that is cancelled half way rejects with cancelled and leaves what was there",
    run: async ({ backend }) => {
      await put(backend, "f", "kept");
      const stop = new AbortController();
      const bytes = pattern(8 << 20, 3);
      const body = streamBody(bytes, {
        before: (offset) => {
          if (offset >= 2 << 20) stop.abort();
        },
      });
      await assertRejects(
        backend.write(toRelPath("f"), body, { signal: stop.signal, size: bytes.length }),
        "cancelled",
      );
      assert.equal(await text(backend, "f"), "kept");
      assert.deepEqual(await paths(backend), ["f"]);
    },
  },
  {
    name: "write() that waits for its body ends when it is cancelled",
    run: async ({ backend }) => {
      const stop = new AbortController();
      const never = () =>
        Promise.resolve(
          new ReadableStream<Uint8Array<ArrayBuffer>>({
            pull: () => {
              stop.abort();
              return new Promise<void>(() => {});
            },
          }, { highWaterMark: 0 }),
        );
      const write = backend.write(toRelPath("f"), never, { signal: stop.signal, size: 100 });
      await withDeadline(10_000, assertRejects(write, "cancelled"));
      assert.deepEqual(await paths(backend), []);
    },
  },
  {
    name: "ten calls at once do not disturb one another",
    run: async ({ backend }) => {
      const contents = Array.from({ length: 10 }, (_, i) => pattern(100_000 + i, i));
      await Promise.all(contents.map((bytes, i) => put(backend, `f${i}`, bytes)));
      const found = await Promise.all(contents.map((_, i) => get(backend, `f${i}`)));
      assert.ok(found.every((bytes, i) => isSame(bytes, contents[i] ?? new Uint8Array())));
      const lists = await Promise.all(contents.map(() => paths(backend)));
      assert.ok(lists.every((list) => list.length === 10));
    },
  },
  {
    name: "ten makeDir() of one folder at once all succeed",
    run: async ({ backend }) => {
      const made = await Promise.all(Array.from({ length: 10 }, () => folder(backend, "d")));
      assert.ok(made.every((one) => one.kind === "dir" && one.path === "d"));
    },
  },
  {
    name: "after dispose every call rejects",
    run: async ({ backend }) => {
      await put(backend, "f", "x");
      const known = await entry(backend, "f");
      const inner = await backend.withRoot("", call);
      await backend[Symbol.asyncDispose]();
      for (const one of [backend, inner]) {
        for (
          const [name, attempt] of [
            ...calls(one, call.signal),
            ["remove", () => one.remove(known, call)] as const,
          ]
        ) {
          await withDeadline(10_000, assertRejects(attempt())).catch((error) =>
            assert.fail(`${name}: ${error.message}`)
          );
        }
      }
      await backend[Symbol.asyncDispose]();
    },
  },
  {
    name: "read() of a link that is cut half way rejects in bounded time",
    needs: "cut",
    run: async ({ backend, cut }) => {
      const bytes = pattern(20 << 20, 3);
      await backend.write(toRelPath("f"), streamBody(bytes), { ...call, size: bytes.length });
      const content = await backend.read(toRelPath("f"), call);
      assert.ok(!(content instanceof Uint8Array), "20 MiB come as a stream");
      const reader = content.getReader();
      await reader.read();
      await cut?.();
      const drain = async () => {
        while (!(await reader.read()).done);
      };
      await withDeadline(45_000, assertRejects(drain(), "connection", "timeout"));
    },
  },
  {
    name: "write() over a link that is cut half way rejects in bounded time",
    needs: "cut",
    run: async ({ backend, cut }) => {
      const bytes = pattern(20 << 20, 3);
      let isCut = false;
      const body = streamBody(bytes, {
        before: async (offset) => {
          if (offset < 4 << 20 || isCut) return;
          isCut = true;
          await cut?.();
        },
      });
      const write = backend.write(toRelPath("f"), body, { ...call, size: bytes.length });
      await withDeadline(45_000, assertRejects(write, "connection", "timeout"));
    },
  },
  {
    name: "every call over a link that was cut rejects in bounded time",
    needs: "cut",
    run: async ({ backend, cut }) => {
      await put(backend, "f", "x");
      await cut?.();
      const attempts = calls(backend, call.signal).filter(([name]) => name !== "at");
      await withDeadline(
        45_000,
        Promise.all(attempts.map(([, attempt]) => assertRejects(attempt(), "connection", "timeout"))),
      );
    },
  },
  {
    name: "the label names the place and holds no secret",
    run: ({ backend, secret }) => {
      assert.ok(backend.label.length > 0);
      assert.ok(!/:[^/@]*@/.test(backend.label), `"${backend.label}" looks like user:password@host`);
      if (secret !== undefined) assert.ok(!backend.label.includes(secret));
      return Promise.resolve();
    },
  },
  {
    name: "the traits are possible",
    run: ({ backend: { traits } }) => {
      assert.ok(traits.timeStep === undefined || traits.timeStep >= 0);
      assert.ok(traits.maxConnections >= 1 && traits.parallelFiles >= 1);
      assert.ok(traits.maxNameBytes >= 100);
      return Promise.resolve();
    },
  },
];

/** One attempt of every method, on the file "f" and new names. */
export function calls(backend: Backend, signal: AbortSignal): readonly (readonly [string, () => Promise<unknown>])[] {
  const [f, other] = [toRelPath("f"), toRelPath("other")];
  const all: readonly (readonly [string, (() => Promise<unknown>) | undefined])[] = [
    ["at", () => backend.withRoot("x", { signal })],
    ["list", () => backend.list(root, { signal })],
    ["stat", () => backend.stat(f, { signal })],
    ["read", () => backend.read(f, { signal }).then(collect)],
    ["write", () => backend.write(other, wholeBody("new"), { signal, size: 3 })],
    ["makeDir", () => backend.makeDir(other, { signal })],
    ["rename", backend.rename && (async () => await backend.rename?.(f, other, { signal }))],
    ["copy", backend.copy && (async () => await backend.copy?.(f, other, { signal }))],
    ["makeLink", backend.makeLink && (async () => await backend.makeLink?.(other, "f", { signal }))],
    ["setModified", backend.setModified && (async () => await backend.setModified?.(f, 0, { signal }))],
    ["setMode", backend.setMode && (async () => await backend.setMode?.(f, 0o600, { signal }))],
    ["hardLink", backend.hardLink && (async () => await backend.hardLink?.(f, other, { signal }))],
    ["flush", backend.flush && (async () => await backend.flush?.([root], { signal }))],
    ["walk", backend.walk && (() => Array.fromAsync(backend.walk?.(root, { signal }) ?? []))],
  ];
  return all.flatMap(([name, attempt]) => attempt === undefined ? [] : [[name, attempt] as const]);
}
