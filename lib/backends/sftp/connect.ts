import { posix } from "node:path";
import { escapeForDisplay, root as rootPath } from "../../core/path.ts";
import type { BackendRoot, CallOptions, Traits } from "../../core/backend.ts";
import { listingTimeout, numberOption } from "../shared/options.ts";
import { HARD_LINK } from "./changes.ts";
import { RemoteChecksums } from "./checksum.ts";
import type { SftpClient } from "./client.ts";
import { FAILURE, isUnknownRequest, statusOf } from "./errors.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { ServerProfile } from "./profile.ts";
import { DirectWrites } from "../shared/direct_writes.ts";
import { POSIX_RENAME } from "./commit.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import type { SshConnector } from "../../ssh/types.ts";

/** The state shared by all backends of one server. */
export interface SftpSession {
  readonly connector: SshConnector;
  readonly pool: Pool;
  readonly home: Promise<string>;
  readonly checksums: RemoteChecksums;
  /**
   * Whether commands are run. Servers other than OpenSSH may misread a command, or run it on another file system than
   * the SFTP server's.
   */
  readonly runsCommands: boolean;
  readonly hardLinks: boolean;
  readonly traits: Traits;
  readonly profile: ServerProfile;
}

/** Limits that no parameter sets. */
export type SessionLimits = Partial<Pick<PoolOptions, "closePatience" | "timeout">>;

/** Opens the first SFTP connection of the connector. Returns the session, and the root that the address names. */
export async function openSession(
  connector: SshConnector,
  target: Pick<ConnectContext, "address" | "options" | "serverMemory" | "warn">,
  call: CallOptions,
  limits: SessionLimits = {},
): Promise<{ readonly session: SftpSession; readonly root: BackendRoot }> {
  const { address, options } = target;
  const profile = new ServerProfile(target, new DirectWrites(connector.label, target));
  const pool = new Pool(connector, {
    profile,
    timeout: limits.timeout ?? numberOption(options.Timeout, TIMEOUT_MS),
    reconnectTime: numberOption(options.ReconnectTime, RECONNECT_MS),
    connections: numberOption(options.Connections, CONNECTIONS),
    closePatience: limits.closePatience,
    listingTimeout: listingTimeout(options),
  });
  try {
    await pool.open(call);
    const client = await pool.client(call);
    const home = loginFolder(client, call);
    const [root] = await Promise.all([resolveRoot(client, address.path, { ...call, home }), home]);
    const traits = traitsOf(client, numberOption(options.Connections, CONNECTIONS), profile);
    const capabilities = {
      runsCommands: connector.runsCommands && client.software.startsWith("OpenSSH"),
      hardLinks: client.supports(HARD_LINK),
    };
    const session = { connector, pool, home, checksums: new RemoteChecksums(pool), traits, profile, ...capabilities };
    return { session, root };
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw error;
  }
}

/** Returns the server path of the login folder; "." if the server resolves no paths. */
async function loginFolder(client: SftpClient, call: CallOptions): Promise<string> {
  const context: OperationContext = { signal: call.signal, operation: "find the login folder", path: rootPath };
  return await realPath(client, ".", context) ?? ".";
}

/** Returns the real path of an existing path, or undefined if the server does not tell it. */
async function realPath(client: SftpClient, path: string, context: OperationContext): Promise<string | undefined> {
  try {
    const real = await client.realpath(path, context);
    if (real !== "") return requireAbsolute(real, context);
  } catch (error) {
    if (!isUnknownRequest(error) && statusOf(error) !== FAILURE) throw error;
  }
  client.profile.warnOnce("The server does not resolve paths (REALPATH): the folder is used as it is written.");
  return undefined;
}

/**
 * Resolves a folder: "/x" and "//x" are absolute, "~", "~/x" and "/~/x" start at the login folder, and all others at
 * `from`. Links are followed in the part of the path that exists; the absent part is kept as written.
 */
export async function resolveRoot(
  client: SftpClient,
  folder: string,
  options: CallOptions & { readonly from?: string; readonly home: Promise<string> },
): Promise<BackendRoot> {
  const { from, signal } = options;
  const context: OperationContext = {
    signal,
    operation: `open the folder "${escapeForDisplay(folder)}"`,
    path: rootPath,
  };
  const needsHome = !folder.startsWith("/") || folder.startsWith("/~");
  const start = needsHome ? await options.home : "/";
  const [existing, home] = await Promise.all([
    resolveExisting(client, toAbsolute(folder, { from: from ?? start, home: start }), context),
    options.home,
  ]);
  // A path without any slash would have no parent.
  const path = /^(?:\/|\.\.?(?:\/|$))/.test(existing) ? existing : `./${existing}`;
  if (path === home && home !== "/") return { path, risk: "the login folder" };
  if (path === "/" && home !== "/") return { path, risk: "the server's root folder" };
  return home === "." ? { path } : { path, isOrdinary: true };
}

function toAbsolute(folder: string, { from, home }: { readonly from: string; readonly home: string }): string {
  const [, , below] = /^(\/?~(?:\/|$))(.*)$/s.exec(folder) ?? [];
  const path = below === undefined
    ? (folder.startsWith("/") ? posix.resolve(folder) : posix.join(from, folder))
    : posix.join(home, below);
  return path.replace(/^\/+/, "/").replace(/(?<=.)\/+$/, "");
}

/** Returns the real path of the nearest existing folder, followed by the rest unchanged. */
async function resolveExisting(client: SftpClient, path: string, context: OperationContext): Promise<string> {
  if (path === "/" || path === ".") return path;
  // Requested together; the result of realpath for an absent path differs from server to server.
  const [found, real] = await Promise.allSettled([client.stat(path, context), realPath(client, path, context)]);
  if (found.status === "rejected") throw found.reason;
  if (found.value !== undefined) {
    if (real.status === "rejected") throw real.reason;
    return real.value ?? path;
  }
  const parent = await resolveExisting(client, posix.dirname(path), context);
  return posix.join(parent, posix.basename(path));
}

/** Checks a path that a server reported, because it becomes part of every later request. */
function requireAbsolute(path: string, context: OperationContext): string {
  // deno-lint-ignore no-control-regex
  if (path.startsWith("/") && !/[\u0000-\u001f\u007f\ufffd]/.test(path)) return path.replace(/(?<=.)\/+$/, "");
  throw operationError(context, "unsupported", {
    why: `the server reports it as "${escapeForDisplay(path)}", which is no absolute path`,
  });
}

function traitsOf(client: SftpClient, connections: number, profile: ServerProfile): Traits {
  const isAtomic = () => client.supports(POSIX_RENAME) && profile.posixRenames;
  return {
    timeStep: 1000,
    dirTimes: !KEEPS_DIR_TIMES.test(client.software),
    caseSensitive: true,
    normalizes: false,
    hasDirs: true,
    get atomicWrite() {
      return isAtomic() && profile.directWrites?.isOn !== true;
    },
    get atomicRename() {
      return isAtomic();
    },
    inPlace: true,
    get directWrites() {
      return profile.directWrites?.isOn === true;
    },
    maxConnections: connections,
    parallelFiles: PARALLEL_FILES,
    names: "posix",
    maxNameBytes: 255,
    get showsDots() {
      return profile.showsDots;
    },
  };
}

/** Servers whose folders keep their times when names in them are added or removed. */
const KEEPS_DIR_TIMES = /^(?:rclone|AWS_SFTP)/i;

const TIMEOUT_MS = 15_000;
const RECONNECT_MS = 120_000;
const CONNECTIONS = 4;
const PARALLEL_FILES = 256;
