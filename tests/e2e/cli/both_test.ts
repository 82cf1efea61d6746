import assert from "node:assert/strict";
import { counts, startTandem } from "../../support/tandem.ts";
import { freshPair } from "../../support/two_folders.ts";

/** Times count from here; an hour in the past, so that nothing is too young to be trusted. */
const then = Date.now() - 3_600_000;

async function write(path: string, text: string, minute: number): Promise<void> {
  await Deno.writeTextFile(path, text);
  const time = new Date(then + minute * 60_000);
  await Deno.utime(path, time, time);
}

const files = { "one": { text: "1" }, "two": { text: "22" }, "d/three": { text: "333" } };

Deno.test("Sync-Path -Mode Both -Remove carries a deletion to the other side", async () => {
  await using pair = await freshPair(files, { "four": { text: "4444" } });
  const first = await pair.sync("-Remove");
  assert.deepEqual([first.code, counts(first)], [0, [3, 1, 0, 0, 0]]);
  await Deno.remove(`${pair.a}/one`);
  await Deno.remove(`${pair.b}/d`, { recursive: true });
  const second = await pair.sync("-Remove");
  assert.deepEqual([second.code, counts(second)], [0, [0, 0, 2, 0, 0]], second.stderr);
  const rest = { "four": "4444", "two": "22" };
  assert.deepEqual(await pair.both(), [rest, rest]);
});

Deno.test("Sync-Path -Mode Both brings back what was deleted on one side, without -Remove, and says so", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  await Deno.remove(`${pair.b}/one`);
  const second = await pair.sync();
  assert.deepEqual([second.code, second.result().Restored], [0, 1]);
  assert.match(second.stderr, /-Remove/);
  const [a, b] = await pair.both();
  assert.deepEqual(a, b);
});

Deno.test("Sync-Path -Mode Both -Remove lets an edit live that the other side deleted", async () => {
  await using pair = await freshPair(files);
  await pair.sync("-Remove");
  await Deno.remove(`${pair.a}/one`);
  await write(`${pair.b}/one`, "edited", 5);
  const second = await pair.sync("-Remove");
  assert.deepEqual([second.code, counts(second)], [0, [0, 1, 0, 0, 0]]);
  const [a, b] = await pair.both();
  assert.deepEqual([a["one"], b["one"]], ["edited", "edited"]);
});

Deno.test("Sync-Path -Mode Both gives a conflict to the newest, and Restore-TrashItem gives the loser back", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  await write(`${pair.a}/one`, "here", 5);
  await write(`${pair.b}/one`, "there, later", 6);
  const second = await pair.sync();
  assert.deepEqual([second.code, counts(second)], [0, [0, 1, 0, 1, 0]]);
  const [conflict] = second.result().Conflicts as { Winner: string; Loser: string; Kept: string }[];
  assert.deepEqual([conflict?.Winner, conflict?.Loser], ["Remote", "Local"]);
  assert.equal(await Deno.readTextFile(conflict?.Kept ?? ""), "here");
  const [, id = ""] = /Restore-TrashItem ([0-9a-f]+)/.exec(second.stderr) ?? [];
  const refused = await pair.run("Restore-TrashItem", id);
  assert.deepEqual([refused.code, (await pair.both())[0]["one"]], [1, "there, later"]);
  const restored = await pair.run("Restore-TrashItem", id, "-Force");
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal((await pair.both())[0]["one"], "here");
  assert.equal((await pair.sync()).code, 0);
  const [a, b] = await pair.both();
  assert.deepEqual([a["one"], b["one"]], ["here", "here"]);
});

Deno.test("Sync-Path -Mode Both gives a conflict to the older or the smaller version where that is asked", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  for (const [word, at] of [["Older", 5], ["oldest", 20], ["Smaller", 40]] as const) {
    await write(`${pair.a}/one`, `here ${word}`, at);
    await write(`${pair.b}/one`, `there, later ${word}`, at + 5);
    const ran = await pair.sync("-Conflict", word);
    assert.deepEqual([ran.code, counts(ran)], [0, [1, 0, 0, 1, 0]], ran.stderr);
    const [a, b] = await pair.both();
    assert.deepEqual([a["one"], b["one"]], [`here ${word}`, `here ${word}`]);
  }
});

