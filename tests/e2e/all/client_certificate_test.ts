import assert from "node:assert/strict";
import { join } from "node:path";
import { remoteServerKind } from "../../support/targets/remote_server.ts";
import { assertSame, contentWithoutServerFiles, makeRemotePair } from "../../support/targets/remote_pair.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";

/**
 * Lines by which each server wants a certificate of its clients, vouched for by the authority in this file. The runtime resumes no TLS
 * session that began with a certificate of the client, so that data connections need not bring the control connection's.
 */
const wanting: Readonly<Record<string, (authority: string) => readonly string[]>> = {
  "ftpes vsftpd": (authority) => [
    ...["require_cert=YES", "validate_cert=YES", `ca_certs_file=${authority}`, "require_ssl_reuse=NO"],
  ],
  "ftpes proftpd": (authority) => [
    ...["TLSVerifyClient on", `TLSCACertificateFile ${authority}`, "TLSOptions NoSessionReuseRequired"],
  ],
  "ftps proftpd": (authority) => [
    ...["TLSVerifyClient on", `TLSCACertificateFile ${authority}`, "TLSOptions UseImplicitSSL NoSessionReuseRequired"],
  ],
  "davs apache over TLS": (authority) => ["SSLVerifyClient require", `SSLCACertificateFile ${authority}`],
};

for (const [name, lines] of Object.entries(wanting)) {
  const kind = remoteServerKind(name);
  serverTest(`Sync-Path over ${name} shows the server its own certificate, and is sent away without`, {
    server: kind.server,
  }, async () => {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "tandem-client-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    await Deno.chmod(dir, 0o755);
    await makeCertificates(dir);
    const far = stack.use(await kind.start(lines(join(dir, "authority.pem"))));
    const pair = stack.use(await makeRemotePair(far));
    await fill(pair.local, { "a": "1", "b/c": "2".repeat(300_000) });
    const without = await pair.sync("-Mode Remote");
    assertCode(without, 4);
    assert.doesNotMatch(without.stderr, /TlsHostCertificateFingerprint/);
    assert.deepEqual(contentWithoutServerFiles(pair.remote), {});
    const foreign = await pair.sync(`-Mode Remote -TlsClientCertificatePath ${join(dir, "mixed.pem")}`);
    assertCode(foreign, 2);
    assert.match(foreign.stderr, /not the certificate's/);
    const ran = await pair.sync(`-Mode Remote -TlsClientCertificatePath ${join(dir, "client.pem")}`);
    assertCode(ran, 0);
    assertSame(pair);
    await Deno.writeTextFile(join(dir, "passphrase"), "open sesame");
    const words = `-Mode Local -TlsClientCertificatePath ${join(dir, "locked.pem")}`;
    const locked = await pair.sync(words);
    assertCode(locked, 2);
    assert.match(locked.stderr, /is encrypted, and no passphrase was given/);
  });
}

/** authority.pem; client.pem with a key, locked.pem with the same key encrypted, mixed.pem with a foreign key. */
async function makeCertificates(dir: string): Promise<void> {
  const at = (name: string) => join(dir, name);
  const newKey = ["-newkey", "rsa:2048", "-nodes"];
  const days = ["-days", "2"];
  const ends = (name: string, out: string) => ["-keyout", at(`${name}.key`), "-out", at(out)];
  await openssl("req", "-x509", ...newKey, ...ends("authority", "authority.pem"), ...days, "-subj", "/CN=authority");
  await openssl("req", ...newKey, ...ends("client", "client.csr"), "-subj", "/CN=client");
  const authority = ["-CA", at("authority.pem"), "-CAkey", at("authority.key"), "-CAcreateserial"];
  await openssl("x509", "-req", "-in", at("client.csr"), ...authority, "-out", at("client.crt"), ...days);
  await openssl("rsa", "-aes256", "-passout", "pass:open sesame", "-in", at("client.key"), "-out", at("locked.key"));
  const certificate = await Deno.readTextFile(at("client.crt"));
  for (const [name, key] of [["client", "client"], ["locked", "locked"], ["mixed", "authority"]]) {
    await Deno.writeTextFile(at(`${name}.pem`), certificate + await Deno.readTextFile(at(`${key}.key`)));
  }
}

async function openssl(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args] }).output();
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
