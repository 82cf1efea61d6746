import assert from "node:assert/strict";
import tls from "node:tls";
import { findProxy } from "../../../lib/net/proxy.ts";
import { dialTls } from "../../../lib/net/tls_transport.ts";
import { parseTlsPins } from "../../../lib/net/tls.ts";
import { assertRejects } from "../../contract/assertions.ts";
import { fingerprintsOf, lacksOpenssl, makeAuthority } from "../../support/certificates.ts";
import { startSmallProxy } from "../../support/servers/small_proxy.ts";

/** Repeats what each client says, over TLS; with `port` it carries it to that port instead. */
function startTlsServer(certificate: { readonly cert: string; readonly key: string }, port?: number) {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...certificate });
  const serve = async (client: Deno.TlsConn) => {
    const target = port === undefined ? client : await Deno.connect({ hostname: "127.0.0.1", port });
    await Promise.allSettled([
      client.readable.pipeTo(target.writable),
      ...(target === client ? [] : [target.readable.pipeTo(client.writable)]),
    ]);
  };
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const client of listener) served.push(serve(client).catch(() => undefined));
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => undefined);
      await Promise.all(served);
    },
  };
}

Deno.test("https proxy: TLS to the server runs inside of TLS to the proxy, each verified on its own", {
  ignore: lacksOpenssl,
}, async () => {
  await using authority = await makeAuthority();
  const before = tls.getCACertificates("default");
  tls.setDefaultCACertificates([...before, authority.cert]);
  try {
    const own = await authority.selfSigned({ names: "DNS:server.test" });
    await using server = startTlsServer(own);
    await using small = await startSmallProxy({ login: "me:s3cret" });
    await using front = startTlsServer(await authority.sign({ names: "IP:127.0.0.1" }), small.port);
    const proxy = await findProxy({
      options: { Proxy: `https://me:s3cret@127.0.0.1:${front.port}` },
      env: () => undefined,
      secret: () => Promise.resolve(undefined),
      hideSecret: () => {},
    }, { protocol: "https", host: "server.test", port: server.port });
    const dial = (pins: readonly string[]) =>
      dialTls({ host: "server.test", port: server.port, proxy }, {
        trust: { host: "server.test", pins: parseTlsPins(pins) },
        timeout: 10_000,
        expected: "https",
      });
    await assertRejects(dial([]), "hostKey");
    const transport = await dial([fingerprintsOf(own).hex]);
    await transport.write(new TextEncoder().encode("hello"));
    const bytes = new Uint8Array(5);
    assert.equal(await transport.read(bytes), 5);
    assert.equal(new TextDecoder().decode(bytes), "hello");
    transport.destroy();
    assert.doesNotMatch(small.carried(), /hello|s3cret/);
  } finally {
    tls.setDefaultCACertificates(before);
  }
});
