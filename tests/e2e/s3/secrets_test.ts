import assert from "node:assert/strict";
import { sharedServer } from "../../contract/shared.ts";
import { findSecret, readEverything } from "../../support/secret_leaks.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { type S3Pair, startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { type RunResult, tandem } from "../../support/tandem.ts";

const server = "s3";
const running = sharedServer(skipsServer(server), startS3Store);

interface Given {
  readonly words?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The ways a key and its secret are given; files lie in a folder that is not searched afterwards. */
const ways: Readonly<Record<string, (key: string, secret: string, files: string) => Promise<Given> | Given>> = {
  "-SecretKey": (key, secret) => ({ words: ["-AccessKey", key, "-SecretKey", secret] }),
  "TANDEM_PASSWORD": (key, secret) => ({ words: ["-UserName", key], env: { TANDEM_PASSWORD: secret } }),
  "AWS_SECRET_ACCESS_KEY": (key, secret) => ({ env: { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret } }),
  "-PasswordFile": async (key, secret, files) => {
    await Deno.writeTextFile(`${files}/password`, secret, { mode: 0o600 });
    return { words: ["-UserName", key, "-PasswordFile", `${files}/password`] };
  },
  "-Profile": async (key, secret, files) => {
    const text = `[tests]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`;
    await Deno.writeTextFile(`${files}/credentials`, text, { mode: 0o600 });
    return { words: ["-Profile", "tests"], env: { AWS_SHARED_CREDENTIALS_FILE: `${files}/credentials` } };
  },
};

async function run(pair: S3Pair, command: readonly string[], { words = [], env = {} }: Given): Promise<RunResult> {
  const own = { AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true", ...env };
  return await tandem([...command, ...words], { home: `${pair.dir}/home`, env: own });
}

async function assertSecret(pair: S3Pair, ran: RunResult): Promise<void> {
  for (
    const text of [ran.stdout, ran.stderr, await readEverything(`${pair.dir}/home`), await readEverything(pair.local)]
  ) {
    assert.equal(findSecret(text), undefined, text.slice(0, 2000));
  }
}

for (const [way, give] of Object.entries(ways)) {
  serverTest(`A secret given by ${way} opens the bucket, and shows nowhere`, { server }, async () => {
    await using pair = await startS3Pair(running());
    const { accessKey, secretKey } = running().server;
    const files = await Deno.makeTempDir({ dir: pair.dir });
    await fill(pair.local, { "a": "1" });
    const sync = ["Sync-Path", pair.local, pair.address, "-Mode", "Both"];
    const good = await run(pair, sync, await give(accessKey, secretKey, files));
    assertCode(good, 0);
    await assertSecret(pair, good);
    const wrong = await run(pair, sync, await give(accessKey, `${secretKey}x`, files));
    assertCode(wrong, 4);
    assert.match(wrong.stderr, /the secret does not match the access key/);
    await assertSecret(pair, wrong);
    const session = await run(pair, ["New-Session", pair.address], await give(accessKey, secretKey, files));
    assertCode(session, 0);
    await assertSecret(pair, session);
  });
}

serverTest(
  "A key without a secret, and no key at all, end in one sentence before anything is sent",
  { server },
  async () => {
    await using pair = await startS3Pair(running());
    await fill(pair.local, { "a": "1" });
    const sync = ["Sync-Path", pair.local, pair.address, "-Mode", "Remote"];
    const half = await run(pair, sync, { words: ["-AccessKey", "AK"] });
    assertCode(half, 2);
    assert.match(half.stderr, /The secret of the access key is missing: give -SecretKey/);
    const none = await run(pair, sync, {});
    assertCode(none, 4);
    assert.match(none.stderr, /no credentials: give -AccessKey and -SecretKey, -Profile/);
    assert.deepEqual(await pair.requests(), {});
  },
);

serverTest("A missing bucket ends in one sentence, exit 1", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1" });
  const address = pair.address.replace(/\/[^/]+\/[^/]+$/, "/there-is-none/x");
  const ran = await tandem(["Sync-Path", pair.local, address, "-Mode", "Remote"], { env: pair.env, home: pair.dir });
  assertCode(ran, 1);
  assert.match(ran.stderr, /Cannot open s3:\/\/[^ ]*\/there-is-none: there is no such bucket/);
});
