import assert from "node:assert/strict";
import { readEverything, secretCanary } from "../../support/secret_leaks.ts";
import { isSame } from "../../support/content.ts";
import { type GcsPair, startGcsPair } from "../../support/targets/gcs_pair.ts";
import { assertCode, fill, readFolder, setOldTime } from "../../support/targets/sftp_pair.ts";
import { counts, tandem } from "../../support/tandem.ts";

const big = "0123456789abcdef".repeat(200_000);
const tree = { "a.txt": "one", "empty": "", "big": big, "dir/deep/b.txt": "two", "dir/naïve & co?.txt": "three" };
const long = { "goog-reserved-file-mtime": "1700000000" };

/** The files of the local folder: path → content. A bucket knows no folders of their own. */
function files(pair: GcsPair): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of Object.keys(readFolder(pair.local))) {
    if (!path.endsWith("/")) found[path] = Deno.readTextFileSync(`${pair.local}/${path}`);
  }
  return found;
}

Deno.test("Sync-Path -Mode Remote fills a bucket's folder, times and all, and then only lists", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { ...tree, "hollow/": "" });
  const ran = await pair.sync("-Mode Remote");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [5, 0, 0, 0, 0]);
  assert.deepEqual(pair.objects(), tree);
  const { metadata, contentType } = pair.bucket.store.get("site/dir/deep/b.txt") ?? {};
  assert.equal(contentType, "text/plain; charset=utf-8");
  assert.equal(pair.bucket.store.get("site/big")?.contentType, "application/octet-stream");
  assert.deepEqual(metadata, { mtime: "2023-11-14T22:13:20Z", "goog-reserved-file-mtime": "1700000000" });
  const made = pair.requests().map(({ what }) => what);
  assert.deepEqual(made.filter((what) => what === "insert").length, 4);
  assert.deepEqual([made.filter((what) => what === "begin").length, pair.bucket.uploads.open], [1, 0]);
  await pair.idle("-Mode Remote");
  await pair.idle("-Mode Remote -Mirror -Remove -Criteria Time,Size");
});

Deno.test("Sync-Path meets an equal bucket for the first time, and only lists", async () => {
  for (const mode of ["Remote", "Local", "Both"]) {
    await using pair = await startGcsPair();
    await fill(pair.local, tree);
    for (const [path, text] of Object.entries(tree)) pair.put(path, text, long);
    pair.requests();
    await pair.idle(`-Mode ${mode}`);
    await pair.idle(`-Mode ${mode} -Criteria Checksum`);
  }
});

Deno.test("Sync-Path -Criteria Checksum compares with a bucket by the hashes of its listing alone", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, tree);
  assertCode(await pair.sync("-Mode Remote"), 0);
  await pair.idle("-Mode Remote -Criteria Checksum");
  await Deno.writeTextFile(`${pair.local}/a.txt`, "eno");
  await setOldTime(`${pair.local}/a.txt`);
  const ran = await pair.sync("-Mode Remote -Criteria Checksum");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [1, 0, 0, 0, 0]);
  assert.equal(pair.objects()["a.txt"], "eno");
});

Deno.test("Sync-Path -Mode Local fetches what other tools left in a bucket, with the times they left", async () => {
  await using pair = await startGcsPair();
  pair.put("gcloud", "g", long);
  pair.put("dir/rclone", "r", { mtime: "2023-11-14T22:13:20.5Z", "goog-reserved-file-mtime": "1700000000" });
  pair.put("marked/", "");
  pair.put("timeless", "t");
  const ran = await pair.sync("-Mode Local");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [0, 3, 0, 0, 0]);
  assert.deepEqual(readFolder(pair.local), {
    "dir/": "",
    "dir/rclone": "r",
    "gcloud": "g",
    "marked/": "",
    "timeless": "t",
  });
  const timeOf = (path: string) => Deno.statSync(`${pair.local}/${path}`).mtime?.getTime();
  assert.deepEqual([timeOf("gcloud"), timeOf("dir/rclone")], [1_700_000_000_000, 1_700_000_000_500]);
  await pair.idle("-Mode Local");
  await pair.idle("-Mode Local -Mirror -Remove");
});

Deno.test("Sync-Path -Remove removes from a bucket what the source lacks, and nothing beside the folder", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "keep": "k", "new": "n" });
  for (const path of ["keep", "old", "dir/x", "dir/y/z"]) pair.put(path, path === "keep" ? "k" : path, long);
  const kept = await pair.sync("-Mode Remote");
  assert.deepEqual(counts(kept), [1, 0, 0, 0, 0]);
  pair.requests();
  const ran = await pair.sync("-Mode Remote -Remove");
  assertCode(ran, 0);
  assert.deepEqual(counts(ran), [0, 0, 3, 0, 0]);
  assert.deepEqual(pair.objects(), files(pair));
  const deletions = pair.requests().filter(({ what }) => what === "delete");
  assert.ok(deletions.every(({ query }) => query.has("ifGenerationMatch")), "each names the generation it means");
  await pair.idle("-Mode Remote -Remove");
});

