import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Backend } from "../../../../lib/core/backend.ts";
import { openWebdav } from "../../../../lib/backends/webdav/mod.ts";
import { isLoopback } from "../../../../lib/net/host.ts";
import { HttpClient } from "../../../../lib/http/client.ts";
import { AuthenticatedHttp, insecureLoginError } from "../../../../lib/backends/webdav/authenticated_http.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import { openSession } from "../../../../lib/session/session.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { wholeBody } from "../../../support/content.ts";
import {
  type Answers,
  fileProps,
  folderProps,
  multistatus,
  type RecordedRequest,
  startSmallDav,
  testCertificate,
} from "../../../support/servers/small_dav.ts";
import { davTarget, type DavTargetOptions } from "../../../support/targets/webdav_target.ts";

const login = { user: "me", password: "secret-word", root: "/" };
const plain = { secure: false, pins: [], timeout: 5000, connections: 4 };
const home = multistatus(["/", folderProps]);

/** Lists the root of a scripted server. */
async function withServer(
  answers: Answers,
  options: DavTargetOptions & { readonly tls?: boolean },
  work: (backend: Backend, asked: readonly RecordedRequest[]) => Promise<unknown>,
): Promise<void> {
  await using server = await startSmallDav(answers, options.tls === undefined ? {} : { tls: options.tls });
  await using backend = await openWebdav(davTarget({ ...login, port: server.port }, options), call);
  await work(backend, server.requests);
}

function list(backend: Backend) {
  return backend.list(root, call);
}

Deno.test("openWebdav() sends no credentials before the server asks for them", async () => {
  await withServer(() => home, {}, async (backend, asked) => {
    await list(backend);
    assert.ok(asked.every(({ headers }) => headers.authorization === undefined));
  });
});

Deno.test("openWebdav() answers the challenge, and no secret stands in its label", async () => {
  const answers: Answers = ({ headers }) =>
    headers.authorization === undefined ? { status: 401, headers: { "www-authenticate": "Basic realm=x" } } : home;
  await withServer(answers, {}, async (backend, asked) => {
    await list(backend);
    assert.equal(asked.filter(({ headers }) => headers.authorization === undefined).length, 1);
    assert.ok(!backend.label.includes("secret-word"));
  });
});

Deno.test("openWebdav() sends the password as a token where -Auth Bearer says so", async () => {
  const answers: Answers = ({ headers }) =>
    headers.authorization === "Bearer secret-word"
      ? home
      : { status: 401, headers: { "www-authenticate": ["Basic realm=x", "Bearer"] } };
  await withServer(answers, { user: "", options: { Auth: "Bearer" } }, list);
});

Deno.test("a Digest nonce that grows stale during an upload is replaced, and the bytes are sent anew", async () => {
  let nonce = 1;
  let stored = "";
  const answers: Answers = ({ method, headers, body }) => {
    const isFresh = String(headers.authorization).includes(`nonce="n${nonce}"`);
    const challenge = `Digest realm=r, nonce="n${nonce}", qop="auth", stale=true`;
    if (!isFresh) return { status: 401, headers: { "www-authenticate": challenge } };
    if (method === "PUT") stored = body;
    if (method === "PUT" || method === "MOVE") return { status: 201 };
    return multistatus(["/", folderProps], ...(stored === "" ? [] : [["/f", fileProps(5)] as const]), [
      "/temp",
      fileProps(5),
    ]);
  };
  const target = (asked: RecordedRequest) => {
    const answer = answers(asked);
    return typeof answer === "string" ? answer.replaceAll("/temp", asked.path) : answer;
  };
  await withServer(target, {}, async (backend) => {
    nonce = 2;
    const entry = await backend.write(toRelPath("f"), wholeBody("bytes"), { ...call, size: 5, expect: "absent" });
    assert.equal(entry.size, 5);
    assert.equal(stored, "bytes");
  });
});

const sha = 'Digest realm="r", nonce="n1", qop="auth", algorithm=SHA-256';
const md5 = 'Digest realm="r", nonce="n1", qop="auth"';

