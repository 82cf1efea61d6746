import assert from "node:assert/strict";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { wholeBody } from "../../../support/content.ts";
import {
  type Answers,
  folderProps,
  multistatus,
  type SmallDav,
  startSmallDav,
  testCertificate,
} from "../../../support/servers/small_dav.ts";
import { davTarget, type DavTargetOptions } from "../../../support/targets/webdav_target.ts";

const login = { user: "me", password: "secret-word", root: "/" };
const secret = `Basic ${btoa("me:secret-word")}`;
const home = multistatus(["/", folderProps]);
const pinned = { TlsHostCertificateFingerprint: testCertificate.fingerprint };

type Answer = ReturnType<Answers>;

/** Answers with `anonymous` unless the login is right. */
function hidden(anonymous: Answer): Answers {
  return ({ headers }) => headers.authorization === secret ? home : anonymous;
}

function open(server: SmallDav, { options = {}, ...more }: DavTargetOptions) {
  return openWebdav(davTarget({ ...login, port: server.port }, { options, ...more }), call);
}

const ways: readonly (readonly [what: string, anonymous: Answer])[] = [
  ["403", { status: 403 }],
  ["404", { status: 404 }],
  ["302 to a login page", { status: 302, headers: { location: "/login" } }],
  ["307 to a login page", { status: 307, headers: { location: "/login?to=/" } }],
  ["a login page", { status: 200, headers: { "content-type": "text/html; charset=utf-8" }, body: "<html>" }],
];

for (const [what, anonymous] of ways) {
  Deno.test(`over TLS the login is sent once to a server that answers ${what} instead of 401`, async () => {
    await using server = await startSmallDav(hidden(anonymous), { tls: true });
    await using backend = await open(server, { scheme: "davs", options: pinned });
    await backend.list(root, call);
    assert.equal(server.requests.filter(({ headers }) => headers.authorization === undefined).length, 1);
    assert.deepEqual(backend.pinnedOptions?.(), { Auth: "Basic" });
  });

  Deno.test(`-Auth Basic sends the login with the first request, so that ${what} is never seen`, async () => {
    await using server = await startSmallDav(hidden(anonymous));
    await using backend = await open(server, { options: { Auth: "Basic" } });
    await backend.list(root, call);
    assert.ok(server.requests.every(({ headers }) => headers.authorization === secret));
  });

  Deno.test(`without TLS no login is sent to a server that answers ${what}, and the message names -Auth Basic`, async () => {
    await using server = await startSmallDav(hidden(anonymous));
    const error = await open(server, {}).then(() => assert.fail("it opened"), (error) => error);
    assert.match(error.message, /it asked for no login: -Auth Basic/);
    assert.ok(server.requests.every(({ headers }) => headers.authorization === undefined));
  });
}

Deno.test("-Auth Basic sends no login in clear text to another machine", async () => {
  const target = davTarget({ ...login, port: 1 }, { host: "192.0.2.1", options: { Auth: "Basic" } });
  await assertRejects(openWebdav(target, call), "refused");
});

Deno.test("-Auth Basic with a wrong password is an error of the login after one request", async () => {
  const answers: Answers = () => ({ status: 401, headers: { "www-authenticate": "Basic realm=x" } });
  await using server = await startSmallDav(answers);
  await assertRejects(open(server, { options: { Auth: "Basic" } }), "auth");
  assert.equal(server.requests.length, 1);
});

Deno.test("a login that changes nothing is sent once in a session", async () => {
  const answers: Answers = ({ path, method }) =>
    path === "/" ? method === "OPTIONS" ? { status: 200 } : home : { status: 404 };
  await using server = await startSmallDav(answers, { tls: true });
  await using backend = await open(server, { scheme: "davs", options: pinned });
  for (const name of ["a", "b", "c"]) assert.equal(await backend.stat(toRelPath(name), call), undefined);
  assert.equal(server.requests.filter(({ headers }) => headers.authorization !== undefined).length, 1);
});

Deno.test("no login is sent unasked where no user was given", async () => {
  await using server = await startSmallDav(hidden({ status: 403 }), { tls: true });
  await assertRejects(open(server, { scheme: "davs", user: "", options: pinned }), "denied");
  assert.ok(server.requests.every(({ headers }) => headers.authorization === undefined));
});

Deno.test("an upload that is refused without a login is sent again with it, and its progress counts once", async () => {
  let stored = "";
  const answers: Answers = ({ method, path, headers, body }) => {
    if (method === "PROPFIND" && path === "/") return home;
    if (method === "OPTIONS") return { status: 200 };
    if (method === "PROPFIND") {
      return stored === ""
        ? { status: 404 }
        : multistatus([path, "<D:resourcetype/><D:getcontentlength>5</D:getcontentlength>"]);
    }
    if (headers.authorization !== secret) return { status: 403 };
    if (method === "PUT") stored = body;
    return { status: 201 };
  };
  await using server = await startSmallDav(answers, { tls: true });
  await using backend = await open(server, { scheme: "davs", options: pinned });
  let sent = 0;
  const onBytes = (bytes: number) => void (sent += bytes);
  const options = { ...call, size: 5, expect: "absent", onBytes } as const;
  assert.equal((await backend.write(toRelPath("f"), wholeBody("bytes"), options)).size, 5);
  assert.deepEqual([stored, sent], ["bytes", 5]);
});