Deno.test("Sync-Path -Mode Both with a bucket carries edits and deletions both ways and keeps what loses", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "one": "1", "two": "22", "d/three": "333", "both": "old" });
  // A folder of a bucket that nobody has used yet is no missing one.
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  await pair.idle("-Mode Both -Remove");
  await Deno.remove(`${pair.local}/one`);
  pair.bucket.store.remove("site/d/three", new URLSearchParams());
  pair.put("from there", "there");
  pair.put("both", "theirs, earlier", { "goog-reserved-file-mtime": "1700003600" });
  await Deno.writeTextFile(`${pair.local}/both`, "ours, later");
  const second = await pair.sync("-Mode Both -Remove");
  assertCode(second, 0);
  assert.deepEqual(counts(second), [1, 1, 2, 1, 0], second.stderr);
  assert.deepEqual(pair.objects(), { "both": "ours, later", "from there": "there", "two": "22" });
  assert.deepEqual(files(pair), pair.objects());
  const kept = await readEverything(pair.home);
  for (const text of ["theirs, earlier", "333"]) assert.ok(kept.includes(text), `"${text}" is lost`);
  await pair.idle("-Mode Both -Remove");
});

Deno.test("Sync-Path -WhatIf and Compare-Path with a bucket only list", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "new": "n" });
  pair.put("old", "o");
  for (const words of ["-Mode Remote -Remove -WhatIf", "Compare-Path -Mode Remote -Remove"]) {
    assertCode(await pair.sync(words), 0);
  }
  assert.ok(pair.requests().every(({ what }) => what === "list"));
  assert.deepEqual(pair.objects(), { "old": "o" });
});

Deno.test("Keys that no path can carry are told as failures, never fetched and never removed (NM-10, SE-09)", async () => {
  await using pair = await startGcsPair();
  const odd = ["a//b", "/a", "a/./b", "a/../../b", "trailing/", "../../x", "line\u0001break"];
  for (const path of odd) pair.put(path, "odd", long);
  pair.put("good", "g", long);
  pair.put(
    `${"k".repeat(200)}/${"k".repeat(200)}/${"k".repeat(200)}/${"k".repeat(200)}/${"k".repeat(215)}`,
    "1024",
    long,
  );
  const before = pair.objects();
  const fetched = await pair.sync("-Mode Local");
  assertCode(fetched, 1);
  const found = files(pair);
  assert.deepEqual(Object.values(found).sort(), ["1024", "g"]);
  assert.ok(Number(fetched.result().FailureCount) >= 5, fetched.stdout);
  await Deno.remove(pair.local, { recursive: true });
  await Deno.mkdir(pair.local);
  await fill(pair.local, { "good": "g" });
  await pair.sync("-Mode Remote -Remove -MaxRemove 100%");
  for (const path of odd) assert.equal(pair.objects()[path], before[path], path);
});

Deno.test("A writer who is quicker by a moment is not overwritten, and the run says so (FL-08)", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "a": "ours" });
  pair.server.fail("insert", { status: 412, reason: "conditionNotMet" });
  const ran = await pair.sync("-Mode Remote");
  assertCode(ran, 1);
  const [failure] = ran.result().Failures as { Kind: string; Message: string }[];
  assert.match(failure?.Message ?? "", /it changed since it was listed/);
  assert.deepEqual(pair.objects(), {});
});

Deno.test("What passes by itself is tried again: 429, 500, 503, a cut, a token that ends", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "a": "1", "b": "2", "c": "3", "d": "4", "e": "5" });
  const retryAfter = { "retry-after": "0" };
  for (const status of [429, 500, 503]) pair.server.fail("insert", { status, headers: retryAfter });
  pair.server.fail("insert", { cut: "before" });
  pair.server.fail("insert", { cut: "after" });
  pair.server.fail("insert", { status: 401, reason: "authError" });
  pair.server.fail("list", { status: 503 });
  const ran = await pair.sync("-Mode Remote");
  assertCode(ran, 0);
  assert.deepEqual(pair.objects(), { "a": "1", "b": "2", "c": "3", "d": "4", "e": "5" });
  assert.equal(pair.server.login.given, 2);
  await pair.idle("-Mode Remote");
});

Deno.test("A run that is killed in the middle of a large upload shows nothing, and the next one is whole (UP-12)", async () => {
  await using pair = await startGcsPair();
  const old = "old content";
  pair.put("large", old, long);
  const content = new Uint8Array(48 << 20).map((_, index) => index * 7 + (index >> 16));
  await fill(pair.local, { "large": content });
  await setOldTime(`${pair.local}/large`, -5);
  const running = pair.start("-Mode Remote");
  const ended = running.output();
  const hasBegun = () => pair.server.requests.some(({ what }) => what === "part");
  while (!hasBegun()) await new Promise((resolve) => setTimeout(resolve, 5));
  running.kill("SIGKILL");
  await ended;
  assert.deepEqual(pair.objects(), { "large": old });
  assertCode(await pair.sync("-Mode Remote"), 0);
  const stored = pair.bucket.store.get("site/large")?.bytes ?? new Uint8Array();
  assert.ok(isSame(stored, content));
  assert.deepEqual(pair.bucket.store.names(), ["site/large", "site2/other"]);
  await pair.idle("-Mode Remote");
});

