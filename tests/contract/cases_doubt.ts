import assert from "node:assert/strict";
import type { Backend } from "../../lib/core/backend.ts";
import type { Entry } from "../../lib/core/entry.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { explainInvalidName, type RelPath, root, toRelPath } from "../../lib/core/path.ts";
import { toTempOwner } from "../../lib/sync/common/temp_tag.ts";
import { scan } from "../../lib/sync/scan/scan.ts";
import { collect, isSame, pattern, streamBody, wholeBody } from "../support/content.ts";
import { withOverrides } from "../support/stacked.ts";
import { calls } from "./cases_life.ts";
import { assertRejects, call, type Case, folder, paths, put, withDeadline } from "./assertions.ts";

/** Names that are no plain segment of one folder, or that are on some systems; all others must be listed beside them. */
export const hostileNames: readonly string[] = [
  "..",
  ".",
  "",
  "a/b",
  "/absolute",
  "a\\b",
  "nul\0",
  "../../up",
  "a/../b",
];

const SILENCE_MS = 2000;

/** Cases of what a backend must check itself: names, successes, absences and silence. */
export const doubtCases: readonly Case[] = [
  ...hostileNames.map((name): Case => ({
    name: `list() and walk() make no path of the name ${JSON.stringify(name)}`,
    needs: "listNames",
    run: async ({ backend, listNames }) => {
      await put(backend, "good", "x");
      await listNames?.([name]);
      // Each result is compared with the contract on its way (checked.ts). To reject the whole listing is allowed.
      const listed = await listOrRejection(() => backend.list(root, call));
      const walked = backend.walk === undefined ? undefined : await listOrRejection(() => walkAll(backend));
      for (const found of [listed, walked]) {
        if (found !== undefined) assert.ok(found.some(({ path }) => path === "good"), `"good" is not listed`);
      }
    },
  })),
  ...hostileNames.map((name): Case => ({
    name: `a scan takes no entry of the name ${JSON.stringify(name)}, whatever the backend lists`,
    run: async ({ backend }) => {
      await put(backend, "good", "x");
      // No name check of any backend is relied on: the entry is added behind it.
      const extra: Entry = { kind: "file", path: name as RelPath, size: 1 };
      const list = async (inner: Backend, dir: RelPath) => {
        const found = await inner.list(dir, call);
        return dir === root ? [...found, extra] : found;
      };
      await assertScanIsPlain(withOverrides(backend, { list, walk: undefined }));
      if (backend.walk === undefined) return;
      await assertScanIsPlain(withOverrides(backend, {
        walk: async function* (inner: Backend, dir: RelPath) {
          yield* inner.walk?.(dir, call) ?? [];
          yield [extra];
        },
      }));
    },
  })),
  {
    name: "list(), stat() and walk() reject while the server is busy, and never show less",
    needs: "busy",
    run: async ({ backend, busy }) => {
      await folder(backend, "d");
      await put(backend, "d/f", "x");
      await busy?.();
      for (
        const [what, attempt] of [
          ["list() of the root", () => backend.list(root, call)],
          ["list() of a folder", () => backend.list(toRelPath("d"), call)],
          ["stat() of a file", () => backend.stat(toRelPath("d/f"), call)],
          ["stat() of something absent", () => backend.stat(toRelPath("absent"), call)],
          ...(backend.walk === undefined ? [] : [["walk()", () => walkAll(backend)] as const]),
        ] as const
      ) {
        const error = await withDeadline(45_000, assertRejects(attempt())).catch((error) =>
          assert.fail(`${what} ${error.message}`)
        );
        assert.notEqual(error.kind, "notFound", `${what}: a busy server proves no absence`);
      }
    },
  },
  {
    name: "a silent line ends every call soon after -Timeout",
    needs: "silence",
    timeout: SILENCE_MS,
    run: async ({ backend, silence }) => {
      await put(backend, "f", "x");
      await silence?.();
      const wanted = ["list", "stat", "read", "write"];
      const attempts = calls(backend, call.signal).filter(([name]) => wanted.includes(name));
      // Before the 15 s that are usual without the parameter.
      const ended = attempts.map(([name, attempt]) =>
        withDeadline(6 * SILENCE_MS, assertRejects(attempt(), "timeout", "connection"))
          .catch((error) => assert.fail(`${name}(): ${error.message}`))
      );
      const results = await Promise.allSettled(ended);
      for (const result of results) if (result.status === "rejected") throw result.reason;
    },
  },
  {
    name: "write() rejects where the server kept fewer bytes than it was sent",
    needs: "keepShort",
    run: async ({ backend, keepShort }) => {
      await keepShort?.();
      await assertRejects(put(backend, "small", pattern(5000)));
      const large = pattern(3 << 20);
      await assertRejects(backend.write(toRelPath("large"), streamBody(large), { ...call, size: large.length }));
    },
  },
  {
    name: "a reader beside the writer finds the whole old or the whole new file at every moment",
    run: async ({ backend }) => {
      if (!backend.traits.atomicWrite) return;
      const versions = [pattern(700, 1), pattern(900, 2), pattern(1 << 20, 3), pattern((1 << 20) + 1, 4)];
      await put(backend, "f", versions[0] ?? "");
      const state = { isOver: false };
      const reader = readBeside(backend, versions, state);
      reader.catch(() => undefined);
      try {
        for (const bytes of [...versions, ...versions].slice(1)) {
          const body = bytes.length > 1000 ? streamBody(bytes) : wholeBody(bytes);
          await backend.write(toRelPath("f"), body, { ...call, size: bytes.length });
        }
      } finally {
        state.isOver = true;
      }
      await reader;
    },
  },
  {
    name: "the root of a server is marked as risky, or known to be an ordinary folder",
    run: async ({ backend }) => {
      const top = await backend.withRoot("/", call);
      if (top.root.path !== "/" && top.root.path !== "") return;
      const { risk, isOrdinary = false } = top.root;
      assert.ok(risk !== undefined || isOrdinary, "-Remove would empty the server's root without -AllowRoot");
    },
  },
];

