import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { KeyFile } from "../../../lib/ssh/key_files.ts";
import { type AuthOptions, AuthSequence } from "../../../lib/ssh/auth_methods.ts";

const { privateKey } = generateKeyPairSync("ed25519");
const text = String(privateKey.export({ type: "pkcs8", format: "pem" }));

function key(path: string, explicit = false): KeyFile {
  return { path, text, mode: 0o600, isExplicit: explicit, isEncrypted: false };
}

function setup(
  more: Partial<AuthOptions> & { readonly password?: string; ask?(): string | undefined } = {},
): AuthOptions {
  return {
    account: "ann@web1",
    isDestination: true,
    files: { keys: [], skipped: [], publicKeys: [], sshOnly: undefined },
    agent: undefined,
    agentKeys: undefined,
    disabledMethods: [],
    context: {
      secret: (name) => Promise.resolve(name === "password" ? more.password : undefined),
      prompt: () => Promise.resolve(more.ask?.()),
      keepSecret: () => {},
    },
    ...more,
  };
}

function files(...keys: readonly KeyFile[]): AuthOptions["files"] {
  return { keys, skipped: [], publicKeys: [], sshOnly: undefined };
}

/** The methods that a server sees which refuses everything, and the final message. */
async function refuseAll(logins: AuthSequence, methods: readonly string[]): Promise<[string[], string]> {
  const seen: string[] = [];
  try {
    for (let offered: readonly string[] | undefined;; offered = methods) {
      seen.push((await logins.authenticate(offered, false)).method);
      assert.ok(seen.length < 20, "it never ends");
    }
  } catch (error) {
    assert.ok(error instanceof Error);
    return [seen, error.message];
  }
}

Deno.test("Logins offers the named key, the given password, the agent, then the other keys", async () => {
  const logins = new AuthSequence(
    setup({ files: files(key("a"), key("named", true)), password: "x", agent: "/agent" }),
  );
  const [seen, message] = await refuseAll(logins, ["publickey", "password"]);
  assert.deepEqual(seen, ["publickey", "password", "agent", "publickey"]);
  assert.match(
    message,
    /refused key "named", the given password, the agent's keys, key "a"; the server accepts publickey, password/,
  );
});

Deno.test("Logins asks what a server takes before it sends a password", async () => {
  const [seen] = await refuseAll(new AuthSequence(setup({ password: "x", agent: "/agent" })), ["publickey"]);
  assert.deepEqual(seen, ["none", "agent"]);
});

Deno.test("Logins lets a key go first without a question where no password was given", async () => {
  const [seen] = await refuseAll(new AuthSequence(setup({ files: files(key("a")) })), ["publickey"]);
  assert.deepEqual(seen, ["publickey"]);
});

Deno.test("Logins leaves out the methods that the configuration refuses", async () => {
  const logins = new AuthSequence(
    setup({ files: files(key("a")), agent: "/agent", password: "x", disabledMethods: ["publickey"] }),
  );
  assert.deepEqual((await refuseAll(logins, ["publickey", "password"]))[0], ["none", "password"]);
});

Deno.test("Logins asks a person three times and no more", async () => {
  const logins = new AuthSequence(setup({ ask: () => "typed" }));
  assert.deepEqual((await refuseAll(logins, ["password"]))[0], ["none", "password", "password", "password"]);
});

Deno.test("Logins goes on with what a second factor allows, and gives both again on a further link", async () => {
  const logins = new AuthSequence(setup({ files: files(key("a")), password: "x" }));
  assert.equal((await logins.authenticate(undefined, false)).method, "none");
  assert.equal((await logins.authenticate(["publickey"], false)).method, "publickey");
  assert.equal((await logins.authenticate(["password"], true)).method, "password");
  logins.onSuccess();
  const again = logins.replay();
  assert.equal((await again(undefined, false)).method, "publickey");
  assert.equal((await again(["password"], true)).method, "password");
  await assert.rejects(again(["password"], false), /refused a login on a further connection/);
});

Deno.test("Logins goes on behind the login over which a server hung up", async () => {
  const logins = new AuthSequence(setup({ files: files(key("a")), agent: "/agent" }));
  assert.equal((await logins.authenticate(undefined, false)).method, "agent");
  assert.equal(logins.onDisconnect(), true);
  assert.equal((await logins.authenticate(undefined, false)).method, "publickey");
});

Deno.test("Logins does not dial again for a server that hangs up between two factors", async () => {
  const logins = new AuthSequence(setup({ files: files(key("a"), key("b")) }));
  await logins.authenticate(undefined, false);
  await logins.authenticate(["publickey"], true);
  assert.equal(logins.onDisconnect(), false);
});
