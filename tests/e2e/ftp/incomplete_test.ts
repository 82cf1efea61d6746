import assert from "node:assert/strict";
import { join } from "node:path";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { startSmallFtp } from "../../support/servers/small_ftp.ts";
import { type RunResult, tandem } from "../../support/tandem.ts";

/** A server without MLSD, one folder of files, whose listings have more lines than these, without those that it hides. */
async function startListing(
  names: readonly string[],
  more: readonly string[],
  hides: (path: string) => boolean = () => false,
) {
  const files = new Map(names.map((name) => [`/${name}`, "hello"]));
  const listing = () => {
    const own = [...files.keys()].filter((path) => !hides(path)).map((path) =>
      `-rw-r--r-- 1 web web 5 Nov 14  2023 ${path.slice(1)}`
    );
    return [...own, ...more].map((line) => `${line}\r\n`);
  };
  const reply = (command: string) => {
    const [verb, path = ""] = command.split(" ");
    if (verb === "CWD") return path === "/" ? undefined : "550 no such folder\r\n";
    const size = files.get(path)?.length;
    if (path === "/broken" && verb === "SIZE") return "550 Permission denied\r\n";
    if (verb === "SIZE") return size === undefined ? "550 no such file\r\n" : `213 ${size}\r\n`;
    if (verb === "MDTM") return size === undefined ? "550 no such file\r\n" : "213 20231114221320\r\n";
    return undefined;
  };
  const server = await startSmallFtp({ features: ["SIZE", "MDTM", "UTF8"], holds: files, listing, reply });
  return { server, files, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function sync(dir: string, port: number, words: string): Promise<RunResult> {
  const args = ["Sync-Path", join(dir, "local"), `ftp://127.0.0.1:${port}/`, ...words.split(" "), "-Connections", "1"];
  return await tandem(args, { home: dir });
}

async function inFolder(held: Readonly<Record<string, string>>, work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-ftp-" });
  try {
    await fill(join(dir, "local"), held);
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function names(dir: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const one of Deno.readDir(join(dir, "local"))) found.push(one.name);
  return found.sort();
}

const lines = [
  "ls: ./broken: Permission denied",
  "ls: cannot access 'broken': No such file or directory",
  "mask::rwx",
  "?????????? ? ? ? ?            ? broken",
  "11-22-26  07:48AM                 1234 broken",
  "-rw-r--r-- 1 web web 5 broken",
];
const all = "-Remove -RemoveDespiteFailures -MaxRemove 100%";

for (const line of lines) {
  Deno.test(`Sync-Path removes nothing beside "${line}" of an FTP listing on either side, and carries the rest: one failure`, async () => {
    for (const mode of ["Local", "Remote"]) {
      await using there = await startListing(["both", "there"], [line]);
      await inFolder({ both: "hello", here: "hello" }, async (dir) => {
        const ran = await sync(dir, there.server.port, `-Mode ${mode} ${all}`);
        assertCode(ran, 1);
        assert.equal(ran.result().FailureCount, 1, ran.stderr);
        assert.match(ran.stderr, /has a line that cannot be read for certain, ".+": nothing beside it is removed/);
        assert.deepEqual(await names(dir), mode === "Local" ? ["both", "here", "there"] : ["both", "here"]);
        const left = [...there.files.keys()].filter((path) => !path.includes("tandem")).sort();
        assert.deepEqual(left, mode === "Local" ? ["/both", "/there"] : ["/both", "/here", "/there"]);
      });
    }
  });
}

Deno.test("Sync-Path -Mode Both removes nothing beside a line of an FTP listing that cannot be read, though history knows it", async () => {
  const more: string[] = [];
  await using there = await startListing(["a", "b", "c"], more);
  await inFolder({ c: "hello" }, async (dir) => {
    assertCode(await sync(dir, there.server.port, "-Mode Both"), 0);
    assert.deepEqual(await names(dir), ["a", "b", "c"]);
    there.files.delete("/a");
    await Deno.remove(join(dir, "local", "b"));
    more.push("ls: ./a: Permission denied");
    const ran = await sync(dir, there.server.port, `-Mode Both ${all}`);
    assertCode(ran, 1);
    assert.deepEqual(await names(dir), ["a", "c"]);
    assert.deepEqual([...there.files.keys()], ["/b", "/c"]);
    more.pop();
    assertCode(await sync(dir, there.server.port, `-Mode Both ${all}`), 0);
    assert.deepEqual([await names(dir), [...there.files.keys()]], [["c"], ["/c"]]);
  });
});

Deno.test("Sync-Path with an FTP root none of whose lines can be read removes nothing, and writes nothing that may be there", async () => {
  const jobs = ["A        JOB00123 ANNA     OUTPUT A", "B        JOB00124 ANNA     OUTPUT A"];
  await using there = await startListing(["B"], jobs, () => true);
  await inFolder({ new: "hello", B: "other" }, async (dir) => {
    const down = await sync(dir, there.server.port, `-Mode Local ${all}`);
    assertCode(down, 1);
    assert.equal(down.result().FailureCount, 1);
    assert.deepEqual(await names(dir), ["B", "new"]);
    const up = await sync(dir, there.server.port, "-Mode Remote");
    assertCode(up, 1);
    assert.deepEqual(Object.fromEntries(there.files), { "/B": "hello" });
    assert.equal(up.result().FailureCount, 3, up.stderr);
  });
});

Deno.test("Sync-Path writes no new file over one that an FTP listing does not show because the server cannot read it", async () => {
  for (const mode of ["Both", "Remote"]) {
    const hides = (path: string) => path === "/broken";
    await using there = await startListing(["broken", "a"], ["ls: ./broken: Permission denied"], hides);
    await inFolder({ broken: "other", more: "hello" }, async (dir) => {
      const ran = await sync(dir, there.server.port, `-Mode ${mode}`);
      assertCode(ran, 1);
      assert.match(ran.stderr, /the listing of its folder has lines that cannot be read: it may exist/);
      assert.deepEqual([there.files.get("/broken"), there.files.get("/more")], ["hello", "hello"]);
    });
  }
});
