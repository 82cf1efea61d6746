import { CreateBucketCommand, type ObjectCannedACL, PutObjectCommand, S3Client } from "npm:@aws-sdk/client-s3@3.1169.0";
import type { Backend } from "../../../lib/core/backend.ts";
import { openS3 } from "../../../lib/backends/s3/mod.ts";
import type { S3Server } from "../servers/s3.ts";
import type { ConnectContext } from "../../../lib/core/protocol.ts";
import { testTarget } from "./test_target.ts";

export interface S3TargetOptions {
  readonly bucket: string;
  /** "/prefix" or "". */
  readonly path?: string;
  /** Another port than the server's own: a proxy's. */
  readonly port?: number;
  readonly accessKey?: string;
  readonly secretKey?: string;
  readonly options?: Readonly<Record<string, string>>;
}

/** Returns the context that opens a bucket of the test server, as a user would write it: s3://127.0.0.1:port/bucket/prefix. */
export function s3Target(
  server: Pick<S3Server, "port" | "accessKey" | "secretKey">,
  more: S3TargetOptions,
): ConnectContext {
  const { bucket, path = "", port = server.port, options = {} } = more;
  const { accessKey = server.accessKey, secretKey = server.secretKey } = more;
  return testTarget({ scheme: "s3", port, path: `/${bucket}${path}` }, {
    options: { AccessKey: accessKey, Region: "us-east-1", ...options },
    secrets: { SecretKey: secretKey },
  });
}

/** Opens a backend on the test server. */
export async function openTestS3(server: S3Server, more: S3TargetOptions): Promise<Backend> {
  return await openS3(s3Target(server, more), { signal: new AbortController().signal });
}

/** A client of the tests' own, beside the backend under test. */
export interface Bucket extends Disposable {
  readonly name: string;
  readonly client: S3Client;
  put(key: string, content: string, more?: PutMore): Promise<void>;
}

/** The properties of an object that a test writes. */
export interface PutMore {
  readonly metadata?: Record<string, string>;
  readonly acl?: ObjectCannedACL;
}

/** Makes a bucket, which goes with the server. */
export async function makeBucket(
  server: Pick<S3Server, "endpoint" | "accessKey" | "secretKey">,
  name = `b${crypto.randomUUID()}`,
): Promise<Bucket> {
  const { endpoint, accessKey: accessKeyId, secretKey: secretAccessKey } = server;
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  return {
    name,
    client,
    async put(key, content, { metadata, acl } = {}) {
      await client.send(
        new PutObjectCommand({
          Bucket: name,
          Key: key,
          Body: content,
          ...(metadata === undefined ? {} : { Metadata: metadata }),
          ...(acl === undefined ? {} : { ACL: acl }),
        }),
      );
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}
