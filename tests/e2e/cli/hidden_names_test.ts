import assert from "node:assert/strict";
import { join } from "node:path";
import { type DavStoreOptions, startDavStore } from "../../support/servers/dav_store.ts";
import { assertCode, fill, readFolder } from "../../support/targets/sftp_pair.ts";
import { tandem } from "../../support/tandem.ts";

const isDot = (name: string) => name.startsWith(".");

/** A folder of this machine and a server with these manners. */
async function start(manners: DavStoreOptions) {
  await using stack = new AsyncDisposableStack();
  const home = await Deno.makeTempDir({ prefix: "tandem-hidden-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const local = join(home, "local");
  await Deno.mkdir(local);
  const server = stack.use(await startDavStore(manners));
  const put = (path: string, text: string) =>
    server.files.set(path, { bytes: new TextEncoder().encode(text), modified: Date.UTC(2026, 0, 1), version: 0 });
  const sync = (words: string) =>
    tandem(["Sync-Path", local, `dav://127.0.0.1:${server.port}/`, ...words.split(" "), "-MaxRemove", "100%"], {
      home,
    });
  const life = stack.move();
  return { local, server, put, sync, [Symbol.asyncDispose]: () => life.disposeAsync() };
}

for (const lock of [true, false]) {
  Deno.test(`Both -Remove keeps what a server hides, ${lock ? "also one that offers LOCK" : "whatever it offers"}`, async () => {
    const options = { dav: lock ? "1, 2" : "1", server: "whatever" };
    const answer: DavStoreOptions["answer"] = ({ method }) =>
      method === "OPTIONS"
        ? { status: 200, headers: { ...options, allow: "GET, PUT, DELETE, PROPFIND, MKCOL, MOVE" } }
        : undefined;
    await using pair = await start({ hides: isDot, answer });
    await fill(pair.local, { ".git/HEAD": "ref", ".git/x/y": "1", "d/.env": "secret", "a": "1" });
    assertCode(await pair.sync("-Mode Both -Remove"), 0);
    for (let round = 0; round < 2; round++) {
      const again = await pair.sync("-Mode Both -Remove");
      assertCode(again, 1);
      assert.match(again.stderr, /the server hides names that begin with a dot/);
      const found = readFolder(pair.local);
      assert.deepEqual([found[".git/HEAD"], found["d/.env"], found["a"]], ["ref", "secret", "1"]);
    }
    assert.ok(pair.server.files.has(".git/HEAD"));
  });
}

Deno.test("Local -Remove keeps dot names where the server lists none, with one note", async () => {
  for (const manners of [{}, { hides: isDot }]) {
    await using pair = await start(manners);
    pair.put("a", "1");
    await fill(pair.local, { ".env": "mine", "d/.x/y": "2", "d/.z": "3", "gone": "4" });
    const ran = await pair.sync("-Mode Local -Remove");
    assertCode(ran, 0);
    const { ".env": env, "d/.x/y": deep, "d/.z": flat, gone, a } = readFolder(pair.local);
    assert.deepEqual([env, deep, flat, gone, a], ["mine", "2", "3", undefined, "1"]);
    assert.equal(ran.stderr.match(/only a write to it could show whether it hides them/g)?.length, 1, ran.stderr);
    assert.ok(!pair.server.asked.some(({ method }) => method === "PUT"));
  }
});

Deno.test("Local -Remove keeps the names that a look finds though no listing shows them", async () => {
  await using pair = await start({ hides: isDot });
  pair.put("a", "1");
  pair.put(".env", "theirs");
  await fill(pair.local, { ".env": "mine", ".other": "2" });
  assertCode(await pair.sync("-Mode Local -Remove"), 1);
  const { ".env": env, ".other": other } = readFolder(pair.local);
  assert.deepEqual([env, other], ["mine", "2"]);
});

Deno.test("Local -Remove removes dot names where the listing shows others", async () => {
  await using pair = await start({});
  pair.put("d/.shown", "1");
  pair.server.folders.add("d");
  await fill(pair.local, { ".env": "mine" });
  assertCode(await pair.sync("-Mode Local -Remove"), 0);
  const { ".env": env, "d/.shown": shown } = readFolder(pair.local);
  assert.deepEqual([env, shown], [undefined, "1"]);
});

Deno.test("Both -Remove removes dot names that are gone from a server whose listing shows a trial file", async () => {
  await using pair = await start({});
  await fill(pair.local, { ".env": "1", "a": "1" });
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  pair.server.files.delete(".env");
  const ran = await pair.sync("-Mode Both -Remove");
  assertCode(ran, 0);
  assert.equal(readFolder(pair.local)[".env"], undefined);
  assert.deepEqual([...pair.server.files.keys()], ["a"]);
});

Deno.test("Both -Remove keeps dot names that a server took and now denies to have", async () => {
  let denies = false;
  const answer: DavStoreOptions["answer"] = ({ path }) =>
    denies && path.split("/").some(isDot) ? { status: 404 } : undefined;
  await using pair = await start({ hides: (name) => denies && isDot(name), answer });
  await fill(pair.local, { ".git/HEAD": "ref", "a": "1" });
  assertCode(await pair.sync("-Mode Both -Remove"), 0);
  denies = true;
  const ran = await pair.sync("-Mode Both -Remove");
  assertCode(ran, 0);
  assert.equal(readFolder(pair.local)[".git/HEAD"], "ref");
  assert.deepEqual((ran.result().Notes as { Code: string }[]).map(({ Code }) => Code), ["hidden"]);
});

Deno.test("a folder that holds hidden names alone is not removed from the server", async () => {
  await using pair = await start({ hides: isDot });
  await fill(pair.local, { "a": "1", "d/f": "1", "e/f": "2" });
  assertCode(await pair.sync("-Mode Remote"), 0);
  pair.put("d/.htaccess", "theirs");
  await Deno.remove(join(pair.local, "d"), { recursive: true });
  assertCode(await pair.sync("-Mode Remote -Remove"), 1);
  assert.equal(pair.server.files.get("d/.htaccess")?.bytes.length, 6);
  assert.ok(![...pair.server.files.keys()].some((path) => path.includes(".tandem-")));
});
