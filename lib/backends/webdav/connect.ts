import { badInput, type SyncError } from "../../core/errors.ts";
import { printable, root } from "../../core/path.ts";
import type { Call, Target } from "../../core/backend.ts";
import { Http } from "../../http/client.ts";
import { statusOf } from "../../http/errors.ts";
import { Budget } from "../../http/parallel_download.ts";
import { readTlsPins } from "../../net/tls.ts";
import { knock } from "../../net/knock.ts";
import { isLoopback } from "../../net/loopback.ts";
import { readClientCertificate } from "../../net/client_certificate.ts";
import type { AuthScheme } from "./auth.ts";
import { type Dialect, dialectOf } from "./server_profile.ts";
import { find, type Finder, type Learned } from "./propfind.ts";
import { encodePath, namesOf } from "./href.ts";
import { insecure, Link } from "./client.ts";
import { lookRefusal } from "./errors.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** An open server: its address, its behaviour, and the start folder. */
export interface Server extends AsyncDisposable {
  readonly finder: Finder;
  readonly dialect: Dialect;
  readonly learned: Learned;
  /** The address "davs://deploy@web1:8443", without a secret. */
  readonly label: string;
  /** The address "https://web1:8443", as requests name it. */
  readonly origin: string;
  readonly start: string;
  readonly connections: number;
  /** Whether the connection was disposed of. */
  readonly isClosed: boolean;
}

/**
 * Connects to a server: finds out how to log in by one request without credentials, then the server's features. Writes
 * nothing.
 */