for (
  const [what, first, later] of [
    ["Basic after Digest", md5, ["Basic realm=r"]],
    ["Bearer after Digest", md5, ["Bearer"]],
    ["Basic after Bearer", "Bearer realm=r", ["Basic realm=r"]],
    ["Digest with MD5 after SHA-256", sha, ['Digest realm="r", nonce="n2", qop="auth", stale=true']],
    ["Digest without qop after one with it", md5, ['Digest realm="r", nonce="n2", stale=true']],
    ["Digest for another realm", md5, ['Digest realm="other", nonce="n2", qop="auth", stale=true']],
    ["Digest with auth-int alone", md5, ['Digest realm="r", nonce="n2", qop="auth-int", stale=true']],
    ["a weaker Digest beside Basic", sha, ["Basic realm=r", 'Digest realm="r", nonce="n2", stale=true']],
  ] as const
) {
  Deno.test(`a session never answers ${what}`, async () => {
    let wants: readonly string[] = [first];
    let isLater = false;
    const answers: Answers = ({ headers }) =>
      isLater || headers.authorization === undefined ? { status: 401, headers: { "www-authenticate": wants } } : home;
    await withServer(answers, {}, async (backend, asked) => {
      await list(backend);
      [wants, isLater] = [later, true];
      const before = asked.length;
      const error = await assertRejects(list(backend), "auth");
      assert.match(error.message, /this session began with/);
      // The request itself, with the answer that it had; nothing after the lesser challenge.
      assert.equal(asked.length, before + 1);
    });
  });
}

Deno.test("a session that logged in by Digest answers no Basic in another process either", async () => {
  let challenge = sha;
  const answers: Answers = ({ headers }) => {
    const [scheme = ""] = challenge.split(" ");
    const isAnswered = String(headers.authorization).startsWith(scheme);
    return isAnswered ? home : { status: 401, headers: { "www-authenticate": challenge } };
  };
  await using server = await startSmallDav(answers);
  const { address, options, ...world } = davTarget({ ...login, port: server.port });
  await using session = await openSession({ address, options }, world, call);
  const { spec: reach } = session.toPortable();
  assert.deepEqual(reach.options, { Auth: "Digest" });
  await (await openSession(reach, world, call))[Symbol.asyncDispose]();
  challenge = "Basic realm=r";
  await assertRejects(openSession(reach, world, call), "auth");
  assert.ok(server.requests.every(({ headers }) => !String(headers.authorization).startsWith("Basic")));
});

Deno.test("a session that needed no login settles none for other processes", async () => {
  await using server = await startSmallDav(() => home);
  const { address, options, ...world } = davTarget({ ...login, port: server.port });
  await using session = await openSession({ address, options }, world, call);
  assert.deepEqual(session.toPortable().spec, { address, options });
});

Deno.test("requests that are challenged side by side answer one challenge, the first", async () => {
  const wants = [md5, "Basic realm=r"];
  const answers: Answers = ({ headers }) => {
    if (headers.authorization !== undefined) return home;
    return { status: 401, headers: { "www-authenticate": wants.shift() ?? "Basic realm=r" }, after: 20 };
  };
  await using server = await startSmallDav(answers);
  await using http = new HttpClient({ ...{ host: "127.0.0.1", port: server.port }, ...plain });
  const target = davTarget({ ...login, port: server.port });
  const rules = { origin: "it", host: "127.0.0.1", secure: false, user: "me", scheme: undefined, allowInsecure: false };
  const link = new AuthenticatedHttp(http, rules, target);
  const ask = { ...call, operation: "open", path: root };
  const both = [1, 2].map(async () => (await link.send({ method: "PROPFIND", uri: "/" }, ask)).discard());
  await Promise.all(both);
  const sent = server.requests.flatMap(({ headers }) => headers.authorization ?? []);
  assert.ok(sent.length === 2 && sent.every((one) => String(one).startsWith("Digest ")), sent.join());
});

Deno.test("openWebdav() tells a wrong password from one try", async () => {
  await using server = await startSmallDav(() => ({ status: 401, headers: { "www-authenticate": "Basic realm=x" } }));
  const error = await assertRejects(openWebdav(davTarget({ ...login, port: server.port }), call), "auth");
  assert.ok(!error.message.includes("secret-word"));
  assert.equal(server.requests.length, 2);
});

Deno.test("no redirect is followed, and the other server never hears of us", async () => {
  await using other = await startSmallDav(() => home);
  const away = { status: 302, headers: { location: `http://127.0.0.1:${other.port}/?token=x` } };
  let isOpen = false;
  const answers: Answers = ({ headers }) => {
    if (headers.authorization === undefined) return { status: 401, headers: { "www-authenticate": "Basic realm=x" } };
    return isOpen ? away : home;
  };
  await withServer(answers, {}, async (backend) => {
    isOpen = true;
    const error = await assertRejects(list(backend), "refused");
    assert.ok(!error.message.includes("token"));
    await assertRejects(backend.read(toRelPath("f"), call));
    await assertRejects(backend.write(toRelPath("f"), wholeBody("x"), { ...call, size: 1 }), "refused");
  });
  assert.equal(other.requests.length, 0);
});

Deno.test("openWebdav() refuses to send a password over http to another machine before it connects", async () => {
  const target = davTarget({ ...login, port: 80 }, { host: "web1.invalid" });
  const error = await assertRejects(openWebdav(target, call), "refused");
  assert.match(error.message, /-AllowInsecure/);
  assert.match(insecureLoginError("http://h", "open").message, /davs:/);
});