Deno.test("Sync-Path -Mode Both leaves leftovers of other programs alone and counts them, until they are asked for", async () => {
  await using pair = await freshPair(
    { ...files, "film.mkv.part": { text: "half" }, "d/~$book.xlsx": { text: "lock" } },
    { "big.iso.filepart": { text: "a part" } },
  );
  const first = await pair.sync("-Remove");
  assert.deepEqual([first.code, counts(first)], [0, [3, 0, 0, 0, 0]]);
  assert.match(first.stderr, /3 leftovers of other programs left alone, .*-IncludeLeftovers/);
  const second = await pair.sync("-Remove", "-IncludeLeftovers");
  assert.deepEqual([second.code, counts(second)], [0, [2, 1, 0, 0, 0]], second.stderr);
  assert.doesNotMatch(second.stderr, /leftover/);
  // From then on they are known, and are no deletions where they are left alone again.
  await Deno.remove(`${pair.a}/film.mkv.part`);
  const third = await pair.sync("-Remove");
  assert.deepEqual([third.code, counts(third), (await pair.both())[1]["film.mkv.part"]], [0, [0, 0, 0, 0, 0], "half"]);
});

Deno.test("Sync-Path -Mode Both keeps what an edit of one side replaces, without a word of conflict", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  await write(`${pair.a}/one`, "edited", 5);
  const second = await pair.sync();
  assert.deepEqual([second.code, counts(second)], [0, [1, 0, 0, 0, 0]]);
  const items = (await pair.run("Get-TrashItem")).objects();
  assert.deepEqual(items.map(({ Path, Side, Why, Winner }) => [Path, Side, Why, Winner]), [
    ["one", "Remote", "Overwritten", "Local"],
  ]);
});

Deno.test("Sync-Path -Mode Both takes an edit right after a run for one of that side alone", async () => {
  const young = { text: "x", modified: Date.now() };
  await using pair = await freshPair({ "one": young, "two": young });
  await pair.sync();
  await Deno.writeTextFile(`${pair.a}/one`, "y");
  await Deno.writeTextFile(`${pair.b}/two`, "z");
  const second = await pair.sync();
  assert.deepEqual(counts(second), [1, 1, 0, 0, 0], second.stderr);
  assert.deepEqual(await pair.both(), [{ "one": "y", "two": "z" }, { "one": "y", "two": "z" }]);
});

Deno.test("Sync-Path -Mode Both removes nothing on a first run", async () => {
  await using pair = await freshPair(files, { "four": { text: "4444" } });
  const first = await pair.sync("-Remove");
  assert.deepEqual([first.code, first.result().RemovalCount], [0, 0]);
  const [a, b] = await pair.both();
  assert.deepEqual([Object.keys(a).length, a], [4, b]);
});

Deno.test("Sync-Path -Mode Both takes a damaged history for none, says so, and removes nothing", async () => {
  await using pair = await freshPair(files);
  await pair.sync("-Remove");
  const [file] = await namesIn(`${pair.state}/history`);
  await Deno.writeTextFile(`${pair.state}/history/${file}`, "damaged");
  await Deno.remove(`${pair.a}/one`);
  const second = await pair.sync("-Remove");
  assert.deepEqual([second.code, counts(second)], [0, [0, 1, 0, 0, 0]]);
  assert.match(second.stderr, /damaged.*renamed to/);
  assert.equal((await namesIn(`${pair.state}/history`)).length, 2);
});

Deno.test("Sync-Path -Mode Both touches no state once nothing is left to do", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  await past(50);
  await pair.sync();
  const [file] = await namesIn(`${pair.state}/history`);
  const before = await Deno.readFile(`${pair.state}/history/${file}`);
  const third = await pair.sync("-FailIfNothing");
  assert.equal(third.code, 6);
  assert.deepEqual(await Deno.readFile(`${pair.state}/history/${file}`), before);
});

Deno.test("Sync-Path -Mode Both -Remove brings back what a restored backup lacks, and what lies below an unmounted folder", async () => {
  await using pair = await freshPair({ ...files, "mount/inside": { text: "4" } });
  const copy = `${pair.folder}/copy`;
  await command("cp", "-a", pair.a, copy);
  await pair.sync("-Remove");
  await write(`${pair.b}/later`, "later", 5);
  await write(`${pair.b}/d/later`, "later", 5);
  await pair.sync("-Remove");
  await past(30);
  await pair.sync("-Remove");
  const whole = (await pair.both())[1];
  for (const name of ["later", "d/later"]) await Deno.remove(`${pair.a}/${name}`);
  await Deno.utime(`${pair.a}/d`, new Date(then), new Date(then));
  await Deno.remove(`${pair.a}/mount`, { recursive: true });
  await command("cp", "-a", `${copy}/.`, pair.a);
  await Deno.remove(`${pair.a}/mount/inside`);
  await Deno.utime(`${pair.a}/mount`, new Date(then - 1e6), new Date(then - 1e6));
  const restored = await pair.sync("-Remove");
  assert.deepEqual([restored.code, restored.result().RemovalCount], [0, 0], restored.stdout);
  assert.match(restored.stderr, /restored from a backup/);
  assert.deepEqual(await pair.both(), [whole, whole]);
});

