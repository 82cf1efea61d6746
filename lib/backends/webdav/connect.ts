import { badInput, type SyncError } from "../../core/errors.ts";
import { escapeForDisplay, root } from "../../core/path.ts";
import type { CallOptions } from "../../core/backend.ts";
import { HttpClient } from "../../http/client.ts";
import { statusOf } from "../../http/errors.ts";
import { findProxy } from "../../net/proxy.ts";
import { readTlsPins } from "../../net/tls.ts";
import { connectWithRetry } from "../../net/backoff.ts";
import { formatHostPort, isLoopback, labelOf } from "../../net/host.ts";
import { readClientCertificate } from "../../net/client_certificate.ts";
import type { AuthScheme } from "./auth.ts";
import { profileOf, type ServerProfile } from "./server_profile.ts";
import { encodePath, splitPath } from "./href.ts";
import { AuthenticatedHttp, insecureLoginError } from "./authenticated_http.ts";
import { statToSyncError } from "./errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import { DirectWrites } from "../shared/direct_writes.ts";
import { listingTimeout, numberOption } from "../shared/options.ts";
import { Semaphore } from "../../net/semaphore.ts";
import type { DavClient, ObservedBehaviour } from "./client.ts";
import type { UploadPatience } from "./upload_patience.ts";
import { stat } from "./stat.ts";

/** An open server: its address, its behaviour, and the start folder. */
export interface DavConnection extends AsyncDisposable {
  readonly client: DavClient;
  readonly profile: ServerProfile;
  readonly observed: ObservedBehaviour;
  readonly directWrites: DirectWrites;
  /** The address "davs://deploy@web1:8443", without a secret. */
  readonly label: string;
  readonly start: string;
  readonly connections: number;
  /** Whether the connection was disposed of. */
  readonly isClosed: boolean;
}

/**
 * Connects to a server: finds out how to log in by one request without credentials, then the server's features. Writes
 * nothing.
 */
export async function connectWebdav(
  target: ConnectContext,
  call: CallOptions & { readonly patience: UploadPatience },
): Promise<DavConnection> {
  const options = parseTarget(target);
  const certificate = await readClientCertificate(target);
  if (certificate !== undefined && !options.secure) {
    throw badInput(
      "A client certificate is only sent over TLS: write davs:// or -Secure with -TlsClientCertificatePath.",
    );
  }
  const protocol = options.secure ? "https" : "http";
  const proxy = await findProxy(target, { protocol, host: options.host, port: options.port });
  const httpClient = new HttpClient({
    ...options,
    proxy,
    ...(certificate === undefined ? {} : { client: certificate }),
  });
  try {
    const { host, origin, label, connections, start, maxListingBytes, listingTimeout } = options;
    const http = new AuthenticatedHttp(httpClient, { ...options, origin }, target);
    const names = splitPath(start);
    const context: OperationContext = { signal: call.signal, operation: "open", path: root, displayName: label };
    const pieceLimit = new Semaphore(MAX_PIECES);
    const observed: ObservedBehaviour = {};
    const onNoTimes = () => target.warn(noTimesWarning(label));
    const otherHosts = new Set<string>();
    const onOtherHost = (other: string) => {
      if (otherHosts.size === 0) target.warn(otherHostWarning(label, { host, other }));
      otherHosts.add(other);
    };
    const first: DavClient = {
      http,
      host,
      isOwncloud: true,
      hasEditTimes: false,
      pieceLimit,
      observed,
      maxListingBytes,
      listingTimeout,
      onNoTimes,
      onOtherHost,
      acceptsAltered: target.options["AcceptAltered"] === "true",
      patience: call.patience,
      doubtfulUploads: new Map(),
    };
    // A server that answers "not now" is retried; one that cannot be reached is not.
    const isRetryable = (error: SyncError) => statusOf(error) !== undefined;
    const features = await connectWithRetry(() => discover(first, names, { ...context, start: names }), {
      ...context,
      isRetryable,
    });
    const profile = profileOf(features);
    const hasEditTimes = profile.times === "property";
    const result: DavClient = { ...first, isOwncloud: features.isOwncloud, hasEditTimes };
    return {
      ...{ client: result, profile, observed, label, start, connections },
      directWrites: new DirectWrites(label, target),
      get isClosed() {
        return httpClient.isClosed;
      },
      [Symbol.asyncDispose]: () => httpClient[Symbol.asyncDispose](),
    };
  } catch (error) {
    await httpClient[Symbol.asyncDispose]();
    throw error;
  }
}

const TIMEOUT_MS = 15_000;
const CONNECTIONS = 16;
const LISTING_MIB = 64;
const MIB = 1 << 20;
/** The number of pieces that parallel downloads hold at once, about 64 MiB. */
const MAX_PIECES = 16;