Deno.test("a password goes over http to another machine only with -AllowInsecure, though the address names no user", async () => {
  const answers: Answers = ({ headers }) =>
    headers.authorization === undefined ? { status: 401, headers: { "www-authenticate": "Basic realm=x" } } : home;
  await using server = await startSmallDav(answers);
  const open = (options: Readonly<Record<string, string>>) => {
    const target = davTarget({ ...login, port: server.port }, { host: "0.0.0.0", user: "", options });
    return openWebdav({ ...target, prompt: () => Promise.resolve("me") }, call);
  };
  await assertRejects(open({}), "refused");
  assert.ok(server.requests.every(({ headers }) => headers.authorization === undefined));
  await using backend = await open({ AllowInsecure: "true" });
  await list(backend);
});

Deno.test("isLoopback() knows this machine and nothing that looks like it", () => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"]) assert.ok(isLoopback(host), host);
  for (const host of ["localhost.evil", "127.0.0.1.evil", "0.0.0.0", "10.0.0.1", "::", "1127.0.0.1"]) {
    assert.ok(!isLoopback(host), host);
  }
});

for (
  const [status, kind, transient] of [
    [423, "busy", true],
    [507, "full", undefined],
    [413, "full", undefined],
    [429, "busy", true],
    [503, "busy", true],
    [403, "denied", undefined],
    [412, "changed", undefined],
  ] as const
) {
  Deno.test(`write() that the server answers with ${status} rejects with ${kind} and leaves no temporary file`, async () => {
    const answers: Answers = ({ method }) => {
      if (method === "PUT") return { status, headers: { "retry-after": "7" } };
      return method === "DELETE" ? { status: 404 } : home;
    };
    await withServer(answers, {}, async (backend, asked) => {
      const write = backend.write(toRelPath("f"), wholeBody("x"), { ...call, size: 1, expect: "absent" });
      const { facts } = await assertRejects(write, kind);
      assert.equal(facts.transient, transient);
      assert.equal(facts.retryAfter, transient === true ? 7000 : undefined);
      assert.ok(asked.some(({ method }) => method === "DELETE"));
    });
  });
}

Deno.test("list() rejects a listing that does not name its folder: it must not look empty", async () => {
  const entries = [[["http://elsewhere/other/", folderProps]], [["/other/", folderProps]], []] as const;
  for (const shown of entries) {
    let isOpen = false;
    await withServer(() => isOpen ? multistatus(...shown) : home, {}, async (backend) => {
      isOpen = true;
      await assertRejects(list(backend), "unexpected");
    });
  }
});

Deno.test("list() rejects HTML, a DOCTYPE and a listing that ends too early", async () => {
  for (const body of ["<html>Welcome</html>", `<!DOCTYPE x>${home}`, home.slice(0, -5)]) {
    let isOpen = false;
    await withServer(() => isOpen ? body : home, {}, async (backend) => {
      isOpen = true;
      await assertRejects(list(backend), "unexpected");
    });
  }
});

Deno.test("write() to an ownCloud sends time and hash along, and checksum() asks for it", async () => {
  const sum = createHash("sha1").update("bytes").digest("hex");
  const id = "<O:id>7</O:id>";
  const props = fileProps(5, `<O:checksums><O:checksum>SHA1:${sum}</O:checksum></O:checksums>`);
  const answers: Answers = ({ method, path }) => {
    if (method === "PUT") return { status: 201, headers: { "x-oc-mtime": "accepted" } };
    if (method === "MOVE") return { status: 201 };
    return path === "/" ? multistatus(["/", folderProps + id]) : multistatus([path, props]);
  };
  await withServer(answers, {}, async (backend, asked) => {
    assert.equal(backend.traits.timeStep, 1000);
    const options = { ...call, size: 5, modified: 1_600_000_000_999, expect: "absent" } as const;
    const entry = await backend.write(toRelPath("f"), wholeBody("bytes"), options);
    const put = asked.find(({ method }) => method === "PUT");
    assert.equal(put?.headers["x-oc-mtime"], "1600000000");
    assert.equal(put?.headers["oc-checksum"], `SHA1:${sum}`);
    assert.equal(await backend.checksum?.(entry, ["sha256", "sha1"], call), `sha1:${sum}`);
  });
});

Deno.test("a certificate that nobody vouches for is refused, and taken with its fingerprint", async () => {
  const tls = { tls: true, scheme: "davs", user: "" } as const;
  await assertRejects(withServer(() => home, tls, list), "hostKey");
  const pinned = (pin: string) => ({ ...tls, options: { TlsHostCertificateFingerprint: pin } });
  await withServer(() => home, pinned(testCertificate.fingerprint), list);
  await assertRejects(withServer(() => home, pinned("0".repeat(64)), list), "hostKey");
});
