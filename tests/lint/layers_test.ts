import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import layers from "./layers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The most lines of a file of lib and cmd. */
const LONGEST = 300;
/** The most files of a folder. */
const FULLEST = 30;

function refused(file: string, source: string): readonly string[] {
  return Deno.lint.runPlugin(layers, `${root}${file}`, source).map(({ id }) => id.slice("layers/".length));
}

const allowed: readonly (readonly [file: string, source: string])[] = [
  [
    "lib/session/session.ts",
    `import { stack } from "../backends/layers/stack.ts"; import { badInput } from "../core/errors.ts";`,
  ],
  [
    "lib/ssh/connection.ts",
    `import { Client } from "npm:ssh2@1.17.0"; import { connect } from "node:net"; await Deno.stat(".");`,
  ],
  [
    "lib/backends/sftp/mod.ts",
    `import type { Entry } from "../../core/entry.ts"; import "../../ssh/connect.ts"; const late = Date.now() + Math.random();`,
  ],
  ["lib/backends/mod.ts", `export const load = () => import("./sftp/mod.ts"); import "./ftp/options.ts";`],
  ["lib/backends/gcs/mod.ts", `const openS3 = () => import("../s3/mod.ts");`],
  ["lib/sync/plan/plan.ts", `import type { Traits } from "../../core/backend.ts"; import "../common/criteria.ts";`],
  [
    "lib/sync/plan/plan.ts",
    `import { join } from "node:path/posix"; import { createHash } from "node:crypto"; import "./rows.ts";`,
  ],
  [
    "lib/sync/plan/plan.ts",
    `const modified = new Date(5); const row = { Deno: 1, process: 2 }; row.Deno + row.process;`,
  ],
  ["lib/sync/plan/plan.ts", `interface Run { readonly process: number; fetch(): void; performance: string }`],
  ["lib/sync/lock/local_lock.ts", `import { open } from "node:fs/promises"; Deno.pid;`],
  ["lib/report/table.ts", `import width from "npm:string-width@7.0.0"; const now = Date.now();`],
  ["lib/session/state_folder.ts", `import { randomBytes } from "node:crypto"; Deno.env.get("HOME");`],
  ["cmd/main.ts", `import { commands } from "./mod.ts"; Deno.exit(1);`],
  [
    "cmd/sync_path.ts",
    `import "../lib/backends/mod.ts"; import "../lib/sync/run.ts"; import "../lib/report/result.ts"; import "./shared/terminal.ts";`,
  ],
  ["mod.ts", `export * from "./cmd/sync_path.ts"; if (import.meta.main) Deno.exit();`],
  [
    "tests/unit/a_test.ts",
    `import "../../mod.ts"; import "npm:fast-check@4.10.2"; await Deno.stat("."); await fetch("http://a");`,
  ],
  ["tests/unit/a_test.ts", `export const a = 1; { let b = 2; b++; } for (let i = 0; i < 2; i++) { /**/ }`],
];

