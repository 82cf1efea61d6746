import { badInput } from "../../core/errors.ts";
import { escapeForDisplay, root } from "../../core/path.ts";
import type { CallOptions } from "../../core/backend.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import type { UploadContext } from "./write.ts";
import { openS3Client } from "./client.ts";
import type { Credentials } from "./types.ts";
import { initialSupport, refusedPreconditionsWarning } from "./conditional_write.ts";
import { type ObjectContext, toPrefix } from "./keys.ts";
import { assertKnownStorageClass, parseObjectOptions } from "./object_options.ts";
import { connectWithRetry } from "../../net/backoff.ts";
import { findProxy } from "../../net/proxy.ts";
import { destinationOf } from "../../net/proxy_types.ts";
import { assertTlsForPins, readTlsPins } from "../../net/tls.ts";
import { assertSecure, isAmazonS3, parseBucketAddress } from "./address.ts";
import { ByteSemaphore } from "../../net/byte_semaphore.ts";
import { Semaphore } from "../../net/semaphore.ts";
import { listingTimeout, numberOption } from "../shared/options.ts";
import { once, uncheckedDownloadsWarning } from "../shared/object_store_traits.ts";

/** An open bucket, and the start folder of the session. */
export interface Bucket {
  readonly uploads: UploadContext;
  readonly pieces: Semaphore;
  readonly label: string;
  /** "/" or "/a/b". */
  readonly path: string;
  /** Reports a removal in a bucket that keeps versions. */
  warnOfVersions(): void;
  /** Reports a read whose content could not be compared with anything. */
  warnUnchecked(): void;
}

/**
 * Lists one key, so that wrong credentials or a missing bucket are reported at once. Writes nothing. Rejects with
 * connection, timeout, auth, hostKey, notFound, denied, refused or badInput.
 */
export async function connectS3(target: ConnectContext, call: CallOptions): Promise<Bucket> {
  const { options } = target;
  const address = parseBucketAddress(target.address, options);
  const { label, path } = address;
  const credentials = await requestedCredentials(target);
  if (credentials === undefined) assertOwnAddress(target, address.endpoint);
  const clientOptions = {
    ...address,
    profile: options["Profile"],
    credentials,
    timeout: numberOption(options["Timeout"], TIMEOUT_MS),
    listingTimeout: listingTimeout(options),
    connections: Math.max(1, numberOption(options["Connections"], CONNECTIONS)),
    pins: readTlsPins(target),
    objectOptions: parseObjectOptions(options),
    proxyFor: (url: URL) => findProxy(target, destinationOf(url)),
    env: (name: string) => target.env(name),
    conceal: (secret: string) => target.hideSecret(secret),
  };
  const partSize = numberOption(options["PartSize"], PART_MIB) * MIB;
  if (partSize < MIN_PART_MIB * MIB) throw badInput(`-PartSize must be at least ${MIN_PART_MIB} MiB.`);
  const context: ObjectContext = { ...call, operation: "open", path: root, prefix: toPrefix(path), displayName: label };
  const client = await openS3Client(clientOptions, context);
  try {
    assertSecure(client.endpoint, options);
    assertTlsForPins(client.endpoint, clientOptions.pins);
    assertKnownStorageClass(clientOptions.objectOptions, client.endpoint);
    await connectWithRetry(() => client.list(context.prefix, context, { most: 1 }), context);
    const support = initialSupport(client.endpoint, once(() => target.warn(refusedPreconditionsWarning(label))));
    const memory = new ByteSemaphore(Math.max(UPLOAD_MEMORY, partSize));
    return {
      uploads: { client, support, memory, partSize, begunHere: new Set() },
      pieces: new Semaphore(PIECES_AHEAD),
      ...{ label, path },
      warnOfVersions: once(() => target.warn(versionsWarning(label))),
      warnUnchecked: once(() => target.warn(uncheckedDownloadsWarning(label))),
    };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

const TIMEOUT_MS = 15_000;
const CONNECTIONS = 32;
const MIB = 1 << 20;
const PART_MIB = 8;
/** "Amazon S3 multipart upload limits". */
const MIN_PART_MIB = 5;
/** Bytes of content that all uploads together hold in memory. */
const UPLOAD_MEMORY = 64 * MIB;
/** Pieces of all downloads together; about 64 MiB. */
const PIECES_AHEAD = 16;

/** Returns the warning about a removal in a bucket that keeps versions. */
function versionsWarning(label: string): string {
  return `${label} keeps versions: a removed file stays there as an older version until a lifecycle rule deletes it.`;
}

/**
 * Throws badInput if the keys of the environment, of ~/.aws or of this machine would go to a store that a piped address
 * names: the program that wrote it could collect them. Amazon's own hosts may get them.
 */
function assertOwnAddress({ isAddressPiped, options }: ConnectContext, endpoint: string | undefined): void {
  if (isAddressPiped !== true || endpoint === undefined || options["Endpoint"] !== undefined) return;
  const { host, hostname } = new URL(endpoint);
  if (isAmazonS3(hostname)) return;
  throw badInput(
    `The keys of the environment are not sent to "${escapeForDisplay(host)}", which the pipe named and no command ` +
      "line: type the address on the command line, or give -AccessKey and -SecretKey.",
  );
}

/**
 * Returns the credentials whose key the options, the address or -UserName name; the secret comes from -SecretKey, or
 * from the same sources as any password.
 */
async function requestedCredentials({ address, options, secret }: ConnectContext): Promise<Credentials | undefined> {
  const accessKeyId = options["AccessKey"] ?? address.user;
  if (accessKeyId === undefined) return undefined;
  const secretAccessKey = await secret("SecretKey") ?? await secret("password");
  if (secretAccessKey === undefined) {
    throw badInput("The secret of the access key is missing: give -SecretKey, -PasswordFile or TANDEM_PASSWORD.");
  }
  const sessionToken = await secret("SessionToken");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
