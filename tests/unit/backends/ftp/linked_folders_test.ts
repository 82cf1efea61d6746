import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { type RelPath, root, toRelPath } from "../../../../lib/core/path.ts";
import type { DirEntry, Entry, FileEntry } from "../../../../lib/core/entry.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { ftpTree, type FtpTreeOptions } from "../../../support/servers/ftp_tree.ts";
import { startSmallFtp } from "../../../support/servers/small_ftp.ts";

const then = 1_700_000_000_000;
const elsewhere = { "/away/x": "1", "/away/y": "2", "/root/a": "3", "/root/d/f": "4" };

/** A server that shows links as what they point to, and a backend rooted in its folder "/root". */
async function open(options: Omit<FtpTreeOptions, "files"> & Partial<FtpTreeOptions>) {
  await using stack = new AsyncDisposableStack();
  const tree = ftpTree({ files: elsewhere, ...options });
  const server = stack.use(await startSmallFtp(tree.options));
  const whole = stack.use(await openSmallFtp(server, { options: { Connections: "1" } }));
  const backend = await whole.withRoot("/root", call);
  const life = stack.move();
  return { tree, server, backend, whole, [Symbol.asyncDispose]: () => life.disposeAsync() };
}

/** Everything that listings show, folders listed one by one, but no more than a few hundred. */
async function walk(backend: Backend): Promise<ReadonlyMap<RelPath, string>> {
  const found = new Map<RelPath, string>();
  const waiting: RelPath[] = [root];
  for (let dir = waiting.pop(); dir !== undefined && found.size < 500; dir = waiting.pop()) {
    let children: readonly Entry[];
    try {
      children = await backend.list(dir, call);
    } catch {
      found.set(dir, "refused");
      continue;
    }
    for (const one of children) {
      found.set(one.path, one.kind === "opaque" ? one.cause : one.kind);
      if (one.kind === "dir") waiting.push(one.path);
    }
  }
  return found;
}

const linked: FileEntry = { kind: "file", path: toRelPath("l/x"), size: 1, modified: then };
const folder: DirEntry = { kind: "dir", path: toRelPath("l") };

Deno.test("remove() and rename() over FTP leave alone what lies in a folder that LIST shows as a link", async () => {
  await using setup = await open({ links: { "/root/l": "/away" }, listShowsLinks: true });
  const { backend, tree, server } = setup;
  assert.equal((await backend.list(toRelPath("l"), call)).length, 2);
  const error = await assertRejects(backend.remove(linked, call), "refused");
  assert.match(error.message, /"\/root\/l" is a link, and what it points to is left alone/);
  const rename = Promise.resolve(backend.rename?.(linked.path, toRelPath("taken"), { ...call, expect: "absent" }));
  await assertRejects(rename, "refused");
  await assertRejects(backend.remove(folder, call), "refused");
  await assertRejects(Promise.resolve(backend.removeLink?.(folder, call)), "refused");
  assert.deepEqual([...tree.files.keys()], Object.keys(elsewhere));
  assert.deepEqual([...tree.links.keys()], ["/root/l"]);
  assert.equal(server.told.filter((one) => one.startsWith("LIST")).length, 1, "one LIST for a folder");
});

Deno.test("remove() over FTP leaves alone what lies in a folder that a line of LIST may show as a link, though it cannot be read", async () => {
  const tree = ftpTree({ files: elsewhere, links: { "/root/l": "/away" }, listShowsLinks: true });
  const listing = function* (command: string) {
    for (const line of tree.options.listing(command)) yield line.replace("-> /away", "-> /away -> or so");
  };
  await using server = await startSmallFtp({ ...tree.options, listing });
  await using whole = await openSmallFtp(server, { options: { Connections: "1" } });
  await assertRejects((await whole.withRoot("/root", call)).remove(linked, call), "refused");
  assert.deepEqual([...tree.files.keys()], Object.keys(elsewhere));
});

