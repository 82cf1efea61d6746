import assert from "node:assert/strict";
import { serverTest } from "../../support/servers/install.ts";
import { assertCode, assertSame, fill, readFolder, startSftpPair } from "../../support/targets/sftp_pair.ts";

const server = "sftp";

/** Names that shells, addresses, JSON, Unicode or a terminal could stumble over. */
const odd = [
  " leading and trailing ",
  "two  spaces",
  "'single' \"double\" `back`",
  "100%",
  "%41%2F%00",
  "#hash?query&amp;",
  "-Remove",
  "--",
  "a\\b",
  "*[a-z]?",
  "$HOME ${x} $(id)",
  "~",
  "...",
  "name.",
  "con",
  "a:b|c<d>e",
  "caf\u00e9 NFC",
  "cafe\u0301 NFD",
  "世界",
  "👩‍👩‍👧 emoji",
  "a\u202ereversed",
  "\ufefffirst",
  "x".repeat(200),
  "界".repeat(85),
  ".hidden",
  "##[error]x",
];
const tree = Object.fromEntries(odd.flatMap((name) => [[name, `in ${name}`], [`folder of ${name}`.slice(0, 80), "f"]]));
const folders = Object.fromEntries(odd.map((name) => [`dirs/${name}/in`, name]));

for (const mode of ["Remote", "Local"] as const) {
  serverTest(`Sync-Path -Mode ${mode} carries every odd name as it is, removes it by that name, and is idle between`, {
    server,
  }, async () => {
    await using pair = await startSftpPair();
    const [from, to] = mode === "Remote" ? [pair.local, pair.remote] : [pair.remote, pair.local];
    await fill(from, { ...tree, ...folders, "stays": "s" });
    const ran = await pair.sync(`-Mode ${mode}`);
    assertCode(ran, 0);
    assertSame(pair);
    assert.match(ran.stdout, /^[\x20-\x7e\n]*$/, "JSON lines are ASCII");
    await pair.idle(`-Mode ${mode} -Criteria Either,Checksum`);
    for (const name of odd) await Deno.remove(`${from}/${name}`);
    await Deno.remove(`${from}/dirs`, { recursive: true });
    assertCode(await pair.sync(`-Mode ${mode} -Remove -MaxRemove 100%`), 0);
    assertSame(pair);
    assert.equal(readFolder(to)["stays"], "s");
  });
}

serverTest("Sync-Path takes two Unicode forms of one name for two files where both sides keep them apart", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "caf\u00e9": "composed", "CAF\u00c9": "upper" });
  await fill(pair.remote, { "cafe\u0301": "decomposed" });
  assertCode(await pair.sync("-Mode Both"), 0);
  assertSame(pair);
  assert.deepEqual(Object.values(readFolder(pair.local)).sort(), ["composed", "decomposed", "upper"]);
});

for (const mode of ["Remote", "Local"] as const) {
  serverTest(`Sync-Path -Mode ${mode} refuses a name with a newline, shows it safely, and carries the others`, {
    server,
  }, async () => {
    await using pair = await startSftpPair();
    const [from, to] = mode === "Remote" ? [pair.local, pair.remote] : [pair.remote, pair.local];
    await fill(from, { "good": "g", "bad\nname": "b", "bad\u001b[31m/in": "i", "dir/also\rbad": "c", "dir/good": "d" });
    await fill(to, { "old": "o" });
    const ran = await pair.sync(`-Mode ${mode} -Remove`);
    assertCode(ran, 1);
    assert.deepEqual(readFolder(to), { "dir/": "", "dir/good": "d", "good": "g", "old": "o" });
    assert.deepEqual([ran.result().FailureCount, ran.result().HeldRemovals], [3, 1]);
    // deno-lint-ignore no-control-regex
    assert.match(ran.stderr, /^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$/);
    const failures = ran.result().Failures as { Path: string; Message: string }[];
    assert.deepEqual(failures.map(({ Path }) => Path).sort(), [
      "bad\\u000aname",
      "bad\\u001b[31m",
      "dir/also\\u000dbad",
    ]);
    for (const { Message } of failures) assert.match(Message, /control character/);
  });
}

