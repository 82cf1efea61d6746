import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { openGcs } from "../../../../lib/backends/gcs/mod.ts";
import { parseCredentials } from "../../../../lib/backends/gcs/credentials.ts";
import { AccessTokens } from "../../../../lib/backends/gcs/access_tokens.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root } from "../../../../lib/core/path.ts";
import { assertRejects, call } from "../../../contract/assertions.ts";
import { gcsTarget, type GcsTargetOptions } from "../../../support/targets/gcs_target.ts";
import { type GcsServer, startGcs } from "../../../support/servers/gcs.ts";
import { GcsLogin, REFRESH } from "../../../support/servers/gcs_login.ts";

const ask = { ...call, operation: "open", path: root };
const user = { type: "authorized_user", client_id: "id", client_secret: "secret-word", refresh_token: REFRESH };

/** Opens and closes a bucket with these files: name → content; gives how many tokens that took. */
async function opens(
  server: GcsServer,
  files: Readonly<Record<string, string>>,
  more: GcsTargetOptions,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-gcs-" });
  const placed = (values: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.replace("DIR", dir)]));
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(`${dir}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${dir}/${name}`, text);
    }
    const target = gcsTarget(server, { ...more, options: placed(more.options), env: placed(more.env) });
    await using _ = await openGcs(target, call);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("openGcs() finds credentials as Google's programs do: the parameter, the variable, gcloud's file, the machine", async () => {
  await using server = await startGcs();
  server.makeBucket("bucket");
  const uri = `${server.endpoint}/token`;
  const [key, login, wrong] = [server.keyFile(), JSON.stringify({ ...user, token_uri: uri }), "{}"];
  const gcloud = ".config/gcloud/application_default_credentials.json";
  await opens(server, { key, wrong }, {
    options: { KeyFile: "DIR/key" },
    env: { GOOGLE_APPLICATION_CREDENTIALS: "DIR/wrong" },
  });
  await opens(server, { key, [gcloud]: wrong }, { env: { GOOGLE_APPLICATION_CREDENTIALS: "DIR/key", HOME: "DIR" } });
  await opens(server, { [gcloud]: login }, { env: { HOME: "DIR", APPDATA: "DIR/.config" } });
  await opens(server, { "set/application_default_credentials.json": login }, {
    env: { HOME: "DIR", CLOUDSDK_CONFIG: "DIR/set" },
  });
  await opens(server, {}, { env: { HOME: "DIR", GCE_METADATA_HOST: `127.0.0.1:${server.port}` } });
  await opens(server, { "k/key": key }, { options: { KeyFile: "~/k/key" }, env: { HOME: "DIR", USERPROFILE: "DIR" } });
  assert.equal(server.login.given, 6);
});

Deno.test("openGcs() says what to give where no credentials are found", async () => {
  await using server = await startGcs();
  const target = gcsTarget(server, { env: { HOME: "/nonexistent", GCE_METADATA_HOST: "127.0.0.1:1" } });
  const error = await assertRejects(openGcs(target, call), "auth");
  assert.match(error.message, /-KeyFile.*GOOGLE_APPLICATION_CREDENTIALS.*gcloud/);
});

Deno.test("openGcs() names a file of credentials that is missing", async () => {
  await using server = await startGcs();
  for (const more of [{ options: { KeyFile: "/no/key" } }, { env: { GOOGLE_APPLICATION_CREDENTIALS: "/no/key" } }]) {
    const error = await assertRejects(openGcs(gcsTarget(server, more), call), "badInput");
    assert.match(error.message, /"\/no\/key"/);
  }
});

Deno.test("parseCredentials() refuses what cannot log in, and shows nothing of it", () => {
  const good = JSON.parse(new GcsLogin().keyFile("https://oauth2.googleapis.com/token"));
  assert.match(parseCredentials(`\ufeff${JSON.stringify(good)}`, "f").account, /ci@project/);
  const wrong: readonly unknown[] = [
    ...["secret-word", [], { secret: "secret-word" }, { ...good, private_key: "secret-word" }],
    { ...good, client_email: undefined },
    { ...good, token_uri: "http://evil.example/secret-word" },
    { ...good, token_uri: "https://u:secret-word@host/" },
    { ...user, refresh_token: "" },
    { ...user, token_uri: "ftp://secret-word" },
    { type: "external_account", secret: "secret-word" },
  ];
  for (const value of wrong) {
    assert.throws(() => parseCredentials(JSON.stringify(value), "the/file"), (error) => {
      assert.ok(error instanceof SyncError && error.kind === "badInput");
      assert.match(error.message, /"the\/file"/);
      assert.ok(!error.message.includes("secret-word"), error.message);
      return true;
    });
  }
});

Deno.test("A service account's claim is signed, for its endpoint alone, and over within the hour", () => {
  const { request } = parseCredentials(new GcsLogin().keyFile("https://oauth2.googleapis.com/token"), "f");
  const { url, body } = request(1_700_000_000_999);
  assert.equal(url.href, "https://oauth2.googleapis.com/token");
  const [header = "", claims = ""] = (new URLSearchParams(body).get("assertion") ?? "").split(".");
  const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
  assert.deepEqual(read(header), { alg: "RS256", typ: "JWT", kid: "k1" });
  const { aud, iat, exp } = read(claims);
  assert.deepEqual([aud, iat, exp], ["https://oauth2.googleapis.com/token", 1_700_000_000, 1_700_003_600]);
});

Deno.test("Tokens are fetched once for all who wait, kept while they are good, and fetched anew before they end", async () => {
  await using server = await startGcs();
  const tokens = new AccessTokens(parseCredentials(server.keyFile(), "f"), {
    timeout: 5000,
    conceal: () => {},
    proxyFor: () => Promise.resolve(undefined),
  });
  const many = await Promise.all(Array.from({ length: 10 }, () => tokens.get(ask)));
  assert.deepEqual([new Set(many).size, server.login.given], [1, 1]);
  await tokens.get(ask);
  assert.equal(server.login.given, 1);
  await tokens.invalidate("another");
  await tokens.get(ask);
  assert.equal(server.login.given, 1);
  await tokens.invalidate(many[0] ?? "");
  await tokens.get(ask);
  assert.equal(server.login.given, 2);
});

Deno.test("A token that is refused is fetched once more, and then the login has failed", async () => {
  await using server = await startGcs();
  server.makeBucket("bucket");
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, server.keyFile());
    await using backend = await openGcs(gcsTarget(server, { options: { KeyFile: file } }), call);
    server.login.revoke();
    assert.deepEqual(await backend.list(root, call), []);
    assert.equal(server.login.given, 2);
    for (let i = 0; i < 2; i++) server.fail("list", { status: 401, reason: "authError" });
    await assertRejects(backend.list(root, call), "auth");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("Tokens wait for nobody who is gone", async () => {
  await using server = await startGcs();
  const tokens = new AccessTokens(parseCredentials(server.keyFile(), "f"), {
    timeout: 5000,
    conceal: () => {},
    proxyFor: () => Promise.resolve(undefined),
  });
  const stop = new AbortController();
  const work = tokens.get({ ...ask, signal: stop.signal });
  stop.abort();
  await assertRejects(work, "cancelled");
  await tokens.get(ask);
});
