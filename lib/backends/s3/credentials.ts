import { join } from "node:path";
import { accountHome } from "../../machine/account.ts";
import { badInput } from "../../core/errors.ts";
import { toSyncError } from "./errors.ts";
import { toBucketUrl } from "./address.ts";
import type { Credentials, S3ClientOptions } from "./types.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import { unlessAborted } from "../../net/abort.ts";

/** A bucket's URL, signing region and credentials. */
export interface Login {
  /** The bucket's URL. It ends with "/", and keys are appended to it. */
  readonly url: URL;
  /** The region that requests are signed for. */
  readonly region: string;
  /** Returns the credentials that are valid now. */
  credentials(context: OperationContext): Credentials | Promise<Credentials>;
}

/**
 * Reads the options and the environment. If they leave anything open, the AWS SDK resolves it: it knows ~/.aws, SSO,
 * roles and all of Amazon's endpoints. Rejects with auth, badInput, unsupported, connection or timeout.
 */
export async function findLogin(options: S3ClientOptions, context: OperationContext): Promise<Login> {
  try {
    return await loginFromEnvironment(options) ?? await loginFromSdk(options, context);
  } catch (error) {
    throw toSyncError(context, error);
  }
}

/** The region if none is configured. */
const DEFAULT_REGION = "us-east-1";

/**
 * Reads the environment as the SDK does, and leaves a search for credentials to its provider. Returns undefined if the
 * SDK would read further sources for the region or the endpoint.
 */
async function loginFromEnvironment(options: S3ClientOptions): Promise<Login | undefined> {
  const { bucket, pathStyle } = options;
  const env = (name: string) => options.env(name) || undefined;
  const profile = options.profile ?? env("AWS_PROFILE");
  const credentials = options.credentials ?? (profile === undefined ? keyFromEnvironment(env) : undefined);
  const endpoint = options.endpoint ?? endpointFromEnvironment(env);
  const named = options.region ?? env("AWS_REGION");
  if (named === undefined || endpoint === undefined) {
    if (profile !== undefined || SDK_ONLY_VARIABLES.some((name) => env(name) !== undefined)) return undefined;
    if (await hasConfigFiles(env)) return undefined;
  }
  const region = named ?? DEFAULT_REGION;
  const url = toBucketUrl({ endpoint, region, bucket, pathStyle });
  if (url === undefined) return undefined;
  return {
    url,
    region,
    credentials: credentials === undefined ? await sdkProvider(options, region) : () => credentials,
  };
}

/**
 * Returns the SDK's search for credentials: ~/.aws, SSO, a role of the container or of the machine. The provider alone
 * is imported in half the time of the SDK's client.
 */
async function sdkProvider(options: S3ClientOptions, region: string): Promise<Login["credentials"]> {
  const { defaultProvider } = await import("npm:@aws-sdk/credential-provider-node@3.972.97");
  const { profile } = options;
  const search = defaultProvider({
    ...(profile === undefined ? {} : { profile }),
    clientConfig: { region },
    logger: silent,
  });
  return hidingSecrets(search, options);
}

/** Limits the time of each search, and registers the secrets that it finds. */
function hidingSecrets(search: () => Promise<Credentials>, options: S3ClientOptions): Login["credentials"] {
  return async (context) => {
    const { accessKeyId, secretAccessKey, sessionToken } = await withTimeout(search(), context, options.timeout);
    for (const secret of [secretAccessKey, sessionToken]) if (secret) options.conceal(secret);
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  };
}

type Env = (name: string) => string | undefined;

/** Variables that select Amazon endpoints which only the SDK knows. */
const SDK_ONLY_VARIABLES = ["AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"];

function keyFromEnvironment(env: Env): Credentials | undefined {
  const [accessKeyId, secretAccessKey] = [env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = env("AWS_SESSION_TOKEN");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function endpointFromEnvironment(env: Env): string | undefined {
  if (env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") === "true") return undefined;
  const name = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].find((one) => env(one) !== undefined);
  const text = name === undefined ? undefined : env(name);
  if (text === undefined || /^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw badInput(`${name} must be the address of a store: "https://minio.example:9000".`);
}

async function hasConfigFiles(env: Env): Promise<boolean> {
  const home = env("HOME") ?? env("USERPROFILE") ?? accountHome();
  const below = (name: string) => home === undefined ? [] : [join(home, ".aws", name)];
  const files = [
    env("AWS_CONFIG_FILE") ?? below("config"),
    env("AWS_SHARED_CREDENTIALS_FILE") ?? below("credentials"),
  ].flat();
  const found = await Promise.all(files.map((file) => Deno.stat(file).then(() => true, mayExist)));
  return found.includes(true);
}

/** Whether the file may exist: it counts as existing if it cannot be examined. */
function mayExist(error: unknown): boolean {
  return !(error instanceof Deno.errors.NotFound);
}

/**
 * Lets the SDK prepare a request that is never sent. Imported only here, because the import adds a tenth of a second to
 * the start.
 */
async function loginFromSdk(options: S3ClientOptions, callContext: OperationContext): Promise<Login> {
  const { HeadBucketCommand, S3Client } = await import("npm:@aws-sdk/client-s3@3.1169.0");
  const { endpoint, profile, credentials, bucket } = options;
  const given = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    ...(credentials === undefined ? {} : { credentials }),
    logger: silent,
  };
  const region = options.region ?? await new S3Client(given).config.region().catch(() => DEFAULT_REGION);
  const client = new S3Client({ ...given, region, forcePathStyle: options.pathStyle });
  let place: ResolvedEndpoint | undefined;
  client.middlewareStack.add((_send, context) => () => {
    place = context.endpointV2;
    return Promise.resolve({ output: { $metadata: {} }, response: undefined });
  }, { step: "build", priority: "high" });
  await withTimeout(client.send(new HeadBucketCommand({ Bucket: bucket })), callContext, options.timeout);
  const scheme = (place?.properties?.["authSchemes"] as readonly AuthScheme[] | undefined)?.[0];
  if (place === undefined || scheme?.name !== "sigv4" || scheme.signingName !== "s3") {
    throw operationError(callContext, "unsupported", {
      why: "a bucket of this kind needs another login, which is not supported",
    });
  }
  const url = new URL(place.url);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return {
    url,
    region: scheme.signingRegion ?? region,
    credentials: hidingSecrets(() => client.config.credentials(), options),
  };
}

/**
 * Limits the time of a credential provider (a program or a service), which may hang. Rejects with cancelled, and with
 * timeout after `timeout` ms.
 */
async function withTimeout<T>(work: Promise<T>, context: OperationContext, timeout: number): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const late = () =>
    reject(operationError(context, "timeout", { why: "no credentials arrived in time; -Timeout allows more" }));
  const timer = setTimeout(late, timeout);
  try {
    return await unlessAborted(Promise.race([work, over]), context);
  } finally {
    clearTimeout(timer);
  }
}

/** The endpoint that the SDK resolves for a bucket and its region. */
interface ResolvedEndpoint {
  readonly url: URL;
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface AuthScheme {
  readonly name?: string;
  readonly signingName?: string;
  readonly signingRegion?: string;
}

const ignore = () => {};
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };
