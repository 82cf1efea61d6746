import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { pattern } from "../support/content.ts";
import { startProxy } from "../support/proxy.ts";
import { chownAll } from "../support/targets/remote_server.ts";
import { fill } from "../support/targets/sftp_pair.ts";
import { hardTree } from "./hard_names.ts";
import { assertSame, type Machine, makeScene, type Ran, type Scene } from "./pair.ts";
import type { Expectation, MatrixServer, Row } from "./row.ts";

/** One use of the program on one server; each job has a folder of its own. */
export interface Job {
  readonly name: string;
  /** Whether it is part of every test run, for the rows that are. */
  readonly isQuick?: true;
  run(server: MatrixServer, row: Row, said: string[]): Promise<void>;
}

const MiB = 1 << 20;
const nothing = [0, 0, 0, 0, 0, 0];

export const jobs: readonly Job[] = [
  job("300 hard names", hardNamesJob, true),
  job("both ways", bothWays, true),
  job("removals", removals, true),
  job("60 MiB", largeFile),
  job("kill -9", kill),
];

function job(
  name: string,
  work: (scene: Scene, expects: Expectation, server: MatrixServer) => Promise<void>,
  isQuick?: true,
): Job {
  return {
    name,
    ...(isQuick === undefined ? {} : { isQuick }),
    async run(server, { expects }, said) {
      await using scene = await makeScene(server);
      try {
        await work(scene, expects, server);
      } finally {
        said.push(...scene.said);
      }
    },
  };
}

/** Carries 300 names, then has nothing to do, also without its history, and brings all of them to another machine. */
async function hardNamesJob(scene: Scene, expects: Expectation): Promise<void> {
  const { here } = scene;
  await fill(here.local, hardTree());
  const ran = await here.sync("-Mode Remote");
  const unfit = expects.kind === "degraded" ? expects.unfit : undefined;
  if (ran.code > 1) assertCode(ran, 0, "upload");
  for (const { Path, Message } of ran.failures) {
    assert.ok(unfit?.test(Path), `"${Path}" failed: ${Message}`);
  }
  assertCode(ran, ran.failures.length > 0 ? 1 : 0, "upload");
  if (unfit !== undefined) {
    await removeUnfit(unfit, [here.local, ...(scene.disk === undefined ? [] : [scene.disk])]);
    assertCode(await here.sync("-Mode Remote"), 0, "upload of what is fit");
  }
  await assertSame(scene);
  await idle(here, "again");
  await here.forget();
  await idle(here, "without history");
  const other = await scene.another();
  assertCode(await other.sync("-Mode Local"), 0, "download");
  await assertSame(scene, other.local);
  if (expects.kind === "degraded" && expects.losesTimes === true) return;
  for (const path of ["plain", "dir/é", "dir/😀"].filter((path) => existsSync(`${here.local}/${path}`))) {
    const [a, b] = [here, other].map(({ local }) => Deno.statSync(`${local}/${path}`).mtime?.getTime());
    assert.equal(b, a, `"${path}" lost its time`);
  }
}

async function removeUnfit(unfit: RegExp, folders: readonly string[]): Promise<void> {
  for (const path of Object.keys(hardTree()).filter((path) => unfit.test(path))) {
    for (const folder of folders) await Deno.remove(`${folder}/${path}`).catch(() => {});
  }
  for (const folder of folders) {
    await new Deno.Command("find", { args: [folder, "-mindepth", "1", "-empty", "-type", "d", "-delete"] }).output();
  }
}

async function idle(machine: Machine, when: string): Promise<void> {
  const ran = await machine.sync("-Mode Remote");
  assertCode(ran, 0, when);
  assert.deepEqual(ran.counts, nothing, `the run ${when} had something to do`);
}

/** Edits, new files and deletions of both sides. */
async function bothWays(scene: Scene): Promise<void> {
  const { here } = scene;
  const base = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`d${index % 3}/f${index}`, `${index}`]));
  await fill(here.local, { ...base, "edited here": "old", "edited there": "old", "gone here": "1", "gone there": "2" });
  assertCode(await here.sync("-Mode Both"), 0, "first");
  await assertSame(scene);
  await write(here.local, { "edited here": "the newer one", "d1/new here": "n" });
  await Deno.remove(`${here.local}/gone here`);
  if (scene.disk === undefined) {
    await scene.fillRemote({ "edited there": "another one, longer", "new there": "t" });
  } else {
    await write(scene.disk, { "edited there": "another one, longer", "new there": "t" });
    await chownAll(scene.disk);
    await Deno.remove(`${scene.disk}/gone there`);
  }
  const ran = await here.sync("-Mode Both -Remove");
  assertCode(ran, 0, "edits");
  await assertSame(scene);
  assert.ok(!existsSync(`${here.local}/gone here`));
  assert.equal(existsSync(`${here.local}/gone there`), scene.disk === undefined);
  assert.equal(await Deno.readTextFile(`${here.local}/edited here`), "the newer one");
  assert.equal(await Deno.readTextFile(`${here.local}/edited there`), "another one, longer");
  assert.equal(await Deno.readTextFile(`${here.local}/new there`), "t");
  assert.equal((await scene.remote())["edited here"], "the newer one");
}

