import type { Backend } from "../../../lib/core/backend.ts";
import { openGcs } from "../../../lib/backends/gcs/mod.ts";
import { utf8 } from "../content.ts";
import { type GcsBucket, type GcsServer, startGcs } from "../servers/gcs.ts";
import type { ConnectContext } from "../../../lib/core/protocol.ts";
import { testTarget } from "./test_target.ts";

export interface GcsTargetOptions {
  /** Another port than the server's own: a proxy's. */
  readonly port?: number;
  readonly bucket?: string;
  readonly path?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** Returns the context that opens a bucket of the test server, as a user would write it; the credentials come with `options` or `env`. */
export function gcsTarget(server: Pick<GcsServer, "port">, more: GcsTargetOptions = {}): ConnectContext {
  const { port = server.port, bucket = "bucket", path = "", options = {}, env = {} } = more;
  return testTarget({ scheme: "gs", host: bucket, path }, {
    options: { Endpoint: `http://127.0.0.1:${port}`, ...options },
    env,
  });
}

/** Opens a bucket with the account that the server knows, its key in a file as long as that takes. */
export async function openTestGcs(server: GcsServer, more: GcsTargetOptions = {}): Promise<Backend> {
  const file = await Deno.makeTempFile({ prefix: "tandem-key-", suffix: ".json" });
  try {
    await Deno.writeTextFile(file, server.keyFile());
    const target = gcsTarget(server, { ...more, options: { KeyFile: file, ...more.options } });
    return await openGcs(target, { signal: new AbortController().signal });
  } finally {
    await Deno.remove(file);
  }
}

/** Runs the work with an empty bucket of a Cloud Storage of its own. */
export async function withBucket(
  work: (backend: Backend, bucket: GcsBucket, server: GcsServer) => Promise<void>,
  options: Parameters<typeof startGcs>[0] = {},
): Promise<void> {
  await using server = await startGcs(options);
  const bucket = server.makeBucket("bucket");
  const more = options.requesterPays === true ? { options: { UserProject: "p" } } : {};
  await using backend = await openTestGcs(server, more);
  await work(backend, bucket, server);
}

/** Puts an object into the bucket beside the backend. */
export function plant({ store }: GcsBucket, name: string, bytes: Uint8Array<ArrayBuffer> = utf8("x")): void {
  store.put({ name, bytes }, new URLSearchParams());
}