/** Parses the address and the options, before any connection. Throws badInput and refused. */
function parseTarget(target: ConnectContext) {
  const { address, options } = target;
  const secure = options["Secure"] === "true" || address.scheme === "davs" || address.scheme === "https";
  const { host, user } = address;
  const port = address.port ?? (secure ? 443 : 80);
  const pins = readTlsPins(target);
  if (pins.length > 0 && !secure) {
    throw badInput("Only a server over TLS has a certificate: write davs:// or -Secure with its fingerprint.");
  }
  const rootPath = options["RootPath"];
  if (rootPath !== undefined && address.path !== "") {
    throw badInput("The address names a path already: leave -RootPath out.");
  }
  if (rootPath !== undefined && (!rootPath.startsWith("/") || /(?:^|\/)\.{1,2}(?:\/|$)/.test(rootPath))) {
    throw badInput(`-RootPath "${escapeForDisplay(rootPath)}" must start with "/" and hold no "." or "..".`);
  }
  const scheme = options["Auth"] === undefined || options["Auth"] === "Auto"
    ? undefined
    : options["Auth"] as AuthScheme;
  const defaultPort = secure ? 443 : 80;
  const server = { host, port, scheme: secure ? "davs" : "dav", user: user && encodeURIComponent(user) };
  const allowInsecure = options["AllowInsecure"] === "true";
  const origin = `${secure ? "https" : "http"}://${formatHostPort(server, defaultPort)}`;
  if (user !== undefined && !secure && !allowInsecure && !isLoopback(host)) throw insecureLoginError(origin, "open");
  return {
    host,
    port,
    secure,
    user,
    pins,
    scheme,
    allowInsecure,
    origin,
    timeout: numberOption(options["Timeout"], TIMEOUT_MS),
    connections: Math.max(1, numberOption(options["Connections"], CONNECTIONS)),
    listingTimeout: listingTimeout(options),
    maxListingBytes: Math.max(1, numberOption(options["MaxFolderListing"], LISTING_MIB)) * MIB,
    label: labelOf(server, defaultPort),
    start: rootPath ?? (address.path === "" ? "/" : address.path),
  };
}

interface Features {
  readonly dav: string;
  readonly allow: string;
  readonly server: string;
  readonly isOwncloud: boolean;
}

/**
 * Sends an empty PROPFIND, which brings the challenge, and OPTIONS for the features of the path, or of the nearest
 * existing parent folder.
 */
async function discover(
  client: DavClient,
  names: readonly string[],
  context: OperationContext & { readonly start: readonly string[] },
): Promise<Features> {
  const { http } = client;
  const uri = encodePath(names, "folder");
  const hello = await http.send({ method: "PROPFIND", uri, headers: { depth: "0" } }, context);
  const { status } = hello;
  await hello.discard();
  const busy = statToSyncError(context, hello);
  if (busy.facts.transient === true) throw busy;
  // A file is refused in this form; its folder shows as much of the server.
  if (NO_FOLDER_STATUSES.includes(status) && names.length > 0) {
    return await discover(client, names.slice(0, -1), context);
  }
  if (status !== 207) {
    const location = hello.headers.location === undefined ? "" : String(hello.headers.location);
    const to = URL.canParse(location, http.origin + uri) ? new URL(location, http.origin + uri) : undefined;
    const advice = http.withholdsLogin ? "; it asked for no login: -Auth Basic sends yours with the first request" : "";
    throw notWebdavError(context, { status, to, uri: encodePath(context.start), advice, user: http.user });
  }
  const options = await http.send({ method: "OPTIONS", uri }, context);
  await options.discard();
  const found = await stat(client, { ...context, serverPath: names });
  const value = (name: string) => String(options.headers[name] ?? "");
  return {
    dav: value("dav"),
    allow: value("allow"),
    server: value("server"),
    isOwncloud: found?.davResponse.props.fileId !== undefined,
  };
}

const NO_FOLDER_STATUSES: readonly number[] = [400, 404, 405, 409, 410];

function noTimesWarning(label: string): string {
  return `${label} reports no readable time of its files, so only their sizes are compared: ` +
    "a change that keeps the size is missed. -Criteria Checksum compares the contents.";
}

function otherHostWarning(label: string, { host, other }: { readonly host: string; readonly other: string }): string {
  return `${label} names its files as those of the host "${
    escapeForDisplay(other).slice(0, 200)
  }", not of "${host}": ` +
    "only their paths are taken, and nothing is sent to that host.";
}

function notWebdavError(
  context: OperationContext,
  { status, to, uri, advice, user }: {
    readonly status: number;
    readonly to: URL | undefined;
    readonly uri: string;
    readonly advice: string;
    readonly user: string | undefined;
  },
): Error {
  if (status === 403) {
    return operationError(context, "denied", {
      why: `the server does not let this user into "${escapeForDisplay(uri)}"${advice}`,
    });
  }
  if (status >= 500) {
    return operationError(context, "connection", { why: `the server failed with status ${status}`, transient: false });
  }
  if (status >= 300 && status < 400 && to !== undefined) {
    const login = user === undefined ? "" : `${encodeURIComponent(user)}@`;
    const written = `${to.protocol === "https:" ? "davs" : "dav"}://${login}${to.host}${to.pathname}`;
    return operationError(context, "refused", {
      why: `the server is elsewhere: write ${escapeForDisplay(written).slice(0, 200)}${advice}`,
    });
  }
  return operationError(context, "unsupported", {
    why: `the server does not speak WebDAV at "${escapeForDisplay(uri)}" (status ${status}): check the path${
      status === 405 ? "; nginx answers so without its dav-ext module" : advice
    }`,
  });
}