Deno.test("remove() over FTP goes on in folders that are none, and asks LIST for each folder above once", async () => {
  await using setup = await open({ links: {}, listShowsLinks: true });
  const { backend, tree, server } = setup;
  await backend.remove({ kind: "file", path: toRelPath("a"), size: 1, modified: then }, call);
  assert.ok(!server.told.some((one) => one.startsWith("LIST")), "none above what lies at the root");
  await backend.remove({ kind: "file", path: toRelPath("d/f"), size: 1, modified: then }, call);
  await backend.remove({ kind: "dir", path: toRelPath("d") }, call);
  assert.deepEqual([...tree.files.keys()], ["/away/x", "/away/y"]);
  assert.equal(server.told.filter((one) => one.startsWith("LIST")).length, 1);
});

Deno.test("a root that the user named may be a link over FTP: what is in it can be removed", async () => {
  await using setup = await open({ links: { "/www": "/root" }, listShowsLinks: true });
  const { whole, tree } = setup;
  const backend = await whole.withRoot("/www", call);
  await backend.remove({ kind: "file", path: toRelPath("d/f"), size: 1, modified: then }, call);
  assert.ok(!tree.files.has("/root/d/f"));
});

Deno.test("removeLink() over FTP removes a link that no listing shows, and no folder", async () => {
  await using setup = await open({ links: { "/root/l": "/away" } });
  const { backend, tree } = setup;
  assert.equal(await backend.removeLink?.({ kind: "dir", path: toRelPath("d") }, call), false);
  assert.equal(await backend.removeLink?.(folder, call), true);
  assert.deepEqual([...tree.files.keys()], Object.keys(elsewhere));
  assert.equal(tree.links.size, 0);
});

Deno.test("removeLink() over FTP believes no server that says yes to DELE and keeps the folder", async () => {
  const tree = ftpTree({ files: elsewhere, links: {} });
  const reply = (command: string) => command.startsWith("DELE") ? "250 sure\r\n" : tree.options.reply?.(command);
  await using server = await startSmallFtp({ ...tree.options, reply });
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  assert.equal(await backend.removeLink?.({ kind: "dir", path: toRelPath("root/d") }, call), false);
});

for (
  const [name, links] of [["itself", { "/root/d/back": "/root/d" }], ["the root", { "/root/d/back": "/root" }]] as const
) {
  Deno.test(`list() over FTP shows a folder whose UNIQUE fact is that of ${name} above it as a link`, async () => {
    await using setup = await open({ links, unique: true });
    const found = Object.fromEntries(await walk(setup.backend));
    assert.deepEqual(found, { "a": "file", "d": "dir", "d/f": "file", "d/back": "link" });
  });

  for (const listShowsLinks of [true, false]) {
    const how = listShowsLinks ? "LIST shows" : "no listing shows";
    Deno.test(`list() over FTP without UNIQUE facts ends in a link to ${name} that ${how}`, async () => {
      await using setup = await open({ links, listShowsLinks });
      const found = await walk(setup.backend);
      assert.ok(found.size < 40, `${found.size} entries`);
      assert.equal([...found.values()].filter((one) => one === "refused").length, 1);
    });
  }
}

Deno.test("list() over FTP believes no UNIQUE fact that is the same for all folders", async () => {
  const tree = ftpTree({ files: { "/d/e/f": "1", "/d/g/h": "2" }, links: {}, facts: "unique=1;" });
  await using server = await startSmallFtp(tree.options);
  await using backend = await openSmallFtp(server, { options: { Connections: "1" } });
  const found = Object.fromEntries(await walk(backend));
  assert.deepEqual(found, { "d": "dir", "d/e": "dir", "d/g": "dir", "d/e/f": "file", "d/g/h": "file" });
});

Deno.test("list() over FTP takes a few folders alike in one another for what they are", async () => {
  await using setup = await open({ links: {}, files: { "/root/x/x/x/f": "1" } });
  assert.equal((await walk(setup.backend)).get(toRelPath("x/x/x/f")), "file");
});
