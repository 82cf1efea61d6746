import assert from "node:assert/strict";
import { fill } from "../../support/targets/sftp_pair.ts";
import { startSmallS3 } from "../../support/servers/small_s3.ts";
import { tandem } from "../../support/tandem.ts";

const config = "[default]\nregion = eu-north-1\n[profile other]\nregion = eu-south-1\n";
const keys = "[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n[other]\naws_access_key_id = AK2\n" +
  "aws_secret_access_key = SK\n";

interface Given {
  readonly words?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

const cases: readonly (readonly [string, Given, string])[] = [
  [
    "Amazon's first where nobody names one",
    { env: { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK" } },
    "us-east-1",
  ],
  ["AWS_REGION", { files: { config, credentials: keys }, env: { AWS_REGION: "eu-west-3" } }, "eu-west-3"],
  ["the user's AWS configuration", { files: { config, credentials: keys } }, "eu-north-1"],
  ["-Profile", { files: { config, credentials: keys }, words: ["-Profile", "other"] }, "eu-south-1"],
  ["-Region", { files: { config, credentials: keys }, words: ["-Region", "ap-east-1"] }, "ap-east-1"],
];

for (const [what, { words = [], env = {}, files = {} }, region] of cases) {
  Deno.test(`Requests are signed for a region: ${what}`, async () => {
    await using store = startSmallS3(() => undefined);
    const dir = await Deno.makeTempDir({ prefix: "tandem-s3-region-" });
    await fill(dir, {
      "local/a": "1",
      ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`home/.aws/${name}`, text])),
    });
    const address = `s3://127.0.0.1:${store.port}/b/x`;
    const sync = ["Sync-Path", `${dir}/local`, address, "-Mode", "Remote", "-WhatIf", ...words];
    await tandem(sync, { home: `${dir}/home`, env: { AWS_EC2_METADATA_DISABLED: "true", ...env } });
    const signed = store.requests.map(({ headers }) => headers.get("authorization")?.split("/")[2]);
    assert.deepEqual([...new Set(signed)], [region]);
    await Deno.remove(dir, { recursive: true });
  });
}
