import assert from "node:assert/strict";
import { join } from "node:path";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { redirectTarget } from "../../../../lib/backends/webdav/redirects.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { wholeBody } from "../../../support/content.ts";
import { serverTest } from "../../../support/servers/install.ts";
import {
  type Answers,
  fileProps,
  folderProps,
  multistatus,
  startSmallDav,
} from "../../../support/servers/small_dav.ts";
import { startDav } from "../../../support/servers/webdav.ts";
import { davTarget, openTestDav } from "../../../support/targets/webdav_target.ts";

const origin = "https://web1:8443";
const f = toRelPath("f");

for (
  const [what, method, uri, status, location, followed] of [
    ["the slash of a folder", "PROPFIND", "/a", 301, "https://web1:8443/a/", "/a/"],
    ["the slash as a path alone", "PROPFIND", "/a", 302, "/a/", "/a/"],
    ["the slash behind a proxy that ends TLS, on our own connection", "PROPFIND", "/a", 301, "http://web1/a/", "/a/"],
    ["the slash in another encoding", "PROPFIND", "/a%5Bb%40", 308, "/a[b@/", "/a%5Bb%40/"],
    ["the slash at another server", "PROPFIND", "/a", 301, "https://web2:8443/a/", undefined],
    ["the slash with a query", "PROPFIND", "/a", 301, "/a/?x", undefined],
    ["the slash of what is read as a file", "GET", "/a", 301, "/a/", undefined],
    ["the slash of what is removed as a file", "DELETE", "/a", 308, "/a/", undefined],
    ["the slash of what is written as a file", "PUT", "/a", 307, "/a/", undefined],
    ["the slash of what is moved as a file", "MOVE", "/a", 301, "/a/", undefined],
    ["another folder", "PROPFIND", "/a/b", 307, "/x/b", "/x/b"],
    ["another folder for an upload", "PUT", "/a/b", 308, "https://web1:8443/x/b", "/x/b"],
    ["another folder with a status that may change the method", "PUT", "/a/b", 302, "/x/b", undefined],
    ["another folder without TLS", "PUT", "/a/b", 307, "http://web1:8443/x/b", undefined],
    ["another port", "PUT", "/a/b", 307, "https://web1/x/b", undefined],
    ["another server", "PUT", "/a/b", 307, "https://web2:8443/x/b", undefined],
    ["a login page", "PROPFIND", "/a/b", 307, "/login", undefined],
    ["the folder above", "DELETE", "/a/b", 307, "/a/", undefined],
    ["the root", "DELETE", "/a/b/", 308, "/", undefined],
    ["the same path", "PROPFIND", "/a/b", 307, "/a/b", undefined],
    ["no address", "PROPFIND", "/a/b", 307, "http://[", undefined],
  ] as const
) {
  Deno.test(`a redirect of ${method} to ${what} is ${followed === undefined ? "not " : ""}followed`, () => {
    assert.equal(redirectTarget({ method, uri, origin }, { status, headers: { location } }), followed);
  });
}

Deno.test("a request that is sent on goes with its method, its content and its login, and its progress counts once", async () => {
  const stored = new Map<string, string>();
  const answers: Answers = ({ method, path, headers, body }) => {
    if (headers.authorization === undefined) return { status: 401, headers: { "www-authenticate": "Basic realm=x" } };
    if (path.startsWith("/old")) return { status: 308, headers: { location: path.replace("/old", "/new") } };
    if (method === "PUT") stored.set(path, body);
    if (method === "MOVE") stored.set(new URL(String(headers.destination)).pathname.replace("/old", "/new"), "moved");
    if (method !== "PROPFIND") return { status: 201 };
    const isFolder = path.endsWith("/");
    const files = [...stored.keys()].map((name) => [name, fileProps(5)] as const);
    if (isFolder) return multistatus([path, folderProps], ...(headers.depth === "1" ? files : []));
    return stored.has(path) ? multistatus([path, fileProps(5)]) : { status: 404 };
  };
  await using server = await startSmallDav(answers);
  await using backend = await openWebdav(
    davTarget({ user: "me", password: "word", root: "/old/dir", port: server.port }),
    call,
  );
  let counted = 0;
  const onBytes = (bytes: number) => void (counted += bytes);
  const entry = await backend.write(f, wholeBody("bytes"), { ...call, size: 5, expect: "absent", onBytes });
  assert.equal(entry.size, 5);
  assert.equal(counted, 5);
  assert.ok(stored.has("/new/dir/f"));
  assert.deepEqual((await backend.list(root, call)).map(({ path }) => path).filter((path) => path === "f"), ["f"]);
});

Deno.test("a redirect to another server sends nothing there, and the message names it", async () => {
  await using other = await startSmallDav(() => multistatus(["/", folderProps]));
  const location = `http://127.0.0.1:${other.port}/dav/`;
  await using server = await startSmallDav(() => ({ status: 307, headers: { location } }));
  const target = davTarget({ user: "me", password: "word", root: "/dav", port: server.port });
  const error = await assertRejects(openWebdav(target, call), "refused");
  assert.match(
    error.message,
    new RegExp(`the server is elsewhere: write dav://me@127.0.0.1:${other.port}/dav/; it asked for no login`),
  );
  assert.equal(other.requests.length, 0);
});

serverTest(
  "Apache as Debian sets it up sends a folder without a slash on, and lists none that holds an index page",
  { server: "webdav" },
  async () => {
    await using server = await startDav();
    await Deno.mkdir(join(server.disk, "site/sub"), { recursive: true });
    await Deno.writeTextFile(join(server.disk, "site/index.html"), "page");
    await Deno.writeTextFile(join(server.disk, "site/sub/a"), "a");
    await new Deno.Command("chown", { args: ["-R", "www-data", server.disk] }).output();
    await using backend = await openTestDav(server, { path: "/site" });
    const refused = await assertRejects(backend.list(root, call), "unsupported");
    assert.match(refused.message, /\(405\).*an index page: write "DirectoryIndex disabled"/);
    await Deno.rename(join(server.disk, "site/index.html"), join(server.disk, "site/page.html"));
    const names = async (dir: string) => (await backend.list(toRelPath(dir), call)).map(({ path }) => path).sort();
    assert.deepEqual(await names(""), ["page.html", "sub"]);
    assert.deepEqual(await names("sub"), ["sub/a"]);
    assert.deepEqual(await backend.stat(toRelPath("sub"), call), { kind: "dir", path: "sub" });
    assert.equal((await backend.stat(root, call))?.kind, "dir");
    const written = backend.write(toRelPath("sub"), wholeBody("x"), { ...call, size: 1 });
    await assertRejects(written, "exists");
    await assertRejects(backend.read(toRelPath("sub"), call), "refused");
    await backend.remove({ kind: "file", path: toRelPath("sub/a"), size: 1 }, call);
    await backend.remove({ kind: "dir", path: toRelPath("sub") }, call);
    assert.deepEqual(await names(""), ["page.html"]);
  },
);
