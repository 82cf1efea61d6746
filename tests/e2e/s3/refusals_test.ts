import assert from "node:assert/strict";
import { DeleteBucketPolicyCommand, PutBucketPolicyCommand } from "npm:@aws-sdk/client-s3@3.1169.0";
import { sharedServer } from "../../contract/shared.ts";
import { findSecret, readEverything, secretCanary } from "../../support/secret_leaks.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { type S3Store, startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { errorResponse, startSmallS3 } from "../../support/servers/small_s3.ts";
import { counts, tandem } from "../../support/tandem.ts";

const server = "s3";
const running = sharedServer(skipsServer(server), startS3Store);

const region = { "x-amz-bucket-region": "eu-west-1" };
const refusals: readonly (readonly [string, number, string, Record<string, string>, number, RegExp])[] = [
  ["a wrong key", 403, "InvalidAccessKeyId", {}, 4, /: the store does not know the access key$/m],
  ["a wrong secret", 403, "SignatureDoesNotMatch", {}, 4, /: the secret does not match the access key$/m],
  [
    "a token that ended",
    400,
    "ExpiredToken",
    {},
    4,
    /: the token of the access key is not valid or has expired: log in again$/m,
  ],
  ["a clock that is wrong", 403, "RequestTimeTooSkewed", {}, 4, /: this machine's clock is wrong by more than .*$/m],
  ["a wrong region", 301, "PermanentRedirect", region, 4, /another region: write -Region eu-west-1$/m],
  ["a wrong region", 400, "AuthorizationHeaderMalformed", region, 4, /another region: write -Region eu-west-1$/m],
  ["a missing bucket", 404, "NoSuchBucket", {}, 1, /: there is no such bucket$/m],
  ["a bucket of somebody else", 403, "AccessDenied", {}, 1, /: permission denied$/m],
];

for (const [what, status, code, headers, exit, sentence] of refusals) {
  Deno.test(`Sync-Path says in one sentence what ${what} is (${code}), exit ${exit}, and shows no secret`, async () => {
    await using store = startSmallS3(() => errorResponse(status, code, headers));
    const dir = await Deno.makeTempDir({ prefix: "tandem-s3-refusal-" });
    await fill(`${dir}/local`, { "a": "1" });
    const env = { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: secretCanary, AWS_SESSION_TOKEN: secretCanary };
    const words = ["Sync-Path", `${dir}/local`, `s3://127.0.0.1:${store.port}/b/x`, "-Mode", "Both", "-Verbose"];
    const ran = await tandem(words, { home: `${dir}/home`, env });
    assertCode(ran, exit);
    assert.match(ran.stderr, sentence);
    assert.equal(ran.stderr.match(/Cannot open/g)?.length, 1, ran.stderr);
    for (const text of [ran.stdout, ran.stderr, await readEverything(dir)]) {
      assert.equal(findSecret(text), undefined, text.slice(0, 2000));
      assert.doesNotMatch(text, /Signature=|X-Amz-|AWS4-HMAC/);
    }
    await Deno.remove(dir, { recursive: true });
  });
}

serverTest("A key that the store does not know ends in one sentence, exit 4", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1" });
  const env = { ...pair.env, AWS_ACCESS_KEY_ID: "AKNOBODY" };
  const ran = await tandem(["Sync-Path", pair.local, pair.address, "-Mode", "Remote"], { env, home: pair.dir });
  assertCode(ran, 4);
  assert.match(ran.stderr, /Cannot open s3:\/\/[^ ]*: the store does not know the access key/);
});

serverTest("An object that may not be written is a failure of its own, and the others are written", {
  server,
}, async () => {
  await using pair = await startS3Pair(running());
  await using _ = await denying(running(), "s3:PutObject", `/${pair.prefix}secret/*`);
  await fill(pair.local, { "a": "1", "secret/b": "2" });
  const ran = await pair.sync("-Mode Remote");
  assertCode(ran, 1);
  assert.deepEqual(counts(ran), [1, 0, 0, 0, 1]);
  assert.match(JSON.stringify(ran.result()["Failures"]), /secret\/b.*permission denied/);
  assert.deepEqual(await pair.objects(), { "a": "1" });
});

serverTest("A bucket that may not be listed ends in one sentence, exit 1", { server }, async () => {
  await using pair = await startS3Pair(running());
  await fill(pair.local, { "a": "1" });
  await using _ = await denying(running(), "s3:ListBucket", "");
  const ran = await pair.sync("-Mode Remote -Remove");
  assertCode(ran, 1);
  assert.match(ran.stderr, /Cannot open s3:\/\/[^ ]*: permission denied/);
});

/** Forbids everybody one thing in the bucket, until it is disposed. */
async function denying({ bucket }: S3Store, Action: string, where: string): Promise<AsyncDisposable> {
  const { client, name } = bucket;
  const Statement = [{ Effect: "Deny", Principal: "*", Action, Resource: `arn:aws:s3:::${name}${where}` }];
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
  await client.send(new PutBucketPolicyCommand({ Bucket: name, Policy }));
  return {
    async [Symbol.asyncDispose]() {
      await client.send(new DeleteBucketPolicyCommand({ Bucket: name }));
    },
  };
}
