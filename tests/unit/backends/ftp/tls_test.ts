import assert from "node:assert/strict";
import net from "node:net";
import tls from "node:tls";
import type { Backend } from "../../../../lib/core/backend.ts";
import { networkError } from "../../../../lib/net/net_error.ts";
import { toCertificateError } from "../../../../lib/backends/ftp/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import type { FileEntry } from "../../../../lib/core/entry.ts";
import { assertRejects, call, paths, put, text } from "../../../contract/assertions.ts";
import { lacksOpenssl, makeAuthority } from "../../../support/certificates.ts";
import { collect } from "../../../support/content.ts";
import { openSmallFtp } from "../../../support/targets/ftp_target.ts";
import { freePort } from "../../../support/servers/install.ts";
import { testCertificate } from "../../../support/servers/small_dav.ts";
import { type SmallTls, startSmallFtp } from "../../../support/servers/small_ftp.ts";

const pinned = { scheme: "ftps", options: { TlsHostCertificateFingerprint: testCertificate.fingerprint } };
const own: SmallTls = { cert: testCertificate.cert, key: testCertificate.key };
const line = "type=file;size=3;modify=20231114221320; a\r\n";

Deno.test("SE-07 data connections show the certificate of the control connection", async () => {
  await using server = await startSmallFtp({ listing: line, tls: own });
  await using backend = await openSmallFtp(server, pinned);
  assert.deepEqual(await paths(backend), ["a"]);
  await put(backend, "b", "bytes");
  assert.equal(server.files.get("/b"), "bytes");
  assert.equal(await text(backend, "b"), "bytes");
});

Deno.test("over TLS an unknown server gets no byte before it has answered STOR", async () => {
  await using server = await startSmallFtp({ tls: own, refusesEarlyData: true });
  await using backend = await openSmallFtp(server, pinned);
  for (const size of [0, 5]) await put(backend, `f${size}`, "x".repeat(size));
  assert.deepEqual([...server.files.values()].map((content) => content.length), [0, 5]);
});

Deno.test("SE-07 a foreign certificate on the data connection alone is refused, and nothing is sent or taken there", async () => {
  await using foreign = await startForeign();
  const reply = (command: string) => {
    if (command === "EPSV") return `229 here (|||${foreign.port}|)\r\n`;
    return /^(?:MLSD|STOR|RETR) /.test(command) ? "150 come\r\n" : undefined;
  };
  await using server = await startSmallFtp({ tls: own, reply });
  for (
    const work of [
      (backend: Backend) => backend.list(root, call),
      (backend: Backend) => put(backend, "b", "bytes"),
      (backend: Backend) => put(backend, "b", new Uint8Array(400_000)),
    ]
  ) {
    await using backend = await openSmallFtp(server, pinned);
    const error = await assertRejects(work(backend), "hostKey");
    assert.match(error.message, /on the data connection, .*not the pinned one/);
  }
  assert.deepEqual([...server.files], []);
});

Deno.test("toCertificateError() names the call of a refusal by the runtime, and leaves other errors alone", () => {
  const ask = { ...call, operation: "list", path: root };
  const named = toCertificateError(new Error("invalid peer certificate: UnknownIssuer"), ask);
  assert.equal(named?.kind, "hostKey");
  assert.match(
    named?.message ?? "",
    /^Cannot list "\.": on the data connection, the server's certificate is not trusted/,
  );
  for (const other of [undefined, new Error("it broke"), networkError("connection", "it broke")]) {
    assert.equal(toCertificateError(other, ask), undefined);
  }
});

Deno.test("a file that was cut, by a connection that ends without a word of TLS, is never taken for whole", async () => {
  const holds = { "/small": "bytes", "/large": "x".repeat(400_000) };
  let isLonger = false;
  const reply = (command: string) => {
    const [, path = ""] = /^MLST (.+)$/.exec(command) ?? [];
    const content = Object.entries(holds).find(([name]) => name === path)?.[1];
    if (!isLonger || content === undefined) return undefined;
    return `250-One\r\n type=file;size=${content.length + 1}; ${path}\r\n250 End\r\n`;
  };
  await using server = await startSmallFtp({ tls: { ...own, cuts: true }, reply, holds });
  await using backend = await openSmallFtp(server, pinned);
  for (const [path, { length }] of Object.entries(holds)) {
    const file = (size: number): FileEntry => ({ kind: "file", path: toRelPath(path.slice(1)), size });
    const read = async (expect: FileEntry) => await collect(await backend.read(expect.path, { ...call, expect }));
    isLonger = false;
    assert.equal((await read(file(length))).length, length);
    isLonger = true;
    await assertRejects(read(file(length + 1)), "changed");
  }
});

