import { join } from "node:path";
import { homeOfAccount } from "../../machine/account.ts";
import { badInput, cancelled } from "../../core/errors.ts";
import { toSyncError } from "./errors.ts";
import { toBucketUrl } from "./endpoint.ts";
import type { Credentials, StoreOptions } from "./types.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** A bucket's URL, signing region and credentials. */
export interface Login {
  /** The bucket's URL. It ends with "/", and keys are appended to it. */
  readonly url: URL;
  /** The region that requests are signed for. */
  readonly region: string;
  /** Returns the credentials that are valid now. */
  credentials(ask: OperationContext): Credentials | Promise<Credentials>;
}

/**
 * Reads the options and the environment. If they leave anything open, the AWS SDK resolves it: it knows ~/.aws, SSO,
 * roles and all of Amazon's endpoints. Rejects with auth, badInput, unsupported, connection or timeout.
 */
export async function findLogin(options: StoreOptions, ask: OperationContext): Promise<Login> {
  try {
    return await settled(options) ?? await fromSdk(options, ask);
  } catch (error) {
    throw toSyncError(ask, error);
  }
}

/** The region if none is configured. */
const REGION = "us-east-1";

/** Reads the environment as the SDK does. Returns undefined if the SDK would read further sources. */
async function settled(options: StoreOptions): Promise<Login | undefined> {
  const { bucket, pathStyle } = options;
  const env = (name: string) => options.env(name) || undefined;
  const profile = options.profile ?? env("AWS_PROFILE");
  const credentials = options.credentials ?? (profile === undefined ? keyIn(env) : undefined);
  const endpoint = options.endpoint ?? endpointIn(env);
  const named = options.region ?? env("AWS_REGION");
  if (credentials === undefined) return undefined;
  if (named === undefined || endpoint === undefined) {
    if (profile !== undefined || SDK_ONLY.some((name) => env(name) !== undefined)) return undefined;
    if (await hasFiles(env)) return undefined;
  }
  const region = named ?? REGION;
  const url = toBucketUrl({ endpoint, region, bucket, pathStyle });
  return url === undefined ? undefined : { url, region, credentials: () => credentials };
}

type Env = (name: string) => string | undefined;

/** Variables that select Amazon endpoints which only the SDK knows. */
const SDK_ONLY = ["AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"];

function keyIn(env: Env): Credentials | undefined {
  const [accessKeyId, secretAccessKey] = [env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = env("AWS_SESSION_TOKEN");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function endpointIn(env: Env): string | undefined {
  if (env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") === "true") return undefined;
  const name = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].find((one) => env(one) !== undefined);
  const text = name === undefined ? undefined : env(name);
  if (text === undefined || /^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw badInput(`${name} is no address of a store: "https://minio.example:9000".`);
}

async function hasFiles(env: Env): Promise<boolean> {
  const home = env("HOME") ?? env("USERPROFILE") ?? homeOfAccount();
  const below = (name: string) => home === undefined ? [] : [join(home, ".aws", name)];
  const files = [
    env("AWS_CONFIG_FILE") ?? below("config"),
    env("AWS_SHARED_CREDENTIALS_FILE") ?? below("credentials"),
  ].flat();
  const found = await Promise.all(files.map((file) => Deno.stat(file).then(() => true, isThere)));
  return found.includes(true);
}

/** Whether the file may exist: it counts as existing if it cannot be examined. */
function isThere(error: unknown): boolean {
  return !(error instanceof Deno.errors.NotFound);
}

/**
 * Lets the SDK prepare a request that is never sent. Imported only here, because the import adds a tenth of a second to
 * the start.
 */
async function fromSdk(options: StoreOptions, ask: OperationContext): Promise<Login> {
  const { HeadBucketCommand, S3Client } = await import("npm:@aws-sdk/client-s3@3.1169.0");
  const { endpoint, profile, credentials, bucket } = options;
  const given = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    ...(credentials === undefined ? {} : { credentials }),
    logger: silent,
  };
  const region = options.region ?? await new S3Client(given).config.region().catch(() => REGION);
  const client = new S3Client({ ...given, region, forcePathStyle: options.pathStyle });
  let place: Place | undefined;
  client.middlewareStack.add((_send, context) => () => {
    place = context.endpointV2;
    return Promise.resolve({ output: { $metadata: {} }, response: undefined });
  }, { step: "build", priority: "high" });
  await inTime(client.send(new HeadBucketCommand({ Bucket: bucket })), ask, options.timeout);
  const scheme = (place?.properties?.["authSchemes"] as readonly Scheme[] | undefined)?.[0];
  if (place === undefined || scheme?.name !== "sigv4" || scheme.signingName !== "s3") {
    throw operationError(ask, "unsupported", { why: "a bucket of this kind takes another login than buckets do" });
  }
  const url = new URL(place.url);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return {
    url,
    region: scheme.signingRegion ?? region,
    credentials: async (ask) => {
      const found = await inTime(client.config.credentials(), ask, options.timeout);
      for (const secret of [found.secretAccessKey, found.sessionToken]) if (secret) options.conceal(secret);
      return found;
    },
  };
}

/**
 * Limits the time of a credential provider (a program or a service), which may hang. Rejects with cancelled, and with
 * timeout after `timeout` ms.
 */
async function inTime<T>(work: Promise<T>, ask: OperationContext, timeout: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(cancelled(ask.signal, ask.operation));
  const late = () => reject(operationError(ask, "timeout", { why: "nobody gave credentials in time" }));
  const timer = setTimeout(late, timeout);
  ask.signal.addEventListener("abort", stop);
  try {
    if (ask.signal.aborted) stop();
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    ask.signal.removeEventListener("abort", stop);
  }
}

/** The endpoint that the SDK resolves for a bucket and its region. */
interface Place {
  readonly url: URL;
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface Scheme {
  readonly name?: string;
  readonly signingName?: string;
  readonly signingRegion?: string;
}

const noWord = () => {};
const silent = { debug: noWord, info: noWord, warn: noWord, error: noWord };
