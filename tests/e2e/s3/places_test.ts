import assert from "node:assert/strict";
import { sharedServer } from "../../contract/shared.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { type S3Pair, startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { type RunResult, tandem } from "../../support/tandem.ts";

const server = "s3";
const running = sharedServer(skipsServer(server), startS3Store);

/** Syncs to s3://bucket/prefix, which names no store, under this AWS configuration. */
async function run(
  pair: S3Pair,
  env: Readonly<Record<string, string>>,
  config?: string,
  timeout = "15s",
): Promise<RunResult> {
  const files = await Deno.makeTempDir({ dir: pair.dir });
  if (config !== undefined) await Deno.writeTextFile(`${files}/config`, config);
  const address = `s3://${running().bucket.name}/${pair.prefix.slice(0, -1)}`;
  return await tandem(["Sync-Path", pair.local, address, "-Mode", "Remote", "-PathStyle", "-Timeout", timeout], {
    home: `${pair.dir}/home`,
    env: { AWS_EC2_METADATA_DISABLED: "true", AWS_CONFIG_FILE: `${files}/config`, ...env },
  });
}

function keys(): Readonly<Record<string, string>> {
  const { accessKey, secretKey } = running().server;
  return { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
}

serverTest("Sync-Path finds the store that AWS_ENDPOINT_URL_S3 names", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1" });
  assertCode(await run(pair, { ...keys(), AWS_ENDPOINT_URL_S3: running().server.endpoint }), 0);
  assert.deepEqual(await pair.objects(), { "a": "1" });
});

serverTest("Sync-Path finds store, region and key in a profile, the key by a program too", { server }, async () => {
  await using pair = await startS3Pair(running());
  const { accessKey, secretKey, endpoint } = running().server;
  const said = JSON.stringify({ Version: 1, AccessKeyId: accessKey, SecretAccessKey: secretKey });
  await Deno.writeTextFile(`${pair.dir}/said`, said);
  const profile = (key: string) => `[profile own]\nregion = us-east-1\nendpoint_url = ${endpoint}\n${key}\n`;
  const ways = [
    `aws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}`,
    `credential_process = cat ${pair.dir}/said`,
  ];
  for (const [i, way] of ways.entries()) {
    await fill(pair.local, { [`${i}`]: "1" });
    assertCode(await run(pair, { AWS_PROFILE: "own", PATH: "/usr/bin:/bin" }, profile(way)), 0);
  }
  assert.deepEqual(await pair.objects(), { "0": "1", "1": "1" });
});

serverTest(
  "Sync-Path logs in with the profile that is named, whatever key the environment has",
  { server },
  async () => {
    await using pair = await startS3Pair(running());
    await fill(pair.local, { "a": "1" });
    const config = "[profile own]\naws_access_key_id = AK\naws_secret_access_key = SK\n";
    const where = { AWS_ENDPOINT_URL_S3: running().server.endpoint, AWS_REGION: "us-east-1" };
    const ran = await run(pair, { ...keys(), ...where, AWS_PROFILE: "own" }, config);
    assert.match(ran.stderr, /the store does not know the access key/);
    assertCode(ran, 4);
  },
);

serverTest("Sync-Path waits for a program that gives the key no longer than -Timeout says", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1" });
  const config = `[profile own]\nendpoint_url = ${running().server.endpoint}\ncredential_process = sleep 30\n`;
  const ran = await run(pair, { AWS_PROFILE: "own", AWS_REGION: "us-east-1", PATH: "/usr/bin:/bin" }, config, "1s");
  assert.match(ran.stderr, /Cannot open s3:[^\n]*: no credentials arrived in time; -Timeout allows more/);
  assertCode(ran, 4);
});

serverTest("Sync-Path sends nothing in clear to a store that the AWS configuration names", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1" });
  const endpoint = "http://nas.example:9000";
  for (
    const [env, config] of [
      [{ AWS_ENDPOINT_URL: endpoint }, undefined],
      [
        { AWS_PROFILE: "own", AWS_REGION: "us-east-1" },
        `[profile own]\nendpoint_url = ${endpoint}\n` +
        "aws_access_key_id = AK\naws_secret_access_key = SK\n",
      ],
    ] as const
  ) {
    const ran = await run(pair, { ...keys(), ...env }, config);
    assert.match(ran.stderr, /Refused to use http:\/\/nas\.example:9000: all content would be readable on the network/);
    assertCode(ran, 3);
  }
});
