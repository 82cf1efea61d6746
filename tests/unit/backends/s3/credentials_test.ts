import assert from "node:assert/strict";
import { findLogin } from "../../../../lib/backends/s3/credentials.ts";
import type { S3ClientOptions } from "../../../../lib/backends/s3/types.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root } from "../../../../lib/core/path.ts";

const ask = { signal: new AbortController().signal, operation: "open", path: root };
const keys = { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK" };

/** What findLogin() makes of these options, with a home that holds nothing. */
async function found(
  given: Partial<S3ClientOptions>,
  env: Readonly<Record<string, string>>,
): Promise<readonly unknown[]> {
  const manners = { storageClass: undefined, acl: undefined, cacheControl: undefined, encryption: undefined };
  const login = await findLogin({
    ...{ endpoint: undefined, region: undefined, bucket: "site", pathStyle: false, profile: undefined },
    ...{ credentials: undefined, timeout: 1000, connections: 1, objectOptions: { ...manners, requesterPays: false } },
    conceal: () => {},
    proxyFor: () => Promise.resolve(undefined),
    listingTimeout: 1000,
    ...given,
    env: (name) => ({ HOME: "/nowhere", ...env })[name],
  }, ask);
  return [login.url.href, login.region, await login.credentials(ask)];
}

const own = { accessKeyId: "AK", secretAccessKey: "SK" };

Deno.test("findLogin() takes key, token, region and endpoint from the environment", async () => {
  assert.deepEqual(await found({}, { ...keys, AWS_REGION: "eu-west-1", AWS_SESSION_TOKEN: "T" }), [
    "https://site.s3.eu-west-1.amazonaws.com/",
    "eu-west-1",
    { ...own, sessionToken: "T" },
  ]);
  const endpoint = "https://minio.example:9000";
  for (const name of ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]) {
    assert.deepEqual(await found({}, { ...keys, AWS_ENDPOINT_URL: "https://other.example", [name]: endpoint }), [
      "https://site.minio.example:9000/",
      "us-east-1",
      own,
    ]);
  }
});

Deno.test("findLogin() prefers what the options say", async () => {
  const other = { accessKeyId: "other", secretAccessKey: "key" };
  const env = { ...keys, AWS_REGION: "eu-west-1", AWS_ENDPOINT_URL: "https://other.example", AWS_PROFILE: "p" };
  assert.deepEqual(
    await found({ credentials: other, region: "auto", endpoint: "https://s.example", pathStyle: true }, env),
    ["https://s.example/site/", "auto", other],
  );
});

Deno.test("findLogin() takes us-east-1 where no region is known", async () => {
  assert.deepEqual(await found({}, keys), ["https://site.s3.us-east-1.amazonaws.com/", "us-east-1", own]);
});

Deno.test("findLogin() refuses an endpoint of the environment that is no address", async () => {
  for (const AWS_ENDPOINT_URL_S3 of ["minio.example:9000", "nonsense", "ftp://x.example"]) {
    await assert.rejects(found({}, { ...keys, AWS_ENDPOINT_URL_S3 }), (error) => {
      assert.ok(error instanceof SyncError && error.kind === "badInput");
      assert.match(error.message, /AWS_ENDPOINT_URL_S3 must be the address/);
      return true;
    });
  }
});

Deno.test("findLogin() asks the SDK for Amazon's places that it does not know itself", async () => {
  const at = async (given: Partial<S3ClientOptions>, env = {}) => (await found({ credentials: own, ...given }, env))[0];
  assert.equal(await at({ region: "us-iso-east-1" }), "https://site.s3.us-iso-east-1.c2s.ic.gov/");
  await assert.rejects(at({ region: "us-east-1", bucket: "site--use1-az4--x-s3" }), (error) => {
    assert.ok(error instanceof SyncError && error.kind === "unsupported", `${error}`);
    assert.match(error.message, /another login/);
    return true;
  });
});

Deno.test("findLogin() takes the keys of a profile where region and endpoint are given", async () => {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("AWS_SHARED_CREDENTIALS_FILE");
  try {
    const file = `${folder}/credentials`;
    await Deno.writeTextFile(
      file,
      "[p]\naws_access_key_id = AKP\naws_secret_access_key = SKP\naws_session_token = TP\n",
    );
    Deno.env.set("AWS_SHARED_CREDENTIALS_FILE", file);
    const hidden: string[] = [];
    const given = {
      ...{ profile: "p", region: "auto", endpoint: "https://s.example" },
      conceal: (secret: string) => void hidden.push(secret),
    };
    assert.deepEqual(await found(given, keys), [
      "https://site.s.example/",
      "auto",
      { accessKeyId: "AKP", secretAccessKey: "SKP", sessionToken: "TP" },
    ]);
    assert.deepEqual(hidden, ["SKP", "TP"]);
  } finally {
    if (before === undefined) Deno.env.delete("AWS_SHARED_CREDENTIALS_FILE");
    else Deno.env.set("AWS_SHARED_CREDENTIALS_FILE", before);
    await Deno.remove(folder, { recursive: true });
  }
});
