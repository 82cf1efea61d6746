import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from "npm:@aws-sdk/client-s3@3.1169.0";
import { type Bucket, makeBucket } from "./s3_target.ts";
import { type S3Server, startS3 } from "../servers/s3.ts";
import { type RunResult, startTandem, tandem } from "../tandem.ts";

/** A server with one bucket, for all tests of a file. */
export interface S3Store extends AsyncDisposable {
  readonly server: S3Server;
  readonly bucket: Bucket;
}

/** A local folder and an empty prefix of the bucket. */
export interface S3Pair extends AsyncDisposable {
  readonly dir: string;
  readonly local: string;
  /** Ends with "/". */
  readonly prefix: string;
  /** "s3://127.0.0.1:port/bucket/prefix", by way of `port` where one was given. */
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  sync(words: string, more?: { readonly local?: string; readonly home?: string }): Promise<RunResult>;
  start(words: string): Deno.ChildProcess;
  put: Bucket["put"];
  /** Contents by key, as seen from the prefix. */
  objects(): Promise<Readonly<Record<string, string>>>;
  /** Keys of uploads that nobody finished. */
  unfinished(): Promise<readonly string[]>;
  /** Methods of the requests for this prefix since the last call, such as { GET: 3 }. */
  requests(): Promise<Readonly<Record<string, number>>>;
}

/** Starts the server and makes its bucket. */
export async function startS3Store(): Promise<S3Store> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startS3());
  const bucket = stack.use(await makeBucket(server));
  const life = stack.move();
  return { server, bucket, [Symbol.asyncDispose]: () => life.disposeAsync() };
}

/** A new pair on a server that runs. `port`: a proxy's. */
export async function startS3Pair(
  { server, bucket }: S3Store,
  { port = server.port }: { readonly port?: number } = {},
): Promise<S3Pair> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-s3-pair-" });
  const local = `${dir}/local`;
  await Deno.mkdir(local);
  await Deno.mkdir(`${dir}/home`);
  const prefix = `${crypto.randomUUID()}/`;
  const address = `s3://127.0.0.1:${port}/${bucket.name}/${prefix.slice(0, -1)}`;
  const env = {
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const options = { home: `${dir}/home`, env };
  const args = (words: string, folder = local) => ["Sync-Path", folder, address, ...words.split(" ")];
  let seen = 0;
  return {
    dir,
    local,
    prefix,
    address,
    env,
    sync: (words, more = {}) => tandem(args(words, more.local), { ...options, home: more.home ?? options.home }),
    start: (words) => startTandem(args(words), options),
    put: (key, content, more) => bucket.put(prefix + key, content, more),
    objects: () => contents(bucket, prefix),
    unfinished: async () => {
      const found = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: prefix }));
      return (found.Uploads ?? []).map(({ Key = "" }) => Key.slice(prefix.length));
    },
    requests: async () => {
      const all = await requestsUpTo(server, { bucket, mark: `mark-${crypto.randomUUID()}` });
      const mine = all.slice(seen).filter((line) => line.includes(prefix.slice(0, -1)));
      seen = all.length;
      const counts: Record<string, number> = {};
      for (const line of mine) {
        const method = line.slice(0, line.indexOf(" "));
        counts[method] = (counts[method] ?? 0) + 1;
      }
      return counts;
    },
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/** The server's log, once it has come to a request that is made now: all before it is in there. */
async function requestsUpTo(
  server: S3Server,
  { bucket, mark }: { readonly bucket: Bucket; readonly mark: string },
): Promise<readonly string[]> {
  await bucket.client.send(new ListObjectsV2Command({ Bucket: bucket.name, Prefix: mark }));
  for (let attempt = 0; attempt < 200; attempt++) {
    const all = await server.requests();
    if (all.some((line) => line.includes(mark))) return all;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return assert.fail("the server's log does not tell its requests");
}

async function contents({ client, name }: Bucket, prefix: string): Promise<Readonly<Record<string, string>>> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name, Prefix: prefix }));
  const found = await Promise.all(Contents.map(async ({ Key = "" }) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: name, Key }));
    const bytes = await Body?.transformToByteArray() ?? new Uint8Array();
    return [Key.slice(prefix.length), Buffer.from(bytes).toString("latin1")] as const;
  }));
  return Object.fromEntries(found);
}