async function walkAll(backend: Backend): Promise<readonly Entry[]> {
  return (await Array.fromAsync(backend.walk?.(root, call) ?? [])).flat();
}

/** The entries; undefined if the listing rejects as a backend may. */
async function listOrRejection(attempt: () => Promise<readonly Entry[]>): Promise<readonly Entry[] | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof SyncError) return undefined;
    throw error;
  }
}

/** Fails if a snapshot holds a name that is not one plain segment, unless as an entry that is never opened. */
async function assertScanIsPlain(backend: Backend): Promise<void> {
  const options = { signal: call.signal, links: "Keep", owner: toTempOwner(["test"]) } as const;
  const found = await listOrRejection(async () => Array.from((await scan(backend, options)).snapshot));
  for (const entry of found ?? []) {
    if (entry.kind === "opaque") continue;
    for (const name of entry.path.split("/")) {
      assert.equal(explainInvalidName(name, backend.traits.names), undefined, `${JSON.stringify(entry.path)} is taken`);
    }
  }
}

/** Looks, lists and reads until the writer is done. A read that fails because the file was replaced under it is allowed. */
async function readBeside(
  backend: Backend,
  versions: readonly Uint8Array[],
  state: { readonly isOver: boolean },
): Promise<void> {
  const path = toRelPath("f");
  while (!state.isOver) {
    // A turn of the event loop each: a backend in memory would let no timer run otherwise.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const found = await backend.stat(path, call);
    assert.ok(found?.kind === "file", "stat() found no file while it was replaced");
    assert.ok(
      versions.some(({ length }) => length === found.size),
      `stat() found ${found.size} bytes, a part of a version`,
    );
    assert.deepEqual(await paths(backend, "", "hidden"), ["f"], "list() did not show the file while it was replaced");
    try {
      const bytes = await collect(await backend.read(path, call));
      assert.ok(versions.some((one) => isSame(one, bytes)), "read() gave a mix or a part of the versions");
    } catch (error) {
      assert.ok(error instanceof SyncError && error.kind === "changed", error instanceof Error ? error.message : "");
    }
  }
}
