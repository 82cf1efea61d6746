import { startGcsEmulator } from "../support/servers/gcs_emulator.ts";
import { ensureServer, freePort } from "../support/servers/install.ts";
import { programFile, startNpmProgram, startUntilReady } from "../support/servers/npm_program.ts";
import { makeBucket } from "../support/targets/s3_target.ts";
import { startS3 } from "../support/servers/s3.ts";
import { type MatrixServer, type Row, works } from "./row.ts";

export const storeRows: readonly Row[] = [
  {
    protocol: "S3",
    name: "Ceph",
    recipes: ["s3"],
    expects: works,
    async start() {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startS3());
      const bucket = stack.use(await makeBucket(server));
      return toStore({ ...server, bucket: bucket.name }, stack.move());
    },
  },
  {
    protocol: "S3",
    name: "s3rver",
    recipes: ["s3rver"],
    expects: {
      kind: "degraded",
      how: "the store keeps what it got of an object when the sender is killed: -Mirror sends it again",
      writesDirectly: true,
    },
    async start() {
      await using stack = new AsyncDisposableStack();
      const disk = await Deno.makeTempDir({ prefix: "tandem-s3rver-" });
      stack.defer(() => Deno.remove(disk, { recursive: true }));
      const [port, bucket, key] = [freePort(), "bucket", "S3RVER"];
      await startNpmProgram({ recipe: "s3rver", program: "s3rver.ts", words: [`${port}`, disk, bucket] }, stack);
      return toStore({ port, bucket, accessKey: key, secretKey: key }, stack.move());
    },
  },
  {
    protocol: "S3",
    name: "OpenStack Swift (s3api)",
    recipes: ["swift"],
    expects: {
      kind: "degraded",
      how: "what is there is compared just before each write, as conditions are refused (501)",
      says: /refuses If-Match and If-None-Match/,
    },
    async start() {
      await using stack = new AsyncDisposableStack();
      const found = ensureServer("swift");
      if ("missing" in found) throw new Error(`swift is missing: ${found.missing}`);
      const dir = await Deno.makeTempDir({ prefix: "tandem-swift-" });
      stack.defer(() => Deno.remove(dir, { recursive: true }));
      const [port, accessKey, secretKey] = [freePort(), "test:tester", "testing"];
      const args = [programFile("swift_server.py"), dir, `${port}`, accessKey, secretKey];
      await startUntilReady({ program: "/usr/bin/python3", args, env: found.place.env }, stack);
      const bucket = stack.use(
        await makeBucket({ endpoint: `http://127.0.0.1:${port}`, accessKey, secretKey }, "bucket"),
      );
      return toStore({ port, bucket: bucket.name, accessKey, secretKey }, stack.move());
    },
  },
  {
    protocol: "GCS",
    name: "Firebase's emulator",
    recipes: ["gcs-emulator"],
    expects: works,
    async start() {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startGcsEmulator());
      const key = await Deno.makeTempFile({ prefix: "tandem-key-", suffix: ".json" });
      stack.defer(() => Deno.remove(key));
      await Deno.writeTextFile(key, server.keyFile());
      const life = stack.move();
      return {
        port: server.port,
        root: "/bucket",
        disk: undefined,
        env: {},
        login: (path, port = server.port) => ({
          address: `gs:/${path}`,
          params: ["-KeyFile", key, "-Endpoint", `http://127.0.0.1:${port}`],
        }),
        [Symbol.asyncDispose]: () => life.disposeAsync(),
      };
    },
  },
];

/** Returns a bucket of an S3 server, which the stack ends. */
function toStore(
  server: { readonly port: number; readonly bucket: string; readonly accessKey: string; readonly secretKey: string },
  life: AsyncDisposableStack,
): MatrixServer {
  return {
    port: server.port,
    root: `/${server.bucket}`,
    disk: undefined,
    env: {
      AWS_ACCESS_KEY_ID: server.accessKey,
      AWS_SECRET_ACCESS_KEY: server.secretKey,
      AWS_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    login: (path, port = server.port) => ({ address: `s3://127.0.0.1:${port}${path}`, params: [] }),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}
