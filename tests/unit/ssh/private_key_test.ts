import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describeKey, fingerprint } from "../../../lib/ssh/known_hosts.ts";
import { runs } from "../../support/runs.ts";
import { parsePrivateKey, publicKeyOf } from "../../../lib/ssh/private_key.ts";

const PASSPHRASE = "correct horse";
const ENCRYPTED = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAlFMst1y
Quq4tQ4mioM94GAAAAAQAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIGveB725Irn7YWgI
eeIuXzGoQxPNQaeDXNIsJgJ9O4HaAAAAkPAXqIVbA8ejVvKCnT6xFQBSwZzTiBSoATfw84
3HeHUDUOmJST7dlrHDwBQVqw13bWXfwzC3/JaqTKUh2gPD3OUP5DTCjGRFml68o4f8WVtG
bfDPRrwB8VR3fxlx9XTDgyrSiZUrPDI+RD0lIWoNLO09hikHehKGiPdZUVOJvluR62hn+x
I+1vWYdt+okhbc5Q==
-----END OPENSSH PRIVATE KEY-----
`;
const ENCRYPTED_PUBLIC = "AAAAC3NzaC1lZDI1NTE5AAAAIGveB725Irn7YWgIeeIuXzGoQxPNQaeDXNIsJgJ9O4Ha";

Deno.test("readKey() opens an encrypted OpenSSH key with its passphrase alone", () => {
  const right = parsePrivateKey(ENCRYPTED, PASSPHRASE);
  assert.ok(right.key !== undefined);
  assert.equal(Buffer.from(right.key.publicKey).toString("base64"), ENCRYPTED_PUBLIC);
  assert.ok(parsePrivateKey(right.key.privateKey).key !== undefined, "it is still encrypted");
  assert.deepEqual(outcome(ENCRYPTED), [true, "it is encrypted, and no passphrase was given"]);
  assert.deepEqual(outcome(ENCRYPTED, "wrong"), [true, "its passphrase is wrong"]);
});

Deno.test("publicKeyOf() reads the public key without the passphrase", () => {
  assert.equal(Buffer.from(publicKeyOf(ENCRYPTED) ?? []).toString("base64"), ENCRYPTED_PUBLIC);
  assert.equal(publicKeyOf("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"), undefined);
  assert.equal(publicKeyOf(ENCRYPTED.slice(0, 120) + "\n-----END OPENSSH PRIVATE KEY-----\n"), undefined);
});

const pairs: readonly (readonly [string, () => { readonly publicKey: KeyObject; readonly privateKey: KeyObject }])[] = [
  ["ssh-ed25519 255", () => generateKeyPairSync("ed25519")],
  ["ssh-rsa 2048", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["ecdsa-sha2-nistp256 256", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["ecdsa-sha2-nistp384 384", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
  ["ecdsa-sha2-nistp521 521", () => generateKeyPairSync("ec", { namedCurve: "P-521" })],
];

for (const [described, generate] of pairs) {
  Deno.test(`readKey() reads ${described} from PKCS#8, plain and encrypted`, () => {
    const { publicKey, privateKey } = generate();
    const wanted = fingerprint(blobOf(publicKey));
    const plain = String(privateKey.export({ type: "pkcs8", format: "pem" }));
    const encrypted = String(
      privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: PASSPHRASE }),
    );
    for (const read of [parsePrivateKey(plain), parsePrivateKey(encrypted, PASSPHRASE)]) {
      assert.ok(read.key !== undefined, "why" in read ? read.why : "");
      assert.equal(describeKey(read.key.publicKey), described);
      assert.equal(fingerprint(read.key.publicKey), wanted);
      assert.ok(!read.key.privateKey.includes("ENCRYPTED"));
    }
    assert.deepEqual(outcome(encrypted), [true, "it is encrypted, and no passphrase was given"]);
    assert.deepEqual(outcome(encrypted, "wrong"), [true, "its passphrase is wrong"]);
  });
}

Deno.test("readKey() gives ECDSA keys a private number as long as the curve", () => {
  for (let tries = 0; tries < runs(20, 200); tries++) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const d = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
    const mpint = d[0] !== undefined && d[0] > 127 ? Buffer.concat([Buffer.alloc(1), d]) : d;
    const read = parsePrivateKey(
      openSsh("none", blobOf(publicKey), fields("ecdsa-sha2-nistp256", ...ecFields(publicKey), mpint)),
    );
    assert.ok(read.key !== undefined, "why" in read ? read.why : "");
    const body = Buffer.from(read.key.privateKey.replace(/-----[^-]+-----/g, ""), "base64");
    assert.ok(body.includes(fields(d)), "the number is not 32 bytes long");
  }
});