Deno.test("a listing whose data connection ends without a word of TLS is none: it may have been cut at any line", async () => {
  await using server = await startSmallFtp({ listing: line.repeat(50), tls: { ...own, cuts: true } });
  await using backend = await openSmallFtp(server, pinned);
  const error = await assertRejects(backend.list(root, call), "connection");
  assert.match(error.message, /the data connection was cut/);
});

const asking = {
  reply: (command: string) => ({ USER: "331 and?\r\n", PASS: "230 in\r\n" })[command.slice(0, 4)],
};

for (const by of ["address", "parameter"] as const) {
  const pin = testCertificate.fingerprint;
  const given = by === "address" ? { pins: [pin] } : { options: { TlsHostCertificateFingerprint: pin } };
  const options = (more: Readonly<Record<string, string>>) => ({ options: { ...given.options, ...more } });

  Deno.test(`SE-07 a fingerprint from the ${by} makes -FtpSecure Auto insist on TLS: no login in clear`, async () => {
    await using server = await startSmallFtp({ reply: (command) => command === "AUTH TLS" ? "502 no\r\n" : undefined });
    const opened = openSmallFtp(server, { user: "me", ...given, ...options({ FtpSecure: "Auto" }) });
    assert.match((await assertRejects(opened, "connection")).message, /offers no TLS/);
    assert.deepEqual(server.told, ["AUTH TLS"]);
  });

  Deno.test(`SE-07 a fingerprint from the ${by} without TLS is refused before anything is connected`, async () => {
    await using server = await startSmallFtp(asking);
    const error = await assertRejects(openSmallFtp(server, { user: "me", ...given, ...options({}) }), "badInput");
    assert.match(error.message, /can be checked only over TLS: write ftpes:/);
    assert.deepEqual(server.told, []);
  });
}

Deno.test(
  "SE-07 -FtpSecure Auto, once TLS was agreed on, logs in on no further connection without it",
  { ignore: lacksOpenssl },
  async () => {
    await using authority = await makeAuthority();
    const before = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...before, authority.cert]);
    try {
      const certificate = await authority.sign({ names: "IP:127.0.0.1" });
      await using secured = await startSmallFtp({ ...asking, listing: line, tls: certificate, greets: false });
      await using server = await startUpgrading(secured.port);
      await using backend = await openSmallFtp(server, {
        user: "me",
        options: { FtpSecure: "Auto", Connections: "3" },
      });
      await Promise.allSettled(["a", "b", "c"].map((dir) => backend.list(toRelPath(dir), call)));
      assert.ok(secured.told.includes("PASS the password"));
      assert.ok(server.told.length > 0);
      assert.deepEqual(server.told.filter((command) => /^(?:USER|PASS)/.test(command)), []);
    } finally {
      tls.setDefaultCACertificates(before);
    }
  },
);

/** Agrees to TLS on the first connection, which then leads to the port, and refuses it on all others. `told`: their commands. */
async function startUpgrading(
  port: number,
): Promise<AsyncDisposable & { readonly port: number; readonly told: readonly string[] }> {
  const told: string[] = [];
  const open = new Set<net.Socket>();
  let isFirst = true;
  const server = net.createServer((socket) => {
    const upgrades = isFirst;
    isFirst = false;
    open.add(socket.on("error", () => {}));
    socket.write("220 (vsFTPd 3.0.5)\r\n");
    socket.on("data", function answer(bytes) {
      if (!upgrades) {
        told.push(...String(bytes).trim().split("\r\n"));
        socket.write("500 no\r\n");
        return;
      }
      socket.off("data", answer);
      const onward = net.connect(port, "127.0.0.1").on("error", () => {});
      open.add(onward);
      socket.pipe(onward);
      onward.pipe(socket);
      socket.write("234 go on\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    told,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A TLS server with another certificate, in a process of its own: servers of one process resume the sessions of each other. */
async function startForeign(): Promise<AsyncDisposable & { readonly port: number }> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "tandem-foreign-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const [key, cert] = [`${dir}/key.pem`, `${dir}/cert.pem`];
  await openssl(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, ...names]).output();
  const port = freePort();
  const child = openssl(["s_server", "-quiet", "-accept", `127.0.0.1:${port}`, "-cert", cert, "-key", key]).spawn();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  for (let tries = 0; !await listens(port); tries++) {
    if (tries === 200) throw new Error("openssl s_server did not start");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const life = stack.move();
  return { port, [Symbol.asyncDispose]: () => life.disposeAsync() };
}

function openssl(args: readonly string[]): Deno.Command {
  return new Deno.Command("openssl", { args: [...args], stdin: "null", stdout: "null", stderr: "null" });
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