serverTest("Sync-Path tells names that are no Unicode, holds removals beside them, and carries the others", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.remote, { "good": "g", "sub/fine": "f" });
  await fill(pair.local, { "sub/only here": "o" });
  const make = `cd '${pair.remote}' && : > "$(printf 'bad\\377')" && : > "$(printf 'sub/bad\\376')"`;
  assert.ok((await new Deno.Command("sh", { args: ["-c", make] }).output()).success);
  const ran = await pair.sync("-Mode Local -Remove");
  assertCode(ran, 1);
  assert.deepEqual(readFolder(pair.local), { "good": "g", "sub/": "", "sub/fine": "f", "sub/only here": "o" });
  assert.equal(ran.result().FailureCount, 2);
});

serverTest("Sync-Path skips links and pipes with a note each, and removes nothing in their place", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "file": "f", "dir/in": "i", "old link": "was a file here" });
  await fill(pair.remote, { "to dir/in": "there", "to file": "there", "old link": "there" });
  await Deno.remove(`${pair.local}/old link`);
  for (const [name, target] of [["to file", "file"], ["to dir", "dir"], ["old link", "/etc/passwd"]] as const) {
    await Deno.symlink(target, `${pair.local}/${name}`);
  }
  assert.ok((await new Deno.Command("mkfifo", { args: [`${pair.local}/pipe`] }).output()).success);
  const ran = await pair.sync("-Mode Remote -Remove -Mirror");
  assertCode(ran, 0);
  assert.deepEqual(readFolder(pair.remote), {
    ...{ "dir/": "", "dir/in": "i", "file": "f" },
    ...{ "old link": "there", "to dir/": "", "to dir/in": "there", "to file": "there" },
  });
  const notes = ran.result().Notes as { Path: string | null; Message: string }[];
  for (const name of ["to file", "to dir", "old link", "pipe"]) {
    assert.ok(notes.some(({ Path }) => Path === name), `no note for ${name}: ${JSON.stringify(notes)}`);
  }
  await pair.idle("-Mode Remote -Remove -Mirror");
});

serverTest("Sync-Path -Mode Local writes through no link that stands on either side", { server }, async () => {
  await using pair = await startSftpPair();
  const outside = `${pair.sshd.dir}/outside`;
  await fill(outside, { "victim": "untouched", "dir/victim": "untouched" });
  await fill(pair.remote, { "a": "attack", "d/victim": "attack", "plain": "p" });
  await Deno.symlink(`${outside}/victim`, `${pair.local}/a`);
  await Deno.symlink(`${outside}/dir`, `${pair.local}/d`);
  await Deno.symlink(`${outside}/victim`, `${pair.remote}/out`);
  const ran = await pair.sync("-Mode Local -Mirror -Remove");
  assertCode(ran, 0);
  assert.deepEqual(readFolder(outside), { "dir/": "", "dir/victim": "untouched", "victim": "untouched" });
  assert.deepEqual(readFolder(pair.local), {
    ...{ "a": `-> ${outside}/victim`, "d": `-> ${outside}/dir`, "plain": "p" },
  });
});

serverTest("Sync-Path names a file in the way of a folder a failure, and carries the others", { server }, async () => {
  await using pair = await startSftpPair();
  await fill(pair.local, { "a/b": "in a folder", "sibling": "s" });
  await fill(pair.remote, { "a": "a file" });
  const ran = await pair.sync("-Mode Remote");
  assertCode(ran, 1);
  assert.deepEqual(readFolder(pair.remote), { "a": "a file", "sibling": "s" });
  assertCode(await pair.sync("-Mode Remote -Remove"), 0);
  assertSame(pair);
});

serverTest("Sync-Path -Mode Local -Links Follow brings what a server's links point to, inside the folder or beyond", {
  server,
}, async () => {
  await using pair = await startSftpPair();
  await fill(pair.remote, { "dir/in": "i", "plain": "p" });
  await fill(`${pair.remote}-beyond`, { "far": "f" });
  const links = { "to dir": "dir", "to file": "dir/../plain", "beyond": `${pair.remote}-beyond`, "dir/loop": ".." };
  for (const [path, to] of Object.entries(links)) await Deno.symlink(to, `${pair.remote}/${path}`);
  const inside = { "dir/": "", "dir/in": "i", "plain": "p", "to dir/": "", "to dir/in": "i", "to file": "p" };
  assertCode(await pair.sync("-Mode Local -Links Follow"), 0);
  assert.deepEqual(readFolder(pair.local), inside);
  await pair.idle("-Mode Local -Links Follow");
  assertCode(await pair.sync("-Mode Local -Links Follow -AllowLinksOutside"), 0);
  assert.deepEqual(readFolder(pair.local), { ...inside, "beyond/": "", "beyond/far": "f" });
  await Deno.remove(`${pair.remote}-beyond`, { recursive: true });
});
