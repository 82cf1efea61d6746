import assert from "node:assert/strict";
import { memory } from "../../lib/backends/memory/mod.ts";
import type { Backend } from "../../lib/core/backend.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { type RelPath, root } from "../../lib/core/path.ts";
import { exampleConformance, freshExample } from "../example/fresh.ts";
import { withOverrides } from "../support/stacked.ts";
import { type Conformance, failuresOf } from "./suite.ts";

/** The example protocol with one mistake in its backend; the server's own knobs make it show. */
function exampleWith(
  mistake: (inner: Backend, store: Awaited<ReturnType<typeof freshExample>>["store"]) => Backend,
): Conformance {
  return {
    ...exampleConformance,
    async fresh(options) {
      const fresh = await freshExample(options);
      return { ...fresh, backend: mistake(fresh.backend, fresh.store) };
    },
  };
}

/** A backend in memory with one mistake, which no server has to help along. */
function memoryWith(mistake: (inner: Backend) => Backend): Conformance {
  return {
    name: "memory",
    lacks: ["hardLink", "flush"],
    fresh() {
      const backend = memory();
      return Promise.resolve({
        backend: mistake(backend),
        [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
      });
    },
  };
}

/** Deliberate mistakes: the conformance that makes each, and what of the contract says so. No other case may fail. */
const mistakes: readonly {
  readonly name: string;
  readonly conformance: Conformance;
  readonly case: RegExp;
  readonly message: RegExp;
}[] = [
  {
    name: "names that the server sends become paths without a check",
    conformance: exampleWith((inner, store) =>
      withOverrides(inner, {
        list: async (inner, dir, call) => [
          ...(await inner.list(dir, call)).filter(({ kind }) => kind !== "opaque"),
          ...(dir === root ? store.extraNames : []).map((name) =>
            ({ kind: "file", path: name as RelPath, size: 1 }) as const
          ),
        ],
      })
    ),
    case: /^list\(\) and walk\(\) make no path of the name/,
    message: /the listing names|which is no child of/,
  },
  {
    name: "one listing has a name of the folder above",
    conformance: memoryWith((inner) =>
      withOverrides(inner, {
        list: async (inner, dir, call) => {
          const found = await inner.list(dir, call);
          return found.length === 3 ? [...found, { kind: "file", path: ".." as RelPath, size: 1 }] : found;
        },
      })
    ),
    case: /^list\(\)/,
    message: /the listing names ".."/,
  },
  {
    name: "a busy server's folder looks empty",
    conformance: exampleWith((inner) =>
      withOverrides(inner, {
        list: (inner, dir, call) =>
          inner.list(dir, call).catch((error) => {
            if (error instanceof SyncError && error.kind === "busy") return [];
            throw error;
          }),
      })
    ),
    case: /^list\(\), stat\(\) and walk\(\) reject while the server is busy/,
    message: /list\(\) of the root resolved/,
  },
  {
    name: "a busy server's files look absent",
    conformance: exampleWith((inner) =>
      withOverrides(inner, {
        stat: (inner, path, call) =>
          inner.stat(path, call).catch((error) => {
            if (error instanceof SyncError && error.kind === "busy") return undefined;
            throw error;
          }),
      })
    ),
    case: /^list\(\), stat\(\) and walk\(\) reject while the server is busy/,
    message: /stat\(\) of a file resolved/,
  },
  {
    name: "a name is absent for 30 ms while its file is replaced",
    conformance: memoryWith(withHole),
    case: /^a reader beside the writer finds/,
    message: /no file while it was replaced|did not show the file|does not exist|absent/,
  },
  {
    name: "the size that the server reports is not compared",
    conformance: exampleWith((inner) =>
      withOverrides(inner, {
        write: (inner, path, body, options) =>
          inner.write(path, body, options).catch(async (error) => {
            const found =
              error instanceof SyncError && error.kind === "changed" && /the server holds/.test(error.message)
                ? await inner.stat(path, options)
                : undefined;
            if (found?.kind !== "file") throw error;
            return { ...found, size: options.size };
          }),
      })
    ),
    case: /^write\(\) rejects where the server kept fewer bytes/,
    message: /resolved/,
  },
  {
    name: "-Timeout is not heeded",
    conformance: { ...exampleConformance, fresh: () => freshExample({ timeout: 600_000 }) },
    case: /^a silent line ends every call soon after -Timeout/,
    message: /still running after/,
  },
  {
    name: "the server's root is not marked",
    conformance: exampleWith((inner) => withoutMark(inner)),
    case: /^the root of a server is marked as risky/,
    message: /without -AllowRoot/,
  },
];

/** After each replacement the name is gone for 30 ms, as between the two steps of a server that cannot replace in one. */
function withHole(inner: Backend): Backend {
  let hole: RelPath | undefined;
  return withOverrides(inner, {
    async write(inner, path, body, options) {
      const replaced = await inner.stat(path, options);
      const written = await inner.write(path, body, options);
      if (replaced === undefined) return written;
      hole = path;
      await new Promise((resolve) => setTimeout(resolve, 30));
      hole = undefined;
      return written;
    },
    stat: async (inner, path, call) => path === hole ? undefined : await inner.stat(path, call),
    list: async (inner, dir, call) => (await inner.list(dir, call)).filter(({ path }) => path !== hole),
  });
}

function withoutMark(inner: Backend): Backend {
  const { risk: _, ...root } = inner.root;
  return withOverrides(inner, {
    root,
    withRoot: async (inner, folder, call) => withoutMark(await inner.withRoot(folder, call)),
  });
}

for (const { name, conformance, case: wanted, message } of mistakes) {
  Deno.test({
    name: `the contract suite notices: ${name}`,
    // A liar leaves work behind that the suite has given up waiting for.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const failures = await failuresOf(conformance);
      const found = Array.from(failures).filter(([name]) => wanted.test(name));
      assert.ok(found.length > 0, `nothing failed that should: ${[...failures.keys()].join("; ")}`);
      for (const [, error] of found) assert.match(error.message, message);
      assert.deepEqual(Array.from(failures.keys()).filter((name) => !wanted.test(name)), []);
    },
  });
}

Deno.test("the contract suite finds nothing in the honest backends that the liars are made of", async () => {
  for (const honest of [exampleWith((inner) => inner), memoryWith((inner) => inner)]) {
    assert.deepEqual(Array.from(await failuresOf(honest)), []);
  }
});
