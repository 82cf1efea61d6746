import assert from "node:assert/strict";
import { join } from "node:path";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { ftpTree } from "../../support/servers/ftp_tree.ts";
import { startSmallFtp } from "../../support/servers/small_ftp.ts";
import { counts, type RunResult, tandem } from "../../support/tandem.ts";

const files = { "/report.txt": "hello", "/index.html": "site", "/sub/c": "x" };

/** Runs Sync-Path between a folder of this test and a small server. */
async function sync(
  dir: string,
  { port, words }: { readonly port: number; readonly words: string },
): Promise<RunResult> {
  const args = ["Sync-Path", join(dir, "local"), `ftp://127.0.0.1:${port}/`, ...words.split(" "), "-Connections", "1"];
  return await tandem(args, { home: dir });
}

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-ftp-" });
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function held(dir: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const one of Deno.readDir(join(dir, "local"))) found.push(one.name);
  return found.sort();
}

Deno.test("Sync-Path -Mode Local -Remove reads names behind facts that hold a blank, and removes nothing that is there", async () => {
  const tree = ftpTree({ files, links: {}, facts: "UNIX.groupname=domain users;UNIX.owner=33;" });
  await using server = await startSmallFtp(tree.options);
  await inFolder(async (dir) => {
    await Deno.mkdir(join(dir, "local"));
    assertCode(await sync(dir, { port: server.port, words: "-Mode Local -Remove" }), 0);
    assert.deepEqual(await held(dir), ["index.html", "report.txt", "sub"]);
    const again = await sync(dir, { port: server.port, words: "-Mode Local -Remove" });
    assertCode(again, 0);
    assert.deepEqual(counts(again), [0, 0, 0, 0, 0]);
  });
});

Deno.test("Sync-Path -Mode Local -Remove removes nothing beside a line that cannot be read for certain: one failure", async () => {
  const tree = ftpTree({ files, links: {} });
  const odd = function* (command: string) {
    for (const line of tree.options.listing(command)) {
      yield line.includes("index.html") ? line.replace(";modify", ";UNIX.group=a; b;modify") : line;
    }
  };
  await using server = await startSmallFtp({ ...tree.options, listing: odd });
  await inFolder(async (dir) => {
    await fill(join(dir, "local"), { "index.html": "site", "report.txt": "hello", "sub/c": "x", "more": "y" });
    const ran = await sync(dir, { port: server.port, words: "-Mode Local -Remove -RemoveDespiteFailures" });
    assertCode(ran, 1);
    assert.equal(ran.result().FailureCount, 1);
    assert.match(ran.stderr, /a line that cannot be read for certain/);
    assert.deepEqual(await held(dir), ["index.html", "more", "report.txt", "sub"]);
  });
});

for (const [name, listShowsLinks] of [["that LIST shows", true], ["that no listing shows", false]] as const) {
  Deno.test(`Sync-Path -Mode Remote -Remove empties no folder behind a link ${name}`, async () => {
    const tree = ftpTree({
      files: { ...files, "/away/x": "1", "/away/y": "2" },
      links: { "/sub/l": "/away" },
      listShowsLinks,
    });
    await using server = await startSmallFtp(tree.options);
    await inFolder(async (dir) => {
      await fill(join(dir, "local"), { "index.html": "site", "report.txt": "hello", "sub/c": "x" });
      await fill(join(dir, "local"), { "away/x": "1", "away/y": "2" });
      const ran = await sync(dir, { port: server.port, words: "-Mode Remote -Remove -MaxRemove 100%" });
      assertCode(ran, listShowsLinks ? 1 : 0);
      assert.equal(tree.links.has("/sub/l"), listShowsLinks);
      assert.equal(tree.files.size, 5);
    });
  });
}

for (const trims of ["listings", "always"] as const) {
  for (const where of ["a name", "a folder above it"]) {
    Deno.test(`Sync-Path -Mode Local -Remove -RemoveDespiteFailures keeps what a server has whose ${trims} lose blanks of ${where}`, async () => {
      const held = where === "a name" ? ["report "] : ["notes /report"];
      const there = Object.fromEntries([...held.map((name) => [`/${name}`, "hello"]), ["/also", "x"]]);
      const tree = ftpTree({ files: there, links: {}, trims });
      await using server = await startSmallFtp(tree.options);
      await inFolder(async (dir) => {
        await fill(join(dir, "local"), { ...Object.fromEntries(held.map((name) => [name, "hello"])), also: "x" });
        const ran = await sync(dir, {
          port: server.port,
          words: "-Mode Local -Remove -RemoveDespiteFailures -MaxRemove 100%",
        });
        for (const name of held) {
          assert.equal(await Deno.readTextFile(join(dir, "local", name)), "hello", `${ran.stdout} ${ran.stderr}`);
        }
      });
    });
  }
}

Deno.test("Sync-Path -Mode Both to a server whose MLSD has no times takes an edit of either side, and sees no conflict", async () => {
  const tree = ftpTree({ files, links: {}, modify: "none" });
  await using server = await startSmallFtp(tree.options);
  await inFolder(async (dir) => {
    await fill(join(dir, "local"), files);
    const run = async () => {
      const ran = await sync(dir, { port: server.port, words: "-Mode Both" });
      assertCode(ran, 0);
      assert.equal(ran.result().ConflictCount, 0);
      return counts(ran);
    };
    await Deno.utime(join(dir, "local", "report.txt"), 1_700_000_000, 1_700_000_000);
    await run();
    assert.deepEqual(await run(), [0, 0, 0, 0, 0]);
    await Deno.writeTextFile(join(dir, "local", "report.txt"), "hallo");
    await run();
    assert.equal(tree.files.get("/report.txt"), "hallo");
    tree.files.set("/index.html", "etis");
    tree.times.set("/index.html", "20250101000000");
    await run();
    assert.equal(await Deno.readTextFile(join(dir, "local", "index.html")), "etis");
    assert.deepEqual(await run(), [0, 0, 0, 0, 0]);
  });
});
