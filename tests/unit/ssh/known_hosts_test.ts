import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "npm:fast-check@4.10.2";
import {
  checkHostKey,
  describeKey,
  fingerprint,
  formatKnownHost,
  keyType,
  knownKeyTypes,
  matchesPatterns,
  parseKnownHosts,
} from "../../../lib/ssh/known_hosts.ts";
import { runs } from "../../support/runs.ts";

const ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIGDh6Zu7jOf3l+3PdujeUVgrCJhCXg7p4TFqTKMoDCp2";
const ECDSA =
  "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBByPIXYn62Bg69PsPj937pYZz1so7HxvuESMpdYF/udofYLxcil+R00rxwjHuBD6wiFa4qXKqET2pNkHQTDF2/PEk++w1QpwxBb3++2WZpVbOSezVS3MLImNpgk72k5Y7Q==";
const RSA =
  "AAAAB3NzaC1yc2EAAAADAQABAAABAQCxMqVhdlnIyCsR7xabOb2ANxfSaO20q2Mr3vrW5i0wWV/qPdJrCXIsF/AbH2q87IcKun1ywZoYi1T44ekcmnuYDtv4Y+1fce1vxYk+aTK0oJgwnnFU06QM15Sb0Owbfv5I/fg9S8mcxrXwxLYPP30+0cd+ztzXvCE1tqCpEa6fvdcMh8kF3Q8AC88XbI2qcGWBcSdwGuWCWlyT2F/XONek4PHZh0OutBk+XCIHhr0PV5KiJUcfOdh4I43G5ShUsTbNv5SC6SfspDOYKLRvSyORCbMX61tI4KyKXIg2vJad5UqBG5cAqZoZ/f64i9x7eZ9/khvEgVVc53+OGvGFSPmd";
const [ed25519, ecdsa, rsa] = [ED25519, ECDSA, RSA].map((text) => new Uint8Array(Buffer.from(text, "base64"))) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const web1 = { host: "web1.example.com", port: 22 };

function verdict(text: string, name: { host: string; port: number; exact?: boolean }, key: Uint8Array): string {
  return checkHostKey(parseKnownHosts(text, "known_hosts"), name, key).verdict;
}

Deno.test("judgeHostKey() knows a host by its plain name, its address and a list of both", () => {
  const text = `web1.example.com,192.0.2.7 ssh-ed25519 ${ED25519} a comment\n`;
  assert.equal(verdict(text, web1, ed25519), "same");
  assert.equal(verdict(text, { host: "WEB1.example.com", port: 22 }, ed25519), "same");
  assert.equal(verdict(text, { host: "192.0.2.7", port: 22 }, ed25519), "same");
  assert.equal(verdict(text, { host: "web2.example.com", port: 22 }, ed25519), "new");
});

Deno.test("judgeHostKey() finds names that ssh-keygen -H has hidden, with and without a port", () => {
  const text = [
    `|1|7zXmIoVjbYCsQmy2virOUIAzyLc=|3zZD2jbCUB55Ifpx23oFai/vHSk= ssh-ed25519 ${ED25519}`,
    `|1|fmWYXNua4q0FSnHokW5BoOceRog=|+3Ph5WDje/GuPwaW1tVbjBP66mc= ssh-ed25519 ${ED25519}`,
  ];
  assert.equal(verdict(text[0] ?? "", web1, ed25519), "same");
  assert.equal(verdict(text[0] ?? "", { host: "web2.example.com", port: 22 }, ed25519), "new");
  assert.equal(verdict(text[1] ?? "", { ...web1, port: 2222 }, ed25519), "same");
  assert.equal(verdict(text[1] ?? "", web1, ed25519), "new");
});

Deno.test("judgeHostKey() keeps the ports of a host apart, but takes the key stored without a port", () => {
  const text = `[web1.example.com]:2222 ssh-ed25519 ${ED25519}\nweb1.example.com ssh-rsa ${RSA}\n`;
  assert.equal(verdict(text, { ...web1, port: 2222 }, ed25519), "same");
  assert.equal(verdict(text, { ...web1, port: 2222 }, rsa), "changed");
  assert.equal(verdict(text, { ...web1, port: 2022 }, rsa), "same");
  assert.equal(verdict(text, { ...web1, port: 2022 }, ed25519), "new");
  assert.equal(verdict(text, web1, ed25519), "changed");
});

Deno.test("judgeHostKey() reads wildcards, and a negated name takes the whole line away", () => {
  const text = `*.example.com,!web2.example.com,db? ssh-ed25519 ${ED25519}\n`;
  assert.equal(verdict(text, web1, ed25519), "same");
  assert.equal(verdict(text, { host: "web2.example.com", port: 22 }, ed25519), "new");
  assert.equal(verdict(text, { host: "db7", port: 22 }, ed25519), "same");
  assert.equal(verdict(text, { host: "db", port: 22 }, ed25519), "new");
  assert.equal(verdict(text, { host: "example.com", port: 22 }, ed25519), "new");
});

Deno.test("judgeHostKey() refuses a revoked key though another line trusts it", () => {
  const text = `web1.example.com ssh-ed25519 ${ED25519}\n@revoked * ssh-ed25519 ${ED25519}\n`;
  assert.equal(verdict(text, web1, ed25519), "revoked");
  assert.equal(
    verdict(`@revoked web1.example.com ssh-ed25519 ${ED25519}\n`, { ...web1, port: 2222 }, ed25519),
    "revoked",
  );
});

