import assert from "node:assert/strict";
import { sharedServer } from "../../contract/shared.ts";
import { assertCode, fill } from "../../support/targets/sftp_pair.ts";
import { startS3Pair, startS3Store } from "../../support/targets/s3_pair.ts";
import { serverTest, skipsServer } from "../../support/servers/install.ts";
import { counts, tandem } from "../../support/tandem.ts";

const server = "s3";
const running = sharedServer(skipsServer(server), startS3Store);

serverTest("Sync-Path to gs: with an HMAC key speaks to the store as to S3, both ways", { server }, async () => {
  const store = running();
  await using pair = await startS3Pair(store);
  await fill(pair.local, { "a.txt": "one", "dir/b": "two" });
  const { accessKey, secretKey, port } = store.server;
  const address = `gs://${store.bucket.name}/${pair.prefix.slice(0, -1)}`;
  const key = ["-Endpoint", `http://127.0.0.1:${port}`, "-AccessKey", accessKey];
  const sync = (...words: string[]) =>
    tandem(["Sync-Path", pair.local, address, ...words, ...key], {
      home: `${pair.dir}/home`,
      env: { TANDEM_PASSWORD: secretKey },
    });
  assertCode(await sync("-Mode", "Remote"), 0);
  assert.deepEqual(await pair.objects(), { "a.txt": "one", "dir/b": "two" });
  await pair.put(`${pair.prefix}new`, "three");
  assert.deepEqual(counts(await sync("-Mode", "Both")), [0, 1, 0, 0, 0]);
  assert.deepEqual(counts(await sync("-Mode", "Both")), [0, 0, 0, 0, 0]);
  const wrong = await sync("-Mode", "Remote", "-KeyFile", "/no/such/file");
  assertCode(wrong, 2);
  assert.match(wrong.stderr, /-AccessKey.*-KeyFile/);
});
