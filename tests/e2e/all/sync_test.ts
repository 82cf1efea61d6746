import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  chownAll,
  type RemoteServer,
  type RemoteServerKind,
  remoteServerKinds,
} from "../../support/targets/remote_server.ts";
import {
  APACHE_PROPERTIES,
  assertSame,
  contentWithoutServerFiles,
  makeRemotePair,
  type RemotePair,
} from "../../support/targets/remote_pair.ts";
import { assertCode, fill, setOldTime } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { counts } from "../../support/tandem.ts";

/** One use of the program on one server. */
interface Cell {
  readonly name: string;
  run(pair: RemotePair, kind: RemoteServerKind, far: RemoteServer): Promise<void>;
}

const noise = new Uint8Array(300_000).map((_, index) => index * 7);
const tree = {
  "a.txt": "one",
  "empty": "",
  "big.bin": noise,
  "dir/deep/deeper/b.txt": "two",
  "hollow/": "",
  "ü & %41 #1+;'.txt": "odd name",
};
const MiB = 1 << 20;
const LARGE = 80 * MiB;
/** More than what is worth to be kept of a broken transfer. */
const ENOUGH = 32 * MiB;

const cells: readonly Cell[] = [
  {
    name: "uploads a tree, and then has nothing to do",
    async run(pair) {
      await fill(pair.local, tree);
      const ran = await pair.sync("-Mode Remote");
      assertCode(ran, 0);
      assert.deepEqual(counts(ran), [5, 0, 0, 0, 0]);
      assertSame(pair);
      await pair.idle("-Mode Remote");
      await Deno.writeTextFile(`${pair.local}/a.txt`, "another");
      assert.deepEqual(counts(await pair.sync("-Mode Remote")), [1, 0, 0, 0, 0]);
      assertSame(pair);
      await pair.idle("-Mode Remote -Remove");
    },
  },
  {
    name: "downloads a tree, and then has nothing to do",
    async run(pair) {
      await pair.fillRemote(tree);
      const ran = await pair.sync("-Mode Local");
      assertCode(ran, 0);
      assert.deepEqual(counts(ran), [0, 5, 0, 0, 0]);
      assertSame(pair);
      await pair.idle("-Mode Local");
      await pair.fillRemote({ "dir/new": "n" });
      assert.deepEqual(counts(await pair.sync("-Mode Local")), [0, 1, 0, 0, 0]);
      assertSame(pair);
      await pair.idle("-Mode Local -Remove");
    },
  },
  {
    name: "carries both ways, by its history deletions too, and then has nothing to do",
    async run(pair) {
      const same = { "same": "s" };
      await fill(pair.local, { ...same, "here": "h", "mine/deep/": "", "gone here": "1", "edited": "old" });
      await pair.fillRemote({ ...same, "there": "t", "yours/": "", "gone there": "2" });
      assertCode(await pair.sync("-Mode Both"), 0);
      assertSame(pair);
      await pair.idle("-Mode Both");
      await Deno.remove(`${pair.local}/gone here`);
      await Deno.remove(`${pair.remote}/gone there`);
      await Deno.writeTextFile(`${pair.local}/edited`, "new and longer");
      await pair.fillRemote({ "there": "edited there" });
      const ran = await pair.sync("-Mode Both -Remove");
      assertCode(ran, 0);
      assert.deepEqual(counts(ran), [1, 1, 2, 0, 0]);
      assertSame(pair);
      assert.deepEqual(contentWithoutServerFiles(pair.local), {
        ...{ "edited": "new and longer", "here": "h", "mine/": "", "mine/deep/": "" },
        ...{ ...same, "there": "edited there", "yours/": "" },
      });
      await pair.idle("-Mode Both");
    },
  },
  {
    name: "-Remove removes what the source lacks, on the server and here",
    async run(pair, { name }) {
      await fill(pair.local, { "keep": "k", "dir/stays": "s", "old/x/y": "1", "old/z": "2" });
      await pair.fillRemote({ "keep": "k", "dir/stays": "s" });
      const down = await pair.sync("-Mode Local -Remove");
      assertCode(down, 0);
      assert.deepEqual(counts(down), [0, 0, 2, 0, 0]);
      assertSame(pair);
      await fill(pair.local, { "new": "n" });
      await pair.fillRemote({ "old": "o", "dir/old": "1" });
      const up = await pair.sync("-Mode Remote -Remove");
      assertCode(up, 0);
      assert.deepEqual(counts(up), [1, 0, 2, 0, 0]);
      assertSame(pair);
      await pair.fillRemote({ "x/y/z": "1" });
      const folders = await pair.sync("-Mode Remote -Remove");
      if (name !== "dav nginx") {
        assertCode(folders, 0);
        return assertSame(pair);
      }
      // Names that begin with a dot are hidden there: a folder that looks empty may hold some, and DELETE would take them along.
      assertCode(folders, 1);
      assert.match(folders.stderr, /listings hide names that begin with a dot/);
      assert.deepEqual(contentWithoutServerFiles(pair.remote)["x/y/"], "");
    },
  },
  {
    name: "-Criteria Checksum finds other bytes of equal size and time",
    async run(pair) {
      await fill(pair.local, { "a": "12345", "same": "same", "big": noise });
      assertCode(await pair.sync("-Mode Remote"), 0);
      const { mtime } = await Deno.stat(`${pair.remote}/a`);
      await Deno.writeTextFile(`${pair.remote}/a`, "54321");
      await Deno.utime(`${pair.remote}/a`, mtime ?? 0, mtime ?? 0);
      const ran = await pair.sync("-Mode Remote -Criteria Checksum");
      assertCode(ran, 0);
      assert.deepEqual(counts(ran), [1, 0, 0, 0, 0]);
      assertSame(pair);
      await pair.idle("-Mode Remote -Criteria Checksum");
    },
  },
  {
    name: "finishes a large upload that was killed, and goes on with it where the server can",
    async run(pair, { noUploadResume, provesLeftovers }, far) {
      await makeLarge(pair.local);
      await killAt(pair, { words: "-Mode Remote", below: `${far.disk}/..` });
      if (provesLeftovers === true) {
        const left = identityOf(pair.remote, leftoverIn(pair.remote));
        await finish(pair, { words: "-Mode Remote", to: pair.remote, goesOn: false });
        assert.equal(identityOf(pair.remote, "large"), left, "it was begun anew");
        return;
      }
      const goesOn = noUploadResume === undefined;
      if (goesOn) await mark(pair.remote);
      await finish(pair, { words: "-Mode Remote", to: pair.remote, goesOn });
    },
  },
  {
    name: "believes nothing of a large upload that was killed and altered, where the server can prove it",
    async run(pair, { provesLeftovers }, far) {
      if (provesLeftovers !== true) return;
      await makeLarge(pair.local);
      await killAt(pair, { words: "-Mode Remote", below: `${far.disk}/..` });
      await mark(pair.remote);
      await finish(pair, { words: "-Mode Remote", to: pair.remote, goesOn: false });
    },
  },
  {
    name: "goes on with a large download that was killed",
    async run(pair) {
      await makeLarge(pair.remote);
      await chownAll(pair.remote);
      await killAt(pair, { words: "-Mode Local", below: pair.local });
      const left = identityOf(pair.local, leftoverIn(pair.local));
      await finish(pair, { words: "-Mode Local", to: pair.local, goesOn: false });
      assert.equal(identityOf(pair.local, "large"), left, "it was begun anew");
    },
  },
  {
    name: "believes nothing of a large download that was killed and altered",
    async run(pair) {
      await makeLarge(pair.remote);
      await chownAll(pair.remote);
      await killAt(pair, { words: "-Mode Local", below: pair.local });
      await mark(pair.local);
      await finish(pair, { words: "-Mode Local", to: pair.local, goesOn: false });
    },
  },
];