Deno.test("judgeHostKey() takes no host for revoked whose key is another", () => {
  assert.equal(verdict(`@revoked web1.example.com ssh-ed25519 ${ED25519}\n`, web1, rsa), "new");
});

Deno.test("judgeHostKey() makes no key known by a certificate authority", () => {
  assert.equal(verdict(`@cert-authority *.example.com ssh-ed25519 ${ED25519}\n`, web1, ed25519), "new");
});

Deno.test("judgeHostKey() calls a host changed that is known only by keys of other types", () => {
  const known = parseKnownHosts(`web1.example.com ssh-rsa ${RSA}\n`, "kh");
  const judged = checkHostKey(known, web1, ed25519);
  assert.equal(judged.verdict, "changed");
  assert.deepEqual(judged.lines.map(({ file, line }) => [file, line]), [["kh", 1]]);
});

Deno.test("judgeHostKey() takes any one of several keys", () => {
  const text = `web1.example.com ssh-rsa ${RSA}\nweb1.example.com ecdsa-sha2-nistp384 ${ECDSA}\n`;
  assert.equal(verdict(text, web1, ecdsa), "same");
  assert.equal(verdict(text, web1, ed25519), "changed");
});

Deno.test("judgeHostKey() looks an alias up by itself, whatever the port", () => {
  const text = `farm ssh-ed25519 ${ED25519}\n`;
  assert.equal(verdict(text, { host: "farm", port: 2222, exact: true }, ed25519), "same");
  assert.equal(verdict(text, { host: "farm", port: 2222, exact: true }, rsa), "changed");
});

Deno.test("parseKnownHosts() leaves out what is malformed and keeps the lines after it", () => {
  const bad = [
    "# a comment",
    "",
    "web1.example.com",
    "web1.example.com ssh-ed25519",
    "web1.example.com ssh-ed25519 not/base64!",
    `web1.example.com ssh-rsa ${ED25519}`,
    `@unknown web1.example.com ssh-ed25519 ${ED25519}`,
    "web1.example.com 2048 35 1234567",
    `|1|broken ssh-ed25519 ${ED25519}`,
  ];
  const known = parseKnownHosts([...bad, `  web1.example.com\tssh-rsa  ${RSA}\r`].join("\n"), "kh");
  assert.equal(checkHostKey(known, web1, rsa).verdict, "same");
  assert.equal(checkHostKey(known, web1, ed25519).verdict, "changed");
  assert.equal(checkHostKey(known, web1, rsa).lines[0]?.line, bad.length + 1);
});

Deno.test("parseKnownHosts() takes any text without throwing", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.uint8Array(), (text, bytes) => {
      parseKnownHosts(text, "kh");
      keyType(bytes);
      describeKey(bytes);
    }),
    { numRuns: runs(500, 20_000) },
  );
});

Deno.test("knownKeyTypes() names the types of this host and port, not those of revoked keys", () => {
  const known = parseKnownHosts(
    [
      `web1.example.com ssh-rsa ${RSA}`,
      `[web1.example.com]:2222 ecdsa-sha2-nistp384 ${ECDSA}`,
      `@revoked web1.example.com ssh-ed25519 ${ED25519}`,
    ].join("\n"),
    "kh",
  );
  assert.deepEqual(knownKeyTypes(known, web1), ["ssh-rsa"]);
  assert.deepEqual(knownKeyTypes(known, { ...web1, port: 2222 }), ["ecdsa-sha2-nistp384"]);
  assert.deepEqual(knownKeyTypes(known, { ...web1, port: 2022 }), ["ssh-rsa"]);
  assert.deepEqual(knownKeyTypes(known, { host: "web2", port: 22 }), []);
});

Deno.test("formatKnownHost() writes a line that judgeHostKey() then trusts, hidden or not", () => {
  const name = fc.record({ host: fc.domain(), port: fc.constantFrom(22, 2222), exact: fc.boolean() });
  const salt = fc.option(fc.uint8Array({ minLength: 20, maxLength: 20 }), { nil: undefined });
  fc.assert(
    fc.property(name, salt, (asked, bytes) => {
      const line = formatKnownHost(asked, ed25519, bytes);
      assert.equal(verdict(line, asked, ed25519), "same");
      assert.equal(verdict(line, asked, rsa), "changed");
      assert.equal(line.includes(asked.host), bytes === undefined);
    }),
    { numRuns: runs(200, 5_000) },
  );
});

Deno.test("fingerprint() and describeKey() agree with ssh-keygen -l", () => {
  assert.equal(fingerprint(ed25519), "SHA256:jKjS34Lg7gr7xVsMPoCOERsv89xDKU5MkdrX5wtT0zk");
  assert.equal(fingerprint(rsa), "SHA256:/3Sn/ddD/g8CVGyDldtmZTHflWOsOoBcYFco8Qd0S0Q");
  assert.equal(fingerprint(ecdsa), "SHA256:+7bjwbgCWnj9NceqlUE7POpBncHS+Zcsih79ICB29gg");
  assert.deepEqual([ed25519, rsa, ecdsa].map(describeKey), [
    "ssh-ed25519 255",
    "ssh-rsa 2048",
    "ecdsa-sha2-nistp384 384",
  ]);
});

Deno.test("describeKey() says so where the bytes are no key", () => {
  assert.equal(describeKey(new Uint8Array([0, 0, 0, 200, 1])), "no key");
});

Deno.test("matchesPatterns() ends on many stars that do not fit", () => {
  assert.equal(matchesPatterns(["*a".repeat(2_000) + "b"], "a".repeat(20_000)), false);
});