/** Removes files and folders on the server, then here. */
async function removals(scene: Scene, expects: Expectation): Promise<void> {
  const { here } = scene;
  const files = Array.from({ length: 30 }, (_, index) => `d${index % 3}/e${index % 5}/f${index}`);
  await fill(here.local, Object.fromEntries(files.map((path) => [path, path])));
  assertCode(await here.sync("-Mode Remote"), 0, "upload");
  const other = await scene.another();
  assertCode(await other.sync("-Mode Local"), 0, "download");
  await Deno.remove(`${here.local}/d1`, { recursive: true });
  await Deno.remove(`${here.local}/d0/e0/f0`);
  const ran = await here.sync("-Mode Remote -Remove");
  if (expects.kind === "degraded" && expects.holdsRemovals === true) {
    assert.equal(ran.code, 1, ran.stderr);
    return;
  }
  assertCode(ran, 0, "removals there");
  assert.equal(ran.counts[2], 11);
  await assertSame(scene);
  const down = await other.sync("-Mode Local -Remove");
  assertCode(down, 0, "removals here");
  assert.equal(down.counts[2], 11);
  await assertSame(scene, other.local);
}

/** Carries a large file there, and to another machine. */
async function largeFile(scene: Scene): Promise<void> {
  const { here } = scene;
  await fill(here.local, { "large": pattern(60 * MiB + 17, 3), "small": "s" });
  assertCode(await here.sync("-Mode Remote"), 0, "upload");
  await assertSame(scene);
  const other = await scene.another();
  assertCode(await other.sync("-Mode Local"), 0, "download");
  await assertSame(scene, other.local);
}

/** Kills an upload amid a large file that replaces another: the old version or the new one is there, and the next run ends right. */
async function kill(scene: Scene, expects: Expectation, server: MatrixServer): Promise<void> {
  const { here } = scene;
  const old = pattern(1 * MiB, 5);
  const small = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`s/f${index}`, pattern(200, index)]));
  await fill(here.local, { "large": old });
  assertCode(await here.sync("-Mode Remote"), 0, "upload");
  const content = { ...small, "large": pattern(60 * MiB, 4), "second": pattern(60 * MiB, 6) };
  await fill(here.local, content);
  await setNow(`${here.local}/large`);
  await killAmid(scene, server);
  const isDirect = expects.kind === "degraded" && expects.writesDirectly === true;
  if (scene.disk !== undefined) {
    const allowed = { ...content, "large": old };
    assertWhole(scene.disk, [content, allowed], isDirect ? ["second", "s/"] : []);
  }
  assertCode(await here.sync(isDirect ? "-Mode Remote -Mirror" : "-Mode Remote"), 0, "after the kill");
  await assertSame(scene);
}

/** Starts an upload and kills it as soon as some megabytes have come to the server. */
async function killAmid(scene: Scene, server: MatrixServer): Promise<void> {
  await using stack = new AsyncDisposableStack();
  let isDue = false;
  // A store shows nothing before an object is whole; where there is a disk, its data may come by other ports.
  const proxy = scene.disk === undefined ? stack.use(await startProxy(server.port)) : undefined;
  proxy?.after(12 * MiB, () => isDue = true);
  const child = scene.here.start("-Mode Remote -Mirror", proxy?.port);
  const output = child.output();
  let isOver = false;
  output.then(() => isOver = true);
  while (!isOver && !isDue) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    isDue ||= server.disk !== undefined && holdsPart(server.watched ?? `${server.disk}/..`);
  }
  if (!isOver) child.kill("SIGKILL");
  const { signal, stderr } = await output;
  assert.equal(signal, "SIGKILL", `it came to its end before the kill: ${new TextDecoder().decode(stderr)}`);
}

function holdsPart(dir: string): boolean {
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    if (isDirectory ? holdsPart(`${dir}/${name}`) : sizeOf(`${dir}/${name}`) > 8 * MiB) return true;
  }
  return false;
}

function sizeOf(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch {
    return 0;
  }
}

/** Fails unless each file under a final name is one of its versions. */
function assertWhole(
  disk: string,
  versions: readonly Readonly<Record<string, Uint8Array>>[],
  partial: readonly string[],
): void {
  for (const path of Object.keys(versions[0] ?? {})) {
    if (!existsSync(`${disk}/${path}`) || partial.some((start) => path.startsWith(start))) continue;
    const bytes = Deno.readFileSync(`${disk}/${path}`);
    const isWhole = versions.some((one) => Buffer.from(one[path] ?? []).equals(bytes));
    assert.ok(isWhole, `"${path}" is partial under its final name after the kill: ${bytes.length} bytes`);
  }
}

async function write(folder: string, content: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(content)) await Deno.writeTextFile(`${folder}/${path}`, text);
}

async function setNow(path: string): Promise<void> {
  await Deno.utime(path, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
}

function assertCode(ran: Ran, code: number, when: string): void {
  const failures = ran.failures.map(({ Message }) => Message).join("\n");
  assert.equal(ran.code, code, `${when}: exit ${ran.code} instead of ${code}: ${ran.stderr}\n${failures}`);
}