for (const kind of remoteServerKinds) {
  serverTest(`Sync-Path over ${kind.name}`, { server: kind.server }, async (t) => {
    await using far: RemoteServer = await kind.start();
    // Partial PUT is for large uploads alone: all else is as on the same server without.
    const all = kind.name.endsWith("partial PUT") ? cells.filter(({ name }) => name.includes("large upload")) : cells;
    for (const { name, run } of all) {
      await t.step(name, async () => {
        await using pair = await makeRemotePair(far);
        await run(pair, kind, far);
      });
    }
  });
}

/** A large file of nothing but zeros, which costs no disk. */
async function makeLarge(folder: string): Promise<void> {
  const path = `${folder}/large`;
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, LARGE);
  await setOldTime(path);
}

/** Starts a run and kills it as soon as a file below the folder has grown large. */
async function killAt(
  pair: RemotePair,
  { words, below }: { readonly words: string; readonly below: string },
): Promise<void> {
  const child = pair.start(words);
  const ended = child.output();
  let isOver = false;
  ended.then(() => isOver = true);
  while (!isOver && !hasLarge(below)) await new Promise((resolve) => setTimeout(resolve, 1));
  if (!isOver) child.kill("SIGKILL");
  const { signal, stderr } = await ended;
  assert.equal(signal, "SIGKILL", `it came to its end: ${new TextDecoder().decode(stderr)}`);
}

function hasLarge(dir: string): boolean {
  return Array.from(Deno.readDirSync(dir)).some(({ name, isDirectory }) => {
    if (isDirectory) return hasLarge(`${dir}/${name}`);
    const size = name === "large" ? 0 : sizeOf(`${dir}/${name}`);
    return size >= ENOUGH && size <= LARGE;
  });
}

function sizeOf(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch {
    return 0;
  }
}

/** Alters the first byte of what the killed run left: only a run that sends it again makes it right. */
async function mark(folder: string): Promise<void> {
  using file = await Deno.open(`${folder}/${leftoverIn(folder)}`, { write: true });
  await file.write(new Uint8Array([MARK]));
}

/** The name of what the killed run left; on a disk, codes that prove it lie beside it. */
function leftoverIn(folder: string): string {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  const left = names.find((name) => name !== "large" && !name.startsWith(".seals."));
  assert.ok(left !== undefined, "the killed run left nothing to go on with");
  return left;
}

/** What tells a file from every other one that there is or was. */
function identityOf(folder: string, name: string): string {
  const { ino, birthtime } = Deno.lstatSync(`${folder}/${name}`);
  return `${ino} ${birthtime?.toISOString()}`;
}

const MARK = 77;

async function finish(
  pair: RemotePair,
  { words, to, goesOn }: { readonly words: string; readonly to: string; readonly goesOn: boolean },
): Promise<void> {
  const ran = await pair.sync(words);
  assertCode(ran, 0);
  const names = Array.from(Deno.readDirSync(to), ({ name }) => name).filter((name) => name !== APACHE_PROPERTIES);
  assert.deepEqual(names, ["large"]);
  const bytes = await Deno.readFile(`${to}/large`);
  assert.equal(bytes[0], goesOn ? MARK : 0);
  bytes[0] = 0;
  assert.ok(Buffer.from(bytes.buffer).equals(Buffer.alloc(LARGE)), "other bytes than the source's");
}
