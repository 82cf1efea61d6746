import assert from "node:assert/strict";
import { startSmallS3 } from "../../support/servers/small_s3.ts";
import { tandem } from "../../support/tandem.ts";

const keys = {
  AWS_ACCESS_KEY_ID: "AK",
  AWS_SECRET_ACCESS_KEY: "SK",
  AWS_SESSION_TOKEN: "TOKEN",
  AWS_REGION: "us-east-1",
};

Deno.test("A job out of the pipe that names a store of its own gets no request signed with the environment's keys", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using server = startSmallS3(() => undefined);
    const address = `s3://127.0.0.1:${server.port}/b`;
    const stdin = JSON.stringify({ LocalPath: folder, RemotePath: address, Mode: "Remote" });
    const piped = await tandem(["Sync-Path", "-WhatIf"], { env: keys, stdin, home: folder });
    assert.deepEqual([piped.code, server.requests.length], [2, 0], piped.stderr);
    assert.match(piped.stderr, /The keys of the environment are not sent to "127\.0\.0\.1:\d+"/);
    const named = await tandem(["Sync-Path", folder, address, "-Mode", "Remote", "-WhatIf"], {
      env: keys,
      home: folder,
    });
    assert.deepEqual([named.code, server.requests.length > 0], [0, true], named.stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