const refusals: readonly (readonly [rule: string, file: string, source: string])[] = [
  ["one-way", "lib/core/path.ts", `import "../sync/plan/plan.ts";`],
  ["one-way", "lib/core/path.ts", `import "../net/tcp.ts";`],
  ["one-way", "lib/core/path.ts", `import "../../mod.ts";`],
  ["one-way", "lib/core/path.ts", `import "../../cmd/sync_path.ts";`],
  ["one-way", "lib/core/path.ts", `import "../../tests/support/runs.ts";`],
  ["one-way", "lib/core/path.ts", `import "npm:ssh2@1.17.0";`],
  ["one-way", "lib/core/path.ts", `import "jsr:@std/path";`],
  ["one-way", "lib/core/path.ts", `import "https://example.com/a.ts";`],
  ["one-way", "lib/core/path.ts", `import "ssh2";`],
  ["one-way", "lib/core/path.ts", `const name = "./errors.ts"; await import(name);`],
  ["one-way", "lib/backends/sftp/mod.ts", `import type { Plan } from "../../sync/plan/plan.ts";`],
  ["one-way", "lib/backends/sftp/mod.ts", `import type { Site } from "../ftp/mod.ts";`],
  ["one-way", "lib/backends/gcs/mod.ts", `import { parseXml } from "../s3/xml.ts";`],
  ["one-way", "lib/backends/mod.ts", `import { FtpPool } from "./ftp/pool.ts";`],
  ["one-way", "lib/http/client.ts", `import { withRetry } from "../backends/layers/retry.ts";`],
  ["one-way", "lib/sync/plan/plan.ts", `import { scan } from "../scan/scan.ts";`],
  ["one-way", "lib/sync/plan/plan.ts", `import type { Remembered } from "../history/file.ts";`],
  ["one-way", "lib/sync/plan/plan.ts", `export * from "../run.ts";`],
  ["one-way", "lib/sync/plan/plan.ts", `import type { Sftp } from "../../backends/sftp/mod.ts";`],
  ["one-way", "lib/sync/plan/plan.ts", `const open = () => import("../../backends/mod.ts");`],
  ["one-way", "lib/sync/plan/plan.ts", `type Sftp = import("../../backends/sftp/mod.ts").Sftp;`],
  ["one-way", "lib/sync/plan/plan.ts", `import "npm:ssh2@1.17.0";`],
  ["one-way", "lib/shell/bind/binder.ts", `import "../run/evaluate.ts";`],
  ["one-way", "lib/report/json.ts", `export * from "../shell/bind/binder.ts";`],
  ["one-way", "lib/backends/deep/sftp.ts", `export const a = 1; import "node:path";`],
  ["one-way", "cmd/sync_path.ts", `import "../lib/backends/sftp/mod.ts";`],
  ["one-way", "cmd/main.ts", `import "../mod.ts";`],
  ["world-at-edges", "lib/core/path.ts", `const os = Deno.build.os;`],
  ["world-at-edges", "lib/core/path.ts", `const os = globalThis["Deno"];`],
  ["world-at-edges", "lib/core/path.ts", `process.exit(1);`],
  ["world-at-edges", "lib/core/path.ts", `type Info = Deno.FileInfo;`],
  ["world-at-edges", "lib/report/json.ts", `const { Deno } = { Deno };`],
  ["world-at-edges", "lib/sync/apply/apply.ts", `await fetch("http://a");`],
  ["world-at-edges", "cmd/sync_path.ts", `const read = () => import("node:fs/promises");`],
  ["world-at-edges", "cmd/sync_path.ts", `export * from "node:os";`],
  ...[
    "fs",
    "fs/promises",
    "net",
    "tls",
    "http",
    "https",
    "http2",
    "child_process",
    "os",
    "sqlite",
    "process",
    "dgram",
    "dns",
    "worker_threads",
  ]
    .map((name) => ["world-at-edges", "lib/sync/apply/apply.ts", `import * as it from "node:${name}";`] as const),
  ["replayable", "lib/sync/plan/plan.ts", `const now = Date.now();`],
  ["replayable", "lib/sync/plan/plan.ts", `const now = new Date();`],
  ["replayable", "lib/sync/plan/plan.ts", `const now = new Date;`],
  ["replayable", "lib/sync/plan/plan.ts", `const now = Date();`],
  ["replayable", "lib/sync/plan/plan.ts", `const now = performance.now();`],
  ["replayable", "lib/sync/history/file.ts", `const id = Math.random();`],
  ["replayable", "lib/sync/lock/local_lock.ts", `setTimeout(() => {}, 5);`],
  ["replayable", "lib/sync/lock/local_lock.ts", `import { setTimeout as sleep } from "node:timers/promises";`],
  ["replayable", "lib/sync/lock/local_lock.ts", `import { randomBytes as bytes } from "node:crypto";`],
  ["replayable", "lib/sync/lock/local_lock.ts", `const home = Deno.env.get("HOME");`],
  ["replayable", "lib/sync/run.ts", `const stop = AbortSignal.timeout(5);`],
  ["replayable", "lib/shell/bind/binder.ts", `const id = crypto.randomUUID();`],
  ["replayable", "lib/shell/bind/binder.ts", `crypto.getRandomValues(new Uint8Array(2));`],
  ["no-default-export", "lib/core/path.ts", `export default 1;`],
  ["no-default-export", "tests/unit/a_test.ts", `const a = 1; export { a as default };`],
  ["no-module-state", "lib/core/path.ts", `let count = 0;`],
  ["no-module-state", "lib/core/path.ts", `export let count = 0;`],
  ["no-module-state", "tests/support/runs.ts", `var count = 0;`],
];

