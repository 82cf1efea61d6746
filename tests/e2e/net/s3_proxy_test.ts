import assert from "node:assert/strict";
import { lacksOpenssl } from "../../support/certificates.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { startProxyServer } from "../../support/servers/proxies.ts";
import { testCertificate } from "../../support/servers/small_dav.ts";
import { startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { tandem } from "../../support/tandem.ts";

/** Ends TLS before a server of this machine. */
function startTlsFront(port: number) {
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: testCertificate.cert,
    key: testCertificate.key,
  });
  const open = new Set<Deno.Conn>();
  const carry = async (client: Deno.TlsConn) => {
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    for (const one of [client, server]) open.add(one);
    await Promise.allSettled([client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)]);
    for (const one of [client, server]) open.delete(one);
  };
  const carried: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const client of listener) carried.push(carry(client).catch(() => undefined));
  })().catch(() => undefined);
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const one of open) {
        try {
          one.close();
        } catch {
          // It was closed by its pipe.
        }
      }
      await accepting;
      await Promise.all(carried);
    },
  };
}

for (const kind of ["squid", "tinyproxy", "microsocks"] as const) {
  serverTest(`Sync-Path over S3 through ${kind}, in clear text and over TLS`, {
    server: "s3",
    ignore: lacksOpenssl || skipsServer(kind),
  }, async () => {
    await using stack = new AsyncDisposableStack();
    const store = stack.use(await startS3Store());
    const front = stack.use(startTlsFront(store.server.port));
    const proxy = stack.use(await startProxyServer(kind, { tls: [front.port] }));
    const pair = stack.use(await startS3Pair(store));
    await fill(pair.local, { "a": "1", "dir/b": "2".repeat(300_000) });
    const env = { ...pair.env, TANDEM_PROXY_PASSWORD: proxy.password ?? "" };
    const sync = (...words: string[]) =>
      tandem(["Sync-Path", pair.local, ...words, "-Mode", "Remote", "-Proxy", proxy.address], {
        home: `${pair.dir}/home`,
        env,
      });
    const plain = await sync(pair.address);
    assertCode(plain, 0);
    assert.equal(plain.result()["UploadCount"], 2);
    const address = `s3://${store.bucket.name}/${pair.prefix}over-tls`;
    const overTls = await sync(
      ...[address, "-Endpoint", `https://127.0.0.1:${front.port}`],
      ...["-TlsHostCertificateFingerprint", testCertificate.fingerprint],
    );
    assertCode(overTls, 0);
    assert.equal(overTls.result()["UploadCount"], 2);
    assert.deepEqual(Object.keys(await pair.objects()).sort(), ["a", "dir/b", "over-tls/a", "over-tls/dir/b"]);
    const wrong = await tandem(["Sync-Path", pair.local, pair.address, "-Mode", "Remote", "-Proxy", proxy.address], {
      home: `${pair.dir}/home`,
      env: { ...env, TANDEM_PROXY_PASSWORD: "wr0ng" },
    });
    assertCode(wrong, 4);
    assert.match(wrong.stderr, /the proxy \S+ \(-Proxy\) refuses its user or password: /);
  });
}