export async function connectWebdav(target: Target, call: Call): Promise<Server> {
  const rules = rulesOf(target);
  const client = await readClientCertificate(target);
  if (client !== undefined && !rules.secure) {
    throw badInput("A certificate is only shown over TLS: write davs:// or -Secure with -TlsClientCertificatePath.");
  }
  const http = new Http({ ...rules, ...(client === undefined ? {} : { client }) });
  try {
    const { host, origin, label, connections, start, most } = rules;
    const link = new Link(http, { ...rules, shown: origin }, target);
    const names = namesOf(start);
    const ask: OperationContext = { signal: call.signal, operation: "open", path: root, shown: label };
    const budget = new Budget(PIECES_AHEAD);
    const learned: Learned = {};
    const onNoTimes = () => target.warn(noTimes(label));
    const first: Finder = { link, host, asksChecksums: true, ownTimes: false, budget, learned, most, onNoTimes };
    // A server that answers "not now" is retried; one that cannot be reached is not.
    const isWorthWaiting = (error: SyncError) => statusOf(error) !== undefined;
    const facts = await knock(() => meet(first, names, ask), { ...ask, isWorthWaiting });
    const dialect = dialectOf(facts);
    const ownTimes = dialect.times === "property";
    const finder: Finder = { ...first, asksChecksums: facts.isOwncloud, ownTimes };
    return {
      ...{ finder, dialect, learned, label, origin, start, connections },
      get isClosed() {
        return http.isClosed;
      },
      [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
    };
  } catch (error) {
    await http[Symbol.asyncDispose]();
    throw error;
  }
}

const TIMEOUT_MS = 15_000;
const CONNECTIONS = 16;
const LISTING_MIB = 64;
const MIB = 1 << 20;
/** The number of pieces that parallel downloads hold at once, about 64 MiB. */
const PIECES_AHEAD = 16;

/** Parses the address and the options, before any connection. Throws badInput and refused. */
function rulesOf(target: Target) {
  const { address, options } = target;
  const secure = options["Secure"] === "true" || address.scheme === "davs" || address.scheme === "https";
  const { host, user } = address;
  const port = address.port ?? (secure ? 443 : 80);
  const pins = readTlsPins(target);
  if (pins.length > 0 && !secure) {
    throw badInput("A certificate is only shown over TLS: write davs:// or -Secure with its fingerprint.");
  }
  const rootPath = options["RootPath"];
  if (rootPath !== undefined && address.path !== "") {
    throw badInput("The address names a path already: leave -RootPath out.");
  }
  if (rootPath !== undefined && (!rootPath.startsWith("/") || /(?:^|\/)\.{1,2}(?:\/|$)/.test(rootPath))) {
    throw badInput(`-RootPath "${printable(rootPath)}" must start with "/" and hold no "." or "..".`);
  }
  const scheme = options["Auth"] === undefined || options["Auth"] === "Auto"
    ? undefined
    : options["Auth"] as AuthScheme;
  const bare = host.includes(":") ? `[${host}]` : host;
  const shown = port === (secure ? 443 : 80) ? bare : `${bare}:${port}`;
  const login = user === undefined ? "" : `${encodeURIComponent(user)}@`;
  const allowInsecure = options["AllowInsecure"] === "true";
  const origin = `${secure ? "https" : "http"}://${shown}`;
  if (user !== undefined && !secure && !allowInsecure && !isLoopback(host)) throw insecure(origin, "open");
  return {
    host,
    port,
    secure,
    user,
    pins,
    scheme,
    allowInsecure,
    origin,
    timeout: numberOf(options["Timeout"], TIMEOUT_MS),
    connections: Math.max(1, numberOf(options["Connections"], CONNECTIONS)),
    most: Math.max(1, numberOf(options["MaxFolderListing"], LISTING_MIB)) * MIB,
    label: `${secure ? "davs" : "dav"}://${login}${shown}`,
    start: rootPath ?? (address.path === "" ? "/" : address.path),
  };
}

interface Facts {
  readonly dav: string;
  readonly allow: string;
  readonly server: string;
  readonly isOwncloud: boolean;
}

/**
 * Sends an empty PROPFIND, which brings the challenge, and OPTIONS for the features of the path, or of the nearest
 * existing parent folder.
 */
async function meet(finder: Finder, names: readonly string[], ask: OperationContext): Promise<Facts> {
  const { link } = finder;
  const uri = encodePath(names);
  const hello = await link.send({ method: "PROPFIND", uri, headers: { depth: "0" } }, ask);
  const { status } = hello;
  await hello.drop();
  const busy = lookRefusal(ask, hello);
  if (busy.facts.transient === true) throw busy;
  if (status === 404 && names.length > 0) return await meet(finder, names.slice(0, -1), ask);
  if (status !== 207) throw noWebdav(ask, { status, location: String(hello.headers.location ?? ""), uri });
  const options = await link.send({ method: "OPTIONS", uri }, ask);
  await options.drop();
  const seen = await find(finder, { ...ask, names });
  const value = (name: string) => String(options.headers[name] ?? "");
  return {
    dav: value("dav"),
    allow: value("allow"),
    server: value("server"),
    isOwncloud: seen?.response.props.fileId !== undefined,
  };
}

function noTimes(label: string): string {
  return `${label} tells no time of its files that can be read, so that only their sizes are compared: ` +
    "a change that keeps the size is not seen. -Criteria Checksum reads the files and compares their contents.";
}

function noWebdav(
  ask: OperationContext,
  { status, location, uri }: { readonly status: number; readonly location: string; readonly uri: string },
): Error {
  if (status === 403) {
    return operationError(ask, "denied", { why: `the server lets this user not into ${printable(uri)}` });
  }
  if (status >= 500) {
    return operationError(ask, "connection", { why: `the server failed with status ${status}`, transient: false });
  }
  const to = URL.canParse(location) ? new URL(location) : undefined;
  if (status >= 300 && status < 400 && to !== undefined) {
    const written = `${to.protocol === "https:" ? "davs" : "dav"}://${to.host}${to.pathname}`;
    return operationError(ask, "refused", {
      why: `the server is elsewhere: write ${printable(written).slice(0, 200)}`,
    });
  }
  return operationError(ask, "unsupported", { why: `no WebDAV is spoken at ${printable(uri)} (status ${status})` });
}

function numberOf(text: string | undefined, fallback: number): number {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fallback;
}