for (const [file, source] of allowed) {
  Deno.test(`layers allow in ${file}: ${source}`, () => assert.deepEqual(refused(file, source), []));
}

for (const [rule, file, source] of refusals) {
  Deno.test(`layers/${rule} refuses in ${file}: ${source}`, () => {
    const found = refused(file, source);
    assert.ok(found.includes(rule), `found ${found.join(", ") || "nothing"}`);
  });
}

Deno.test("layers have no exemption in the tree", async () => {
  for (const { file, text } of await sources("lib", "cmd", "mod.ts")) {
    assert.doesNotMatch(text, /deno-lint-ignore(-file)?\s*($|--|.*layers\/)/m, file);
  }
});

Deno.test("an npm package is imported in one file", async () => {
  const importers = new Map<string, string[]>();
  for (const { file, text } of await sources("lib")) {
    const names = new Set(
      [...text.matchAll(/^[^/*]*(?:from|import)\s*\(?\s*"npm:(@?[^@"]+)/gm)].map(([, name]) => name ?? ""),
    );
    for (const name of names) importers.set(name, [...importers.get(name) ?? [], file]);
  }
  for (const [name, files] of importers) {
    assert.equal(files.length, 1, `npm:${name} is imported by ${files.join(", ")}`);
  }
});

Deno.test("no file imports itself by way of others, types included", async () => {
  const imports = new Map<string, readonly string[]>();
  for (const { file, text } of await sources("lib", "cmd", "mod.ts")) {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
    const found = [...code.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)];
    imports.set(file, found.map(([, name]) => new URL(name ?? "", `file:///${file}`).pathname.slice(1)));
  }
  assert.deepEqual(findCycle(imports), undefined);
  assert.deepEqual(findCycle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])), ["b", "c", "b"]);
});

Deno.test("no file is longer than 300 lines, no folder has more than 30 files", async () => {
  const counts = new Map<string, number>();
  const long: string[] = [];
  for (const { file, text } of await sources("lib", "cmd", "mod.ts")) {
    const folder = file.slice(0, Math.max(0, file.lastIndexOf("/")));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
    const lines = text.split("\n").length - 1;
    if (lines > LONGEST) long.push(`${file}: ${lines} lines`);
  }
  assert.deepEqual(long, []);
  assert.deepEqual([...counts].filter(([, count]) => count > FULLEST), []);
});

/** Returns one cycle of a graph, its first node again at the end. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...way, node]);
      if (cycle !== undefined) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** TypeScript files below the given folders, or the files given; absent ones are passed over. */
async function sources(
  ...places: readonly string[]
): Promise<readonly { readonly file: string; readonly text: string }[]> {
  const names = (await readdir(root, { recursive: true })).map((name) => name.replaceAll("\\", "/"));
  const wanted = names.filter((name) =>
    name.endsWith(".ts") && places.some((place) => name === place || name.startsWith(`${place}/`))
  );
  return await Promise.all(wanted.map(async (file) => ({ file, text: await readFile(`${root}${file}`, "utf8") })));
}