Deno.test("readKey() reads PKCS#1 and SEC1, P-521 too", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ec = generateKeyPairSync("ec", { namedCurve: "P-521" });
  const texts = [
    [rsa.publicKey, String(rsa.privateKey.export({ type: "pkcs1", format: "pem" }))],
    [ec.publicKey, String(ec.privateKey.export({ type: "sec1", format: "pem" }))],
  ] as const;
  for (const [publicKey, text] of texts) {
    const read = parsePrivateKey(text);
    assert.ok(read.key !== undefined, "why" in read ? read.why : "");
    assert.equal(fingerprint(read.key.publicKey), fingerprint(blobOf(publicKey)));
  }
});

const useless: readonly (readonly [string, string, RegExp])[] = [
  ["a PuTTY key", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", /puttygen .* -O private-openssh/],
  ["a public key", `ssh-ed25519 ${ENCRYPTED_PUBLIC} ann@host\n`, /public key/],
  ["a certificate", "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAx ann\n", /certificate/],
  ["a security key", openSsh("none", fields("sk-ssh-ed25519@openssh.com", "x")), /security key/],
  [
    "a key under ChaCha20",
    openSsh("chacha20-poly1305@openssh.com", fields("ssh-ed25519", "x")),
    /ssh-keygen -p -Z aes256-ctr/,
  ],
  [
    "an X25519 key",
    String(generateKeyPairSync("x25519").privateKey.export({ type: "pkcs8", format: "pem" })),
    /x25519/,
  ],
  ["a text", "hello\n", /holds no private key/],
  ["an empty file", "", /holds no private key/],
];

for (const [name, text, why] of useless) {
  Deno.test(`readKey() says why ${name} is of no use, whatever the passphrase`, () => {
    for (const passphrase of [undefined, PASSPHRASE]) {
      const [wanted, reason] = outcome(text, passphrase);
      assert.equal(wanted, false);
      assert.match(reason, why);
    }
  });
}

Deno.test("readKey() refuses a key whose text was cut off, and never throws", () => {
  const plain = String(
    generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs1", format: "pem" }),
  );
  for (const text of [plain, ENCRYPTED]) {
    for (const share of [0.2, 0.5, 0.9, 0.97]) {
      assert.equal(parsePrivateKey(text.slice(0, Math.floor(text.length * share)), PASSPHRASE).key, undefined);
    }
  }
});

function outcome(text: string, passphrase?: string): [boolean, string] {
  const read = parsePrivateKey(text, passphrase);
  assert.ok(read.key === undefined, "the key was read");
  return [read.needsPassphrase, read.why];
}

/** The raw public key, made from the numbers alone. */
function blobOf(key: KeyObject): Uint8Array {
  const { kty, crv, x, n, e } = key.export({ format: "jwk" });
  const bytes = (text: string | undefined) => Buffer.from(text ?? "", "base64url");
  if (kty === "RSA") return fields("ssh-rsa", bytes(e), Buffer.concat([Buffer.from([0]), bytes(n)]));
  if (crv === "Ed25519") return fields("ssh-ed25519", bytes(x));
  return fields(`ecdsa-sha2-nistp${crv?.slice(2)}`, ...ecFields(key));
}

function ecFields(key: KeyObject): [string, Uint8Array] {
  const { crv, x, y } = key.export({ format: "jwk" });
  const bytes = (text: string | undefined) => Buffer.from(text ?? "", "base64url");
  return [`nistp${crv?.slice(2)}`, Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)])];
}

function fields(...values: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(values.flatMap((value) => {
    const bytes = Buffer.from(value as Uint8Array);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  }));
}

/** A key in OpenSSH's own format; encrypted ones only look so. */
function openSsh(cipher: string, publicKey: Uint8Array, secret: Uint8Array = Buffer.from("secret")): string {
  const head = Buffer.from("openssh-key-v1\0");
  const count = Buffer.from([0, 0, 0, 1]);
  const inner = Buffer.concat([Buffer.alloc(8), secret, fields("")]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - inner.length % 8) % 8));
  const kdf = cipher === "none" ? "none" : "bcrypt";
  const body = Buffer.concat([
    head,
    fields(cipher, kdf, ""),
    count,
    fields(publicKey, Buffer.concat([inner, padding])),
  ]);
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
