import assert from "node:assert/strict";
import tls from "node:tls";
import { parseTlsPins, readTlsPins } from "../../../lib/net/tls.ts";
import { startTls } from "../../../lib/net/tls_transport.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import {
  type CertificateFacts,
  fingerprintsOf,
  lacksOpenssl,
  makeAuthority,
  type TestAuthority,
  type TestCertificate,
} from "../../support/certificates.ts";
import type { ConnectContext } from "../../../lib/core/protocol.ts";

const name = "files.example.test";

/** Why a client with this trust refuses a server with this certificate; undefined when it takes it. */
async function refusal(
  { cert, key }: TestCertificate,
  { host = name, pins = [] }: { readonly host?: string; readonly pins?: readonly string[] } = {},
): Promise<SyncError | undefined> {
  using server = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const answering = server.accept().then(async (conn) => {
    await conn.handshake().then(() => conn.read(new Uint8Array(1))).catch(() => undefined);
    conn.close();
  });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const trust = { host, pins: parseTlsPins(pins) };
  const wire = startTls(connection, { trust, timeout: 5_000, expected: "https" });
  const error = await wire.end().then(() => undefined, (error) => error);
  wire.destroy();
  await answering;
  assert.ok(error === undefined || error instanceof SyncError, `${error}`);
  if (error !== undefined) assert.equal(error.kind, "hostKey");
  return error;
}

/** An authority that this process trusts while the test runs. */
async function withAuthority(work: (authority: TestAuthority) => Promise<void>): Promise<void> {
  await using authority = await makeAuthority();
  const before = tls.getCACertificates("default");
  tls.setDefaultCACertificates([...before, authority.cert]);
  try {
    await work(authority);
  } finally {
    tls.setDefaultCACertificates(before);
  }
}

/** Alternative names as the lines of a section, which may hold commas. */
function inSan(line: string): CertificateFacts {
  return { names: `@names\n[names]\n${line}` };
}

const past = { from: "20200101000000Z", to: "20210101000000Z" };
const future = { from: "20400101000000Z", to: "20410101000000Z" };

for (
  const [what, facts, host, why] of [
    ["its name", { names: `DNS:${name}` }, name, undefined],
    ["its name in other letters", { names: "DNS:FILES.example.test" }, name, undefined],
    ["a wildcard", { names: "DNS:*.example.test" }, name, undefined],
    ["a wildcard that reaches two names deep", { names: "DNS:*.test" }, name, /not for "files.example.test"/],
    ["a wildcard without a name before it", { names: "DNS:*.files.example.test" }, name, /not for/],
    ["the name of another host", { names: "DNS:other.example.test" }, name, /it names DNS:other.example.test/],
    ["a common name alone", { subject: `/CN=${name}` }, name, /it names no host/],
    ["a common name beside a mail address", { subject: `/CN=${name}`, names: "email:a@b.test" }, name, /not for/],
    ["a common name beside another name", { subject: `/CN=${name}`, names: "DNS:x.test" }, name, /not for/],
    ["its address", { names: "IP:127.0.0.1" }, "127.0.0.1", undefined],
    ["another address", { names: "IP:127.0.0.2" }, "127.0.0.1", /not for "127.0.0.1"/],
    ["its address as a name", { names: "DNS:127.0.0.1" }, "127.0.0.1", /not for/],
    ["its address as a common name", { subject: "/CN=127.0.0.1" }, "127.0.0.1", /it names no host/],
    ["its address, of IPv6", { names: "IP:::1" }, "::1", undefined],
    ["another address of IPv6", { names: "IP:::2" }, "::1", /not for "::1"/],
    ["its name behind a comma in a URI", inSan(`URI.1=http://x.test/, DNS:${name}`), name, /it names no host/],
    ["its name behind a comma in a name", inSan(`DNS.1=x.test, DNS:${name}`), name, /it names no host/],
    [
      "its name behind a comma, and as common name",
      {
        subject: `/CN=${name}`,
        ...inSan(`URI.1=http://x.test/, DNS:${name}`),
      },
      name,
      /it names no host/,
    ],
    ["its address behind a comma in a URI", inSan("URI.1=http://x/, IP Address:127.0.0.1"), "127.0.0.1", /not for/],
    ["only names, asked by address", { names: `DNS:${name}` }, "127.0.0.1", /not for/],
    ["an end that is past", { names: `DNS:${name}`, ...past }, name, /it expired on 2021-01-01/],
    ["a beginning that is to come", { names: `DNS:${name}`, ...future }, name, /not valid before 2040-01-01/],
  ] as readonly (readonly [string, CertificateFacts, string, RegExp | undefined])[]
) {
  const does = why === undefined ? "taken" : "refused";
  Deno.test(
    `a certificate that its authority vouches for, with ${what}, is ${does}`,
    { ignore: lacksOpenssl },
    async () => {
      await withAuthority(async (authority) => {
        const error = await refusal(await authority.sign(facts), { host });
        if (why === undefined) return assert.equal(error, undefined);
        assert.match(error?.message ?? "taken", why);
      });
    },
  );
}

