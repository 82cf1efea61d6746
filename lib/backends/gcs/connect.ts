import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay, root } from "../../core/path.ts";
import type { CallOptions } from "../../core/backend.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import { type BucketClient, GcsClient, type ObjectContext } from "./client.ts";
import { findCredentials } from "./credentials.ts";
import { KnownFolders, resolveRootKey } from "./keys.ts";
import { hasChildren } from "./stat.ts";
import { AccessTokens } from "./access_tokens.ts";
import { HttpClient } from "../../http/client.ts";
import { findProxy } from "../../net/proxy.ts";
import { destinationOf } from "../../net/proxy_types.ts";
import { assertTlsForPins, readTlsPins } from "../../net/tls.ts";
import { isLoopback } from "../../net/host.ts";
import { connectWithRetry } from "../../net/backoff.ts";
import { Semaphore } from "../../net/semaphore.ts";
import { listingTimeout } from "../shared/options.ts";
import { once, uncheckedDownloadsWarning } from "../shared/object_store_traits.ts";

/** An open bucket, and the key of the session's start folder. */
export interface Bucket extends BucketClient, AsyncDisposable {
  /** "gs://bucket", with the endpoint if it is not the provider's own. */
  readonly label: string;
  readonly rootKey: string;
  readonly connections: number;
  readonly pieces: Semaphore;
  /** Reports a read whose content could not be compared with anything. */
  warnUnchecked(): void;
}

/**
 * Authenticates and lists one name, so that wrong credentials or a missing bucket are reported at once. Writes nothing.
 */
export async function connectGcs(target: ConnectContext, call: CallOptions): Promise<Bucket> {
  const settings = parseSettings(target);
  const { label, bucket, start, origin, timeout, connections, pins } = settings;
  const credentials = await findCredentials(target);
  const proxyFor = (url: URL) => findProxy(target, destinationOf(url));
  const endpoint = { ...destinationOf(origin), proxy: await proxyFor(origin) };
  const http = new HttpClient({ ...endpoint, pins, timeout, connections });
  const client = new GcsClient(
    http,
    new AccessTokens(credentials, { timeout, proxyFor, conceal: (secret) => target.hideSecret(secret) }),
    {
      origin: origin.origin,
      bucket,
      userProject: target.options["UserProject"],
      listingTimeout: listingTimeout(target.options),
    },
  );
  try {
    const context: ObjectContext = {
      signal: call.signal,
      operation: "open",
      path: root,
      displayName: label,
      key: start,
    };
    await connectWithRetry(() => hasChildren(client, context), context);
  } catch (error) {
    await http[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...{ client, label, rootKey: start, connections },
    folders: new KnownFolders(),
    pieces: new Semaphore(PIECES_AHEAD),
    warnUnchecked: once(() => target.warn(uncheckedDownloadsWarning(label))),
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}

/** The provider's own. */
export const ENDPOINT = "https://storage.googleapis.com";
const TIMEOUT_MS = 15_000;
const CONNECTIONS = 32;
/** About 64 MiB. */
const PIECES_AHEAD = 16;

/** Returns the settings that are known before the connection. Throws badInput and refused. */
function parseSettings(target: ConnectContext) {
  const { address, options } = target;
  const { host: bucket, user, port } = address;
  if (user !== undefined) {
    throw badInput(
      "A gs: address takes no user: write gs://bucket/folder; the file of -KeyFile names the account.",
    );
  }
  if (port !== undefined) {
    throw badInput("A gs: address takes no port: write gs://bucket/folder, and another server with -Endpoint.");
  }
  if (address.pins.length > 0) {
    throw badInput("A gs: address takes no fingerprint: give -TlsHostCertificateFingerprint with -Endpoint.");
  }
  const start = resolveRootKey("", address.path);
  if (start === undefined) {
    throw badInput(
      `The folder "${escapeForDisplay(address.path)}" has an empty name in it: write one slash between folders.`,
    );
  }
  const given = options["Endpoint"];
  const pins = readTlsPins(target);
  const origin = given === undefined ? new URL(ENDPOINT) : parseEndpoint(given, options["AllowInsecure"] === "true");
  assertTlsForPins(origin, pins);
  return {
    bucket,
    start,
    origin,
    pins,
    timeout: Number(options["Timeout"] ?? TIMEOUT_MS),
    connections: Math.max(1, Number(options["Connections"] ?? CONNECTIONS)),
    label: origin.origin === ENDPOINT ? `gs://${bucket}` : `gs://${bucket} (${origin.origin})`,
  };
}

function parseEndpoint(text: string, allowInsecure: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.username === "" && url.password === "" && url.search === "" &&
    url.hash === "" && url.pathname === "/";
  if (url === undefined || !isPlain || !/^https?:$/.test(url.protocol)) {
    throw badInput("-Endpoint takes https://host or https://host:port, without a path and without a login.");
  }
  if (url.protocol === "https:" || allowInsecure || isLoopback(destinationOf(url).host)) return url;
  const message = `Refused to log in at ${url.origin}: the credentials would travel in clear; write https://, ` +
    "or -AllowInsecure";
  throw new SyncError("refused", message, { operation: "open" });
}
