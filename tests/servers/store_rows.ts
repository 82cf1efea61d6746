import { makeBucket } from "../support/targets/s3_target.ts";
import { startS3 } from "../support/servers/s3.ts";
import { type Row, works } from "./row.ts";

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
      const life = stack.move();
      return {
        port: server.port,
        root: `/${bucket.name}`,
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
    },
  },
];
