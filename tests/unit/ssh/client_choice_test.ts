import assert from "node:assert/strict";
import { testTarget } from "../../support/targets/test_target.ts";
import { Buffer } from "node:buffer";
import { clientName, explainSshOnly, findSsh } from "../../../lib/ssh/client_choice.ts";
import type { KeyFile, KeyFiles } from "../../../lib/ssh/key_files.ts";
import { loadKeyFiles } from "../../../lib/ssh/key_files.ts";
import { makeHome } from "../../support/ssh_client.ts";

const none: KeyFiles = { keys: [], skipped: [], publicKeys: [], sshOnly: undefined };
const file: KeyFile = { path: "id", text: "", mode: 0o600, isExplicit: false, isEncrypted: false };

/** The first field of a raw key: its type. */
function raw(type: string): Uint8Array {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(type.length);
  return new Uint8Array(Buffer.concat([size, Buffer.from(type), Buffer.alloc(8)]));
}

const plain = raw("ssh-ed25519");
const certificate = raw("ssh-ed25519-cert-v01@openssh.com");
const securityKey = raw("sk-ssh-ed25519@openssh.com");

interface Chosen {
  readonly keys?: readonly KeyFile[];
  readonly held?: readonly Uint8Array[];
  readonly gssapi?: boolean;
  readonly password?: string;
  readonly ticket?: string;
}

function reason({ keys = [], held = [], gssapi = false, password, ticket }: Chosen): Promise<string | undefined> {
  const env = (name: string) => name === "KRB5CCNAME" ? ticket ?? "FILE:/nonexistent" : undefined;
  const auth = { files: { ...none, keys }, heldKeys: held, isDestination: true };
  return explainSshOnly(auth, { gssapi }, { env, secret: () => Promise.resolve(password) });
}

Deno.test("explainSshOnly() chooses ssh where the agent or a ticket leaves nothing else", async () => {
  assert.match(await reason({ held: [plain, certificate] }) ?? "", /certificate/);
  assert.match(await reason({ held: [securityKey] }) ?? "", /security keys/);
  assert.match(await reason({ gssapi: true, ticket: "KEYRING:persistent:1000" }) ?? "", /GSSAPIAuthentication/);
});

Deno.test("explainSshOnly() leaves the built-in client what it can do", async () => {
  assert.equal(await reason({}), undefined);
  assert.equal(await reason({ keys: [file], held: [certificate] }), undefined);
  assert.equal(await reason({ held: [securityKey, plain] }), undefined);
  // Debian's own ssh_config sets GSSAPIAuthentication for every host.
  assert.equal(await reason({ gssapi: true }), undefined);
  assert.equal(await reason({ gssapi: true, ticket: "KCM:", keys: [file] }), undefined);
  assert.equal(await reason({ gssapi: true, ticket: "KCM:", password: "x" }), undefined);
});

Deno.test("loadKeyFiles() finds keys of a security key, by name and by type", async () => {
  await using found = await makeHome({ "id_ecdsa_sk": "-----BEGIN OPENSSH PRIVATE KEY-----\n" });
  const { home } = found;
  const byName = await loadKeyFiles({ explicit: undefined, configured: undefined, home }, () => {});
  assert.match(byName.sshOnly ?? "", /A security key holds ".*id_ecdsa_sk"/);
  const path = `${home}/.ssh/token`;
  await Deno.writeTextFile(path, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
  await Deno.writeTextFile(
    `${path}.pub`,
    `sk-ssh-ed25519@openssh.com ${Buffer.from(securityKey).toString("base64")}\n`,
  );
  const byType = await loadKeyFiles({ explicit: path, configured: undefined, home }, () => {});
  assert.match(byType.sshOnly ?? "", /A security key holds ".*token"/);
});

Deno.test("clientName() and findSsh() read the parameter and PATH", async () => {
  assert.equal(clientName({}), "Auto");
  assert.throws(() => clientName({ SshClient: "putty" }), /write Auto, System or BuiltIn/);
  const target = testTarget({ scheme: "sftp" }, { env: { PATH: "/nonexistent:relative" } });
  assert.equal(await findSsh(target), undefined);
});
