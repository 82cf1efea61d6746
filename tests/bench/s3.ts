import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ListObjectsV2Command, PutObjectCommand } from "npm:@aws-sdk/client-s3@3.1169.0";
import { type Bucket, makeBucket } from "../support/targets/s3_target.ts";
import { type S3Server, startS3 } from "../support/servers/s3.ts";
import type { Arena, Cell, Contestant, Store } from "./contest.ts";
import { rclone, tandem, versionOf, type Way } from "./contestants.ts";
import { startDelay } from "./delay.ts";

const cells: readonly Cell[] = [
  { work: "upload", data: "small", rtt: 0, bar: 0.85 },
  { work: "download", data: "small", rtt: 0, bar: 0.85 },
  { work: "upload", data: "large", rtt: 0, bar: 0.85 },
  { work: "download", data: "large", rtt: 0, bar: 0.85 },
  { work: "meet", data: "small", rtt: 0, bar: 1 },
  { work: "meet", data: "100k", rtt: 0, bar: 1 },
  { work: "nothing", data: "small", rtt: 0, bar: 1 },
  { work: "nothing", data: "100k", rtt: 0, bar: 1 },
  { work: "upload", data: "small", rtt: 40, bar: 0.85 },
  { work: "download", data: "small", rtt: 40, bar: 0.85 },
];

/** Ceph's gateway with a store in memory, and everybody who speaks S3: Tandem, rclone, aws and s3cmd. */
export async function openS3Arena(): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startS3());
  const bucket = stack.use(await makeBucket(server));
  const home = await Deno.makeTempDir({ prefix: "tandem-bench-home-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const links = new Map<number, number>([[0, server.port]]);
  const life = stack.move();
  const way = wayTo(server, bucket, home);
  return {
    cells,
    contestants: [tandem(way), ...rclone(way), aws(way, bucket), s3cmd(way, bucket)],
    store: storeOf(bucket),
    async port(rtt) {
      const known = links.get(rtt);
      if (known !== undefined) return known;
      const { port } = life.use(await startDelay(server.port, rtt / 2));
      links.set(rtt, port);
      return port;
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

function wayTo({ accessKey, secretKey }: S3Server, { name }: Bucket, home: string): Way {
  return {
    env: {
      HOME: home,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_REGION: "us-east-1",
      AWS_DEFAULT_REGION: "us-east-1",
    },
    tandem: ({ host, port, remote }) => ({ address: `s3://${host}:${port}/${name}/${remote}`, params: [] }),
    rclone: ({ host, port, remote }) => ({
      remote: `:s3:${name}/${remote}`,
      flags: ["--s3-provider=Ceph", "--s3-env-auth", `--s3-endpoint=http://${host}:${port}`, "--s3-no-check-bucket"],
    }),
    lftp: () => [],
  };
}

/** Amazon's own command line; it compares sizes and times of arrival. */
function aws({ env }: Way, { name }: Bucket): Contestant {
  return {
    name: "aws",
    role: "rival",
    version: versionOf("aws", ["--version"], /aws-cli\/(\S+)/),
    command({ work, local, remote, host, port }) {
      if (work === "both") return undefined;
      const there = `s3://${name}/${remote}`;
      const ends = work === "download" ? [there, local] : [local, there];
      const words = ["--endpoint-url", `http://${host}:${port}`, "s3", "sync", "--quiet", ...ends];
      return { program: "env", args: ["-u", "AWS_CA_BUNDLE", "aws", ...words], env };
    },
  };
}

function s3cmd({ env }: Way, { name }: Bucket): Contestant {
  return {
    name: "s3cmd",
    role: "rival",
    version: versionOf("s3cmd", ["--version"], /version (\S+)/),
    command({ work, local, remote, host, port }) {
      if (work === "both") return undefined;
      const there = `s3://${name}/${remote}/`;
      const ends = work === "download" ? [there, `${local}/`] : [`${local}/`, there];
      const at = `${host}:${port}`;
      return {
        program: "s3cmd",
        args: ["-q", "--no-ssl", `--host=${at}`, `--host-bucket=${at}`, "sync", ...ends],
        env,
      };
    },
  };
}

/** Prefixes of the bucket take the place of folders on the disk. */
function storeOf(bucket: Bucket): Store {
  const mirrors = new Map<string, Promise<string>>();
  return {
    fresh: () => Promise.resolve(crypto.randomUUID()),
    mirror(folder) {
      const known = mirrors.get(folder) ?? filled(bucket, folder);
      mirrors.set(folder, known);
      return known;
    },
    contents: (prefix) => contentsOf(bucket, prefix),
  };
}

/** A prefix that holds the folder's files, with their times as rclone and Tandem note them. */
async function filled({ client, name }: Bucket, folder: string): Promise<string> {
  const prefix = crypto.randomUUID();
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    statSync(join(folder, path)).isFile()
  );
  const work = async () => {
    for (let path = files.pop(); path !== undefined; path = files.pop()) {
      const full = join(folder, path);
      const metadata = { mtime: String(Math.floor(statSync(full).mtimeMs / 1000)) };
      const Body = readFileSync(full);
      await client.send(new PutObjectCommand({ Bucket: name, Key: `${prefix}/${path}`, Body, Metadata: metadata }));
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  return prefix;
}

async function contentsOf({ client, name }: Bucket, prefix: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: name, Prefix: `${prefix}/`, ContinuationToken: token }),
    );
    for (const { Key = "", Size, LastModified } of page.Contents ?? []) {
      found.set(Key.slice(prefix.length + 1), `${Size} ${LastModified?.getTime()}`);
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return found;
}
