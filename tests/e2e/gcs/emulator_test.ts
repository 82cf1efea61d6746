import assert from "node:assert/strict";
import { startGcsEmulator } from "../../support/servers/gcs_emulator.ts";
import { serverTest } from "../../support/servers/install.ts";
import { assertCode, fill, readFolder, setOldTime } from "../../support/targets/sftp_pair.ts";
import { counts, type RunResult, tandem } from "../../support/tandem.ts";

const big = "0123456789abcdef".repeat(200_000);
const names = ["naïve & co?.txt", "#1 100%.txt", "a+b c", "ä\u{1f600}", 'it\'s "x"'];
const tree = Object.fromEntries([
  ...names.map((name, i) => [`dir/deep ${i}/${name}`, `content ${i}`]),
  ...Array.from({ length: 40 }, (_, i) => [`many/${i}.txt`, `${i}`]),
  ["a.txt", "one"],
  ["empty", ""],
  ["big", big],
]);

/** Files of a folder: path → content. */
function files(folder: string): Record<string, string> {
  const paths = Object.keys(readFolder(folder)).filter((path) => !path.endsWith("/"));
  return Object.fromEntries(paths.map((path) => [path, Deno.readTextFileSync(`${folder}/${path}`)]));
}

/** Two folders of this disk, and a bucket of the emulator that each of them can be synced with. */
async function startWorld() {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startGcsEmulator());
  const dir = await Deno.makeTempDir({ prefix: "tandem-emulator-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const [a, b, home] = [`${dir}/a`, `${dir}/b`, `${dir}/home`];
  for (const folder of [a, b, home]) await Deno.mkdir(folder);
  await Deno.writeTextFile(`${home}/key.json`, server.keyFile());
  const login = ["-Endpoint", server.endpoint, "-KeyFile", `${home}/key.json`];
  const life = stack.move();
  return {
    ...{ server, a, b },
    sync: async (folder: string, words: string): Promise<RunResult> =>
      await tandem(["Sync-Path", folder, "gs://bucket/site", ...words.split(" "), ...login], { home }),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

serverTest(
  "GCS emulator: uploads come back byte for byte, and are then only listed",
  { server: "gcs-emulator" },
  async () => {
    await using world = await startWorld();
    await fill(world.a, tree);
    const up = await world.sync(world.a, "-Mode Remote");
    assertCode(up, 0);
    assert.deepEqual([counts(up), up.stderr.includes("Warning")], [[Object.keys(tree).length, 0, 0, 0, 0], false]);
    assert.deepEqual(counts(await world.sync(world.a, "-Mode Remote -Mirror")), [0, 0, 0, 0, 0]);
    assertCode(await world.sync(world.b, "-Mode Local"), 0);
    assert.deepEqual(files(world.b), tree);
    const times = (folder: string) =>
      Object.keys(tree).map((path) => Deno.statSync(`${folder}/${path}`).mtime?.getTime());
    assert.deepEqual(times(world.b), times(world.a));
  },
);

serverTest(
  "GCS emulator: both directions, a deletion, a rename and a conflict",
  { server: "gcs-emulator" },
  async () => {
    await using world = await startWorld();
    await fill(world.a, tree);
    const both = "-Mode Both -Remove";
    assertCode(await world.sync(world.a, both), 0);
    assertCode(await world.sync(world.b, both), 0);
    await Deno.remove(`${world.a}/a.txt`);
    await Deno.rename(`${world.a}/many/1.txt`, `${world.a}/moved.txt`);
    await Deno.writeTextFile(`${world.b}/many/2.txt`, "edited there");
    assertCode(await world.sync(world.a, both), 0);
    assertCode(await world.sync(world.b, both), 0);
    assertCode(await world.sync(world.a, both), 0);
    const { "a.txt": _, "many/1.txt": moved, ...rest } = tree;
    const expected = { ...rest, "many/2.txt": "edited there", "moved.txt": moved };
    assert.deepEqual([files(world.a), files(world.b)], [expected, expected]);
    await Deno.writeTextFile(`${world.a}/many/3.txt`, "here");
    await Deno.writeTextFile(`${world.b}/many/3.txt`, "there");
    assertCode(await world.sync(world.a, both), 0);
    const last = await world.sync(world.b, `${both} -Conflict KeepBoth`);
    assert.equal(last.result().ConflictCount, 1, last.stderr);
    const versions = Object.entries(files(world.b)).filter(([path]) => /^many\/3[ .]/.test(path)).map(([, text]) =>
      text
    );
    assert.deepEqual(versions.toSorted(), ["here", "there"]);
  },
);

serverTest(
  "GCS emulator: a time that it cannot set is one warning, and no failure",
  { server: "gcs-emulator" },
  async () => {
    await using world = await startWorld();
    await fill(world.a, { "a.txt": "one" });
    assertCode(await world.sync(world.a, "-Mode Remote"), 0);
    await setOldTime(`${world.a}/a.txt`, 5);
    const ran = await world.sync(world.a, "-Mode Remote -Mirror");
    assertCode(ran, 0);
    assert.match(ran.stderr, /the server cannot do this \(501\)/);
    assert.equal(ran.result().TouchCount, 0);
  },
);