Deno.test("Sync-Path -Mode Both -Remove removes nothing for a root that was made anew", async () => {
  await using pair = await freshPair(files);
  await pair.sync("-Remove");
  await command("cp", "-a", pair.a, `${pair.a}2`);
  await Deno.remove(pair.a, { recursive: true });
  await Deno.rename(`${pair.a}2`, pair.a);
  await Deno.remove(`${pair.a}/one`);
  const second = await pair.sync("-Remove");
  assert.deepEqual([second.code, counts(second)], [0, [0, 1, 0, 0, 0]], second.stdout);
  assert.match(second.stderr, /another folder/);
});

Deno.test("Sync-Path -Remove holds removals for a source that was restored from a backup", async () => {
  await using pair = await freshPair(files);
  const words = ["Sync-Path", pair.a, `file://${pair.b}`, "-Mode", "Remote", "-Remove"];
  await past(30);
  await pair.run(...words);
  const { mtime } = await Deno.stat(`${pair.a}/d`);
  await Deno.remove(`${pair.a}/d/three`);
  await Deno.utime(`${pair.a}/d`, mtime ?? 0, mtime ?? 0);
  for (let count = 0; count < 2; count++) {
    const ran = await pair.run(...words);
    assert.deepEqual([ran.code, ran.result().HeldRemovals, ran.result().RemovalCount], [1, 1, 0], ran.stdout);
  }
});

Deno.test("Sync-Path -WhatIf looks at history and writes nothing", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  await Deno.remove(`${pair.a}/one`);
  const before = await everyFile(pair.folder);
  const looked = await pair.sync("-Remove", "-WhatIf");
  assert.deepEqual([looked.code, looked.result().RemovalCount], [0, 1]);
  assert.deepEqual(await everyFile(pair.folder), before);
});

Deno.test("Sync-Path lets one run work on a pair, and the next take over when it was killed", async () => {
  await using pair = await freshPair(files);
  await pair.sync();
  await Deno.writeFile(`${pair.a}/big`, new Uint8Array(512 * 1024 * 1024));
  const env = { TANDEM_STATE: pair.state };
  const words = ["Sync-Path", pair.a, `file://${pair.b}`, "-Mode", "Both"];
  const holder = startTandem(words, { cwd: pair.folder, env });
  await appears(`${pair.state}/locks`, (text) => text.includes(`"pid":${holder.pid}`) && !text.includes("released"));
  const second = await pair.sync();
  holder.kill("SIGKILL");
  const { code, stdout } = await holder.output();
  assert.equal(code, 137, new TextDecoder().decode(stdout));
  assert.equal(second.code, 5, second.stderr);
  assert.match(second.stderr, /-WaitLock/);
  await Deno.remove(`${pair.a}/big`);
  const third = await pair.sync();
  assert.equal(third.code, 0, third.stderr);
});

Deno.test("Sync-Path -Recycle keeps what one-way runs overwrite and remove", async () => {
  await using pair = await freshPair({ "one": { text: "new", modified: then } }, {
    "one": { text: "old", modified: then - 60_000 },
    "two": { text: "22" },
  });
  const ran = await pair.run("Sync-Path", pair.a, `file://${pair.b}`, "-Mode", "Remote", "-Remove", "-Recycle");
  assert.equal(ran.code, 0, ran.stderr);
  const kept = (await pair.run("Get-TrashItem")).objects().map(({ Path, Why }) => `${Why} ${Path}`).sort();
  assert.deepEqual(kept, ["Overwritten one", "Removed two"]);
});

/** Lets so many ms go by, so that what was written before is no longer young. */
async function past(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function command(name: string, ...args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command(name, { args: [...args] }).output();
  assert.ok(success);
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

/** Path, size and time of all there is. */
async function everyFile(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    const { size, mtime } = await Deno.lstat(path);
    found.push(`${path} ${size} ${mtime?.getTime()}`);
    if (isDirectory) found.push(...await everyFile(path));
  }
  return found.sort();
}

/** Waits until a file in the folder has what is looked for. */
async function appears(folder: string, isIt: (text: string) => boolean): Promise<void> {
  for (;;) {
    for (const name of await namesIn(folder)) {
      const text = await Deno.readTextFile(`${folder}/${name}`).catch(() => "");
      if (isIt(text)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