Deno.test(
  "a certificate of an unknown authority, and a self-signed one, are refused",
  { ignore: lacksOpenssl },
  async () => {
    await using authority = await makeAuthority();
    const facts = { names: `DNS:${name}` };
    assert.match(
      (await refusal(await authority.sign(facts)))?.message ?? "",
      /no authority that this machine trusts issued it/,
    );
    assert.match((await refusal(await authority.selfSigned(facts)))?.message ?? "", /it is self-signed/);
  },
);

Deno.test("a refusal prints a fingerprint that is taken as it stands", { ignore: lacksOpenssl }, async () => {
  await using authority = await makeAuthority();
  const certificate = await authority.selfSigned({ names: "DNS:other.test" });
  for (const pins of [[], ["0".repeat(64)]]) {
    const error = await refusal(certificate, { pins });
    const [, printed = ""] = /-TlsHostCertificateFingerprint (\S+)$/.exec(error?.message ?? "") ?? [];
    assert.equal(printed, fingerprintsOf(certificate).hex);
    assert.equal(await refusal(certificate, { pins: [printed] }), undefined);
  }
});

Deno.test(
  "a pin decides alone: in every form, one of several, for any name and time",
  { ignore: lacksOpenssl },
  async () => {
    await using authority = await makeAuthority();
    const certificate = await authority.sign({ names: "DNS:other.test", ...past });
    const { hex, pairs, base64, padded, sha1 } = fingerprintsOf(certificate);
    const forms = [
      hex,
      hex.toUpperCase(),
      pairs,
      pairs.toUpperCase(),
      pairs.replaceAll(":", "-"),
      `sha256:${hex}`,
      `SHA256:${pairs.toUpperCase()}`,
      `sha256 Fingerprint=${pairs.toUpperCase()}`,
      base64,
      padded,
      `SHA256:${base64}`,
      `SHA256:${padded}`,
      `sha256:${base64}`,
      base64.replaceAll("+", "-").replaceAll("/", "_"),
      `${"ab".repeat(32)}; ${hex}`,
      `;${pairs};SHA256:${"A".repeat(43)}`,
      sha1,
      `SHA1:${sha1.replace(/..(?=.)/g, "$&:")}`,
    ];
    for (const form of forms) assert.equal(await refusal(certificate, { pins: [form] }), undefined, form);
    for (const other of ["ab".repeat(32), "ab".repeat(20), `SHA256:${"A".repeat(43)}`]) {
      assert.match((await refusal(certificate, { pins: [other] }))?.message ?? "", /not the pinned one/);
    }
  },
);

Deno.test("a pin that does not match is not made good by an authority", { ignore: lacksOpenssl }, async () => {
  await withAuthority(async (authority) => {
    const error = await refusal(await authority.sign({ names: `DNS:${name}` }), { pins: ["ab".repeat(32)] });
    assert.match(error?.message ?? "", /not the pinned one/);
  });
});

Deno.test("parseTlsPins() names what is malformed", () => {
  const pairs = "ab:".repeat(32).slice(0, -1);
  for (
    const bad of [
      "ab:cd",
      "x".repeat(64),
      "a".repeat(42),
      "ab".repeat(16),
      `${pairs}:`,
      `:${pairs}`,
      "SHA256:",
      "SHA512:a",
    ]
  ) {
    assert.throws(() => parseTlsPins([bad]), (error) => {
      return error instanceof SyncError && error.kind === "badInput" && error.message.startsWith(`"${bad}" is no`);
    });
  }
});

Deno.test("readTlsPins() takes those of the address and of the parameter, and warns of SHA-1 alone", () => {
  const warnings: string[] = [];
  const target = (pin: string): ConnectContext => ({
    address: { scheme: "davs", host: name, path: "/", pins: ["AB".repeat(32)] },
    options: { TlsHostCertificateFingerprint: pin },
    secret: () => Promise.resolve(undefined),
    prompt: () => Promise.resolve(undefined),
    keepSecret: () => {},
    hideSecret: () => {},
    warn: (message) => void warnings.push(message),
    env: () => undefined,
    readOnly: true,
  });
  assert.deepEqual(readTlsPins(target("cd".repeat(32))), ["ab".repeat(32), "cd".repeat(32)]);
  assert.deepEqual(warnings, []);
  assert.deepEqual(readTlsPins(target("cd".repeat(20))), ["ab".repeat(32), "cd".repeat(20)]);
  assert.match(warnings.join(), /^A SHA-1 fingerprint can be forged/);
});
