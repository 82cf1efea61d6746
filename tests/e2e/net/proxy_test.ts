import assert from "node:assert/strict";
import { serverTest } from "../../support/servers/install.ts";
import { type ProxyKind, type ProxyServer, startProxyServer } from "../../support/servers/proxies.ts";
import { assertSame, makeRemotePair, type RemotePair } from "../../support/targets/remote_pair.ts";
import { remoteServerKind } from "../../support/targets/remote_server.ts";
import { assertCode, fill, readFolder, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { lacksOpenssl } from "../../support/certificates.ts";
import type { RunResult } from "../../support/tandem.ts";

const content = { "a": "1", "dir/b": "2".repeat(300_000), "dir/c": "" };

/** A run through a proxy, with these words and this password of the proxy. */
type Run = (words: string, password: string | undefined) => Promise<RunResult>;

/** Checks what a proxy of every kind has to keep: who may pass, and what the words say when it may not. */
async function assertLogin(proxy: ProxyServer, run: Run): Promise<void> {
  if (proxy.password === undefined) return;
  const unknown = await run(`-Mode Remote -Proxy ${proxy.address.replace("me@", "")}`, undefined);
  assertCode(unknown, 4);
  assert.match(unknown.stderr, /the proxy \S+ \(-Proxy\) asks for a user: /);
  const wrong = await run(`-Mode Remote -Proxy ${proxy.address}`, "wr0ng");
  assertCode(wrong, 4);
  assert.match(wrong.stderr, /the proxy \S+ \(-Proxy\) refuses its user or password: /);
  assert.doesNotMatch(wrong.stderr + wrong.stdout, /wr0ng/);
}

const kinds: readonly (readonly [ProxyKind, string])[] = [
  ["squid", "davs apache over TLS"],
  ["squid", "dav apache"],
  ["tinyproxy", "davs apache over TLS"],
  ["tinyproxy", "dav apache"],
  ["tinyproxy", "ftpes vsftpd"],
  ["microsocks", "davs apache over TLS"],
  ["microsocks", "ftp vsftpd"],
  ["microsocks", "ftpes proftpd"],
  ["dante", "dav apache"],
  ["dante", "ftps proftpd"],
];

for (const [kind, name] of kinds) {
  const server = remoteServerKind(name);
  serverTest(`Sync-Path over ${name} through ${kind}`, { server: kind, ignore: lacksOpenssl }, async () => {
    await using stack = new AsyncDisposableStack();
    const far = stack.use(await server.start());
    // Nothing but TLS may be connected to, as proxies are installed; FTP's data connections go to any port.
    const ports = name.startsWith("davs") ? { tls: [far.port] } : name.startsWith("dav") ? { tls: [443] } : {};
    const proxy = stack.use(await startProxyServer(kind, ports));
    const pair: RemotePair = stack.use(await makeRemotePair(far));
    const run: Run = (words, password) =>
      pair.sync(words, undefined, {
        ...far.env,
        ...(password === undefined ? {} : { TANDEM_PROXY_PASSWORD: password }),
      });
    await fill(pair.local, content);
    await assertLogin(proxy, run);
    assert.deepEqual(readFolder(pair.remote), {});
    const words = `-Mode Remote -Proxy ${proxy.address}`;
    const ran = await run(words, proxy.password);
    assertCode(ran, 0);
    assertSame(pair);
    assert.equal((await run(words, proxy.password)).result()["UploadCount"], 0);
    if (kind !== "microsocks") assert.match(await proxy.log(), new RegExp(String(far.port)));
    const seen = JSON.stringify(await far.mutations() ?? []);
    assert.doesNotMatch(ran.stdout + ran.stderr + seen, /s3cret-of-the-proxy/);
  });
}

for (const kind of ["squid", "tinyproxy", "microsocks", "dante"] as const) {
  serverTest(`Sync-Path over SFTP through ${kind}`, { server: kind }, async () => {
    await using stack = new AsyncDisposableStack();
    const pair = stack.use(await startSftpPair());
    const proxy = stack.use(await startProxyServer(kind, { tls: [pair.sshd.port] }));
    const run: Run = (words, password) =>
      pair.sync(words, password === undefined ? {} : { env: { TANDEM_PROXY_PASSWORD: password } });
    await fill(pair.local, content);
    await assertLogin(proxy, run);
    const ran = await run(`-Mode Remote -Proxy ${proxy.address}`, proxy.password);
    assertCode(ran, 0);
    assert.deepEqual(readFolder(pair.remote), readFolder(pair.local));
    const env = { ALL_PROXY: proxy.address.replace("me@", `me:${proxy.password}@`) };
    // An address of this machine is direct, unless -Proxy says otherwise.
    assertCode(await pair.sync("-Mode Remote", { env: { ...env, ALL_PROXY: "http://127.0.0.1:9" } }), 0);
  });
}