Deno.test("Bytes that come damaged are discarded, and fetched anew (DL-06)", async () => {
  await using pair = await startGcsPair();
  pair.put("small", "small", long);
  pair.put("large", big, long);
  for (let i = 0; i < 2; i++) pair.server.fail("media", { damage: true });
  const first = await pair.sync("-Mode Local");
  assertCode(first, 1);
  const [failure] = first.result().Failures as { Message: string }[];
  assert.match(failure?.Message ?? "", /damaged/);
  assert.ok(Object.entries(files(pair)).every(([path, text]) => text === pair.objects()[path]));
  assertCode(await pair.sync("-Mode Local"), 0);
  assert.deepEqual(files(pair), pair.objects());
});

Deno.test("A listing that cannot be trusted removes nothing, on neither side", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "a": "1", "b": "2" });
  assertCode(await pair.sync("-Mode Both"), 0);
  for (const body of ["", "{}", "<html>Welcome</html>", '{"kind":"storage#objects","items":[{"name":"site/a"}]}']) {
    // The first listing is the login's.
    for (let i = 0; i < 2; i++) pair.server.fail("list", { body });
    const ran = await pair.sync("-Mode Both -Remove");
    assert.notEqual(ran.code, 0, body);
    assert.deepEqual([files(pair), pair.objects()], [{ "a": "1", "b": "2" }, { "a": "1", "b": "2" }]);
  }
});

Deno.test("A missing bucket, a wrong key, a refusal: one sentence each, and the exit code that fits", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "a": "1" });
  const [first, second] = pair.login;
  const run = (address: string, ...login: readonly string[]) =>
    tandem(["Sync-Path", pair.local, address, "-Mode", "Remote", ...login], { home: pair.home });
  const missing = await run("gs://nobucket/x", ...pair.login);
  assertCode(missing, 1);
  assert.match(missing.stderr, /there is no bucket "nobucket"/);
  const other = `${pair.home}/other.json`;
  await using stranger = await startGcsPair();
  await Deno.writeTextFile(other, stranger.server.keyFile({ token_uri: `${pair.server.endpoint}/token` }));
  const wrong = await run(pair.address, first ?? "", second ?? "", "-KeyFile", other);
  assertCode(wrong, 4);
  assert.match(wrong.stderr, /does not accept the service account ci@project.*invalid_grant/);
  pair.server.fail("list", { status: 403, reason: "forbidden" });
  const denied = await pair.sync("-Mode Remote");
  assertCode(denied, 1);
  assert.match(denied.stderr, /permission denied/);
  const nobody = await run(pair.address, "-Endpoint", pair.server.endpoint, "-Timeout", "5s");
  assertCode(nobody, 4);
  assert.match(nobody.stderr, /-KeyFile/);
});

Deno.test("No secret of a login appears in any output, in no ticket and in no file of the program", async () => {
  await using pair = await startGcsPair();
  await fill(pair.local, { "a": "1", "dir/b": "2", "big": big });
  const outputs: string[] = [];
  for (const format of ["Auto", "Text", "Json", "JsonLines"]) {
    const words = ["Sync-Path", pair.local, pair.address, "-Mode", "Remote", "-Verbose", ...pair.login];
    const ran = await tandem(["-OutputFormat", format, ...words], { home: pair.home });
    assertCode(ran, 0);
    outputs.push(ran.stdout, ran.stderr);
  }
  pair.server.fail("begin", { status: 403, reason: "forbidden" });
  pair.server.fail("part", { status: 403, reason: "forbidden" });
  await Deno.writeTextFile(`${pair.local}/big`, `${big}${secretCanary}`);
  for (let i = 0; i < 2; i++) {
    const failed = await pair.sync("-Mode Remote -Verbose");
    assertCode(failed, 1);
    outputs.push(failed.stdout, failed.stderr);
  }
  await Deno.remove(pair.keyFile);
  const said = [...outputs, await readEverything(pair.home)].join("\n");
  const { tokens, secret } = pair.server.login;
  const uploads = pair.server.requests.map(({ query }) => query.get("upload_id")).filter((id) => id !== null);
  assert.ok(uploads.length > 0 && tokens.length > 0);
  for (const one of [...tokens, ...uploads, ...secret.split("\n").filter((line) => line.length === 64)]) {
    assert.ok(!said.includes(one), `"${one}" is shown in ${said}`);
  }
});
