import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { matchesPin, parsePins } from "../../../lib/ssh/host_key_pins.ts";
import { SyncError } from "../../../lib/core/errors.ts";

const ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIGDh6Zu7jOf3l+3PdujeUVgrCJhCXg7p4TFqTKMoDCp2";
const SHA = "jKjS34Lg7gr7xVsMPoCOERsv89xDKU5MkdrX5wtT0zk";
const MD5 = "fa:f3:0a:25:08:12:43:50:d5:7e:a3:d5:ef:cc:d5:b7";
const ed25519 = new Uint8Array(Buffer.from(ED25519, "base64"));
const other = new Uint8Array(Buffer.from(ED25519.replace("GDh6", "GDh7"), "base64"));

for (
  const pin of [
    `ssh-ed25519 255 SHA256:${SHA}`,
    `ssh-ed25519 256 ${SHA}=`,
    `ssh-ed25519 ${SHA}`,
    `ssh-ed25519-${SHA}`,
    `SHA256:${SHA}`,
    `sha256:${SHA}=`,
    SHA,
    `ssh-ed25519 255 ${MD5}`,
    `ssh-ed25519-255-${MD5.replaceAll(":", "-")}`,
    `MD5:${MD5}`,
    MD5.toUpperCase(),
  ]
) {
  Deno.test(`parsePins() reads "${pin}", and it fits this key alone`, () => {
    const [read] = parsePins([pin]);
    assert.ok(read !== undefined && matchesPin(read, ed25519), "it does not fit its key");
    assert.equal(matchesPin(read, other), false);
  });
}

Deno.test("parsePins() reads the URL-safe alphabet as the other one", () => {
  const written = [
    "ssh-rsa 2048 -3Sn_ddD_g8CVGyDldtmZTHflWOsOoBcYFco8Qd0S0Q",
    "-3Sn_ddD_g8CVGyDldtmZTHflWOsOoBcYFco8Qd0S0Q=",
  ];
  assert.deepEqual(parsePins(written).map(({ value }) => value), [
    "SHA256:+3Sn/ddD/g8CVGyDldtmZTHflWOsOoBcYFco8Qd0S0Q",
    "SHA256:+3Sn/ddD/g8CVGyDldtmZTHflWOsOoBcYFco8Qd0S0Q",
  ]);
});

Deno.test("parsePins() takes several, by semicolon and by word", () => {
  const pins = parsePins([`SHA256:${SHA}; ${MD5}`, "", `ssh-rsa 1024 ${MD5}`]);
  assert.deepEqual(pins.map(({ algorithm, type }) => [algorithm, type]), [
    ["SHA256", undefined],
    ["MD5", undefined],
    ["MD5", "ssh-rsa"],
  ]);
});

Deno.test("matchesPin() refuses a key of another type than the pin names", () => {
  const [pin] = parsePins([`ssh-rsa 255 SHA256:${SHA}`]);
  assert.ok(pin !== undefined);
  assert.equal(matchesPin(pin, ed25519), false);
});

for (
  const pin of [
    SHA.slice(1),
    `${SHA}A`,
    MD5.slice(3),
    `${MD5}:00`,
    "yes",
    "*",
    `ssh-dsa 1024 ${SHA.slice(2)}`,
    "SHA1:abc",
    `SHA256:${MD5}`,
  ]
) {
  Deno.test(`parsePins() refuses "${pin}" as bad input`, () => {
    assert.throws(() => parsePins([pin]), (error) => {
      assert.ok(error instanceof SyncError && error.kind === "badInput");
      assert.match(error.message, /SshHostKeyFingerprint/);
      return true;
    });
  });
}
