import assert from "node:assert/strict";
import { openS3 } from "../../../../lib/backends/s3/mod.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { assertRejects } from "../../../contract/assertions.ts";
import { s3Target } from "../../../support/targets/s3_target.ts";

const call = { signal: new AbortController().signal };
const isMissing = await new Deno.Command("openssl", { args: ["version"] }).output().then(() => false, () => true);

Deno.test("SE-05 a store whose certificate nobody vouches for hears nothing of us", { ignore: isMissing }, async () => {
  const dir = await Deno.makeTempDir();
  const files = ["-keyout", `${dir}/key`, "-out", `${dir}/cert`];
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...files, "-days", "2", "-subj", "/CN=localhost"];
  await new Deno.Command("openssl", { args }).output();
  const [cert, key] = await Promise.all(["cert", "key"].map((name) => Deno.readTextFile(`${dir}/${name}`)));
  await Deno.remove(dir, { recursive: true });
  let requests = 0;
  const options = { hostname: "127.0.0.1", port: 0, cert: cert ?? "", key: key ?? "", onListen: () => {} };
  await using server = Deno.serve(options, () => {
    requests++;
    return new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
  });
  const { port } = server.addr;
  const plain = s3Target({ port, accessKey: "AK", secretKey: "SK" }, { bucket: "b" });
  const target = {
    ...plain,
    address: { scheme: "s3", host: "bucket", path: "", pins: [] },
    options: { ...plain.options, Endpoint: `https://127.0.0.1:${port}`, PathStyle: "true" },
  };
  const error = await openS3(target, call).then(() => undefined, (error) => error);
  assert.ok(error instanceof SyncError && error.kind === "hostKey", `${error}`);
  assert.match(error.message, /certificate is not trusted/);
  assert.equal(requests, 0);
  const [, printed = ""] = /-TlsHostCertificateFingerprint (\S+)$/.exec(error.message) ?? [];
  const pinned = (pin: string, more = {}) => {
    return { ...target, options: { ...target.options, ...more, TlsHostCertificateFingerprint: pin } };
  };
  const other = await assertRejects(openS3(pinned("0".repeat(64)), call), "hostKey");
  assert.match(other.message, /not the pinned one/);
  assert.equal(requests, 0);
  const clear = { Endpoint: `http://127.0.0.1:${port}` };
  assert.match(
    (await assertRejects(openS3(pinned(printed, clear), call), "badInput")).message,
    /Only a server over TLS has a certificate/,
  );
  await assertRejects(openS3(pinned(printed), call), "denied");
  assert.ok(requests > 0);
});
