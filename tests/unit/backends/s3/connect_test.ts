import assert from "node:assert/strict";
import { openS3 } from "../../../../lib/backends/s3/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import type { ConnectContext } from "../../../../lib/core/protocol.ts";
import { startSmallS3 } from "../../../support/servers/small_s3.ts";
import { s3Target } from "../../../support/targets/s3_target.ts";

const call = { signal: new AbortController().signal };
const variables: Readonly<Record<string, string>> = {
  HOME: "/nowhere",
  AWS_ACCESS_KEY_ID: "AKENV",
  AWS_SECRET_ACCESS_KEY: "SK",
  AWS_SESSION_TOKEN: "TOKEN",
};

/** A target whose keys are in the environment alone. */
function fromEnvironment(port: number, given: Partial<ConnectContext> = {}): ConnectContext {
  const { options: { AccessKey: _, ...options }, ...target } = s3Target({ port, accessKey: "AK", secretKey: "SK" }, {
    bucket: "b",
  });
  return { ...target, options, secret: () => Promise.resolve(undefined), env: (name) => variables[name], ...given };
}

Deno.test("openS3() sends the environment's keys to the store that the command line names", async () => {
  await using server = startSmallS3(() => undefined);
  await using _ = await openS3(fromEnvironment(server.port), call);
  assert.match(server.requests[0]?.headers.get("authorization") ?? "", /Credential=AKENV\//);
});

Deno.test("openS3() sends nothing to a store that the pipe names where the keys are the environment's", async () => {
  await using server = startSmallS3(() => undefined);
  const ways: readonly Partial<ConnectContext>[] = [{}, {
    options: { Profile: "tests" },
    env: (name) => ({ HOME: "/nowhere" })[name],
  }];
  for (const way of ways) {
    await assert.rejects(openS3(fromEnvironment(server.port, { ...way, isAddressPiped: true }), call), (error) => {
      assert.ok(error instanceof SyncError && error.kind === "badInput", `${error}`);
      assert.match(error.message, /not sent to "127\.0\.0\.1:\d+", .* -AccessKey and -SecretKey/);
      return true;
    });
  }
  assert.deepEqual(server.requests, []);
});

const foreign = [
  { scheme: "s3", host: "store.example", port: 9000, path: "/b" },
  { scheme: "r2", host: "account", path: "/b" },
  { scheme: "spaces", host: "fra1", path: "/b" },
  // Hosts of Amazon's customers.
  { scheme: "s3", host: "abc.execute-api.eu-west-1.amazonaws.com", path: "/b" },
  { scheme: "s3", host: "s3.evil.amazonaws.com", path: "/b" },
  { scheme: "s3", host: "s3.eu-west-1.amazonaws.com.evil.example", port: 443, path: "/b" },
];

for (const address of foreign) {
  Deno.test(`openS3() sends no keys of the environment to ${address.scheme}://${address.host} out of the pipe`, async () => {
    const target = fromEnvironment(1, { address: { ...address, pins: [] }, isAddressPiped: true });
    await assert.rejects(openS3(target, call), /are not sent to/);
  });
}

Deno.test("openS3() takes keys that were typed to a store that the pipe names", async () => {
  await using server = startSmallS3(() => undefined);
  const target = s3Target({ port: server.port, accessKey: "AK", secretKey: "SK" }, { bucket: "b" });
  await using _ = await openS3({ ...target, isAddressPiped: true }, call);
  assert.match(server.requests[0]?.headers.get("authorization") ?? "", /Credential=AK\//);
});
