import { join } from "node:path";
import { accountName } from "../machine/account.ts";
import { badInput } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import { fingerprint } from "./known_hosts.ts";
import { type JumpHost, resolveSshConfig, type SshSettings } from "./config.ts";
import { type ConfigLine, loadSshConfig } from "./config_parser.ts";
import { configFiles, homeOf, systemSshDir } from "./config_files.ts";
import { Hop, type HopOptions, Route } from "./jump_hosts.ts";
import { loadKeyFiles } from "./key_files.ts";
import { type AuthOptions, AuthSequence } from "./auth_methods.ts";
import { createVerifier, readTrustRule, type TrustRule } from "./host_key_policy.ts";
import type { SshConnection, SshConnector } from "./types.ts";
import type { ConnectContext } from "../core/protocol.ts";
import { labelOf } from "../net/host.ts";

/**
 * Resolves the server by the address and ssh's configuration, verifies its host key and logs in, through jump hosts if
 * the configuration names them. The connector returns this first connection, then further ones without another prompt.
 * Rejects with badInput before it connects, otherwise with connection, timeout, hostKey, auth or cancelled.
 */
export async function connectSsh(target: ConnectContext, call: CallOptions): Promise<SshConnector> {
  const context = await openContext(target);
  const { address } = target;
  const destination = { host: address.host, ...pickDefined(address.user, address.port) };
  const { settings } = settingsOf(context, destination);
  const hops: Hop[] = [];
  for (const hop of [...jumpHostsTo(context, destination), destination]) {
    hops.push(new Hop(await prepareHop(context, hop, hop === destination)));
  }
  for (const note of context.notes) target.warn(note);
  const route = new Route(hops);
  const first = await route.connect(call);
  return new RouteConnector(route, {
    first,
    label: labelOf(
      { scheme: "sftp", host: address.host, user: encodeURIComponent(settings.user), port: settings.port },
      22,
    ),
    host: settings.hostName.toLowerCase(),
  });
}

class RouteConnector implements SshConnector {
  readonly label: string;
  readonly peer: string;
  readonly host: string;
  readonly #route: Route;
  #first: SshConnection | undefined;

  constructor(route: Route, { first, label, host }: { first: SshConnection; label: string; host: string }) {
    this.#route = route;
    this.#first = first;
    this.label = label;
    this.host = host;
    this.peer = fingerprint(route.hostKey);
  }

  async connect(call: CallOptions): Promise<SshConnection> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined && !first.closed.aborted) return first;
    return await this.#route.connect(call);
  }
}

/** The context that all hops of one login share. */
interface LoginContext {
  readonly target: ConnectContext;
  readonly home: string | undefined;
  readonly localUser: string;
  readonly config: readonly ConfigLine[];
  readonly trustRule: TrustRule;
  readonly notes: Set<string>;
}

/** In ms; ssh itself has no time limit, but an unattended run must not wait for ever. */
const LOGIN_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 15_000;
const MAX_HOPS = 8;

async function openContext(target: ConnectContext): Promise<LoginContext> {
  const rule = readTrustRule(target);
  const env = (name: string) => target.env(name);
  const home = homeOf(env);
  const localUser = env("USER") ?? env("LOGNAME") ?? env("USERNAME") ?? accountName() ?? "";
  return { target, home, localUser, config: await readConfig(target, home), trustRule: rule, notes: new Set() };
}

/** Reads the user's configuration, then the system's; a file that the user names replaces both, as with ssh -F. */
async function readConfig(target: ConnectContext, home: string | undefined): Promise<readonly ConfigLine[]> {
  const configPath = target.options["SshConfigFile"];
  if (configPath?.toLowerCase() === "none") return [];
  if (configPath !== undefined) {
    const path = expandHome(configPath, home);
    const files = configFiles(home, { warn: (message) => target.warn(message) });
    if (await files.read(path) === undefined) throw badInput(`-SshConfigFile "${configPath}" does not exist.`);
    return await loadSshConfig(path, files, home === undefined ? undefined : join(home, ".ssh"));
  }
  const files = configFiles(home);
  const user = home === undefined ? [] : await loadSshConfig(join(home, ".ssh", "config"), files);
  return [...user, ...await loadSshConfig(join(systemSshDir((name) => target.env(name)), "ssh_config"), files)];
}

function settingsOf(context: LoginContext, hop: JumpHost): { readonly settings: SshSettings; readonly shown: string } {
  const { target, home, localUser, config } = context;
  const settings = resolveSshConfig(config, { ...hop, localUser, home, env: (name) => target.env(name) });
  for (const note of settings.notes) context.notes.add(note);
  if (settings.user === "") {
    throw badInput(`The user for ${hop.host} is not known; write sftp://user@${hop.host}, or -UserName.`);
  }
  return { settings, shown: `${settings.user}@${hop.host}` };
}

/**
 * Returns the jump hosts before a host, first hop first. The first one's own jump hosts precede it; those of later ones
 * are ignored.
 */
function jumpHostsTo(context: LoginContext, hop: JumpHost, seen: readonly string[] = []): readonly JumpHost[] {
  const { proxyJump, proxyCommand } = settingsOf(context, hop).settings;
  if (proxyCommand !== undefined) {
    throw badInput(
      `The SSH configuration sets a ProxyCommand for ${hop.host}, which is not run; use ProxyJump instead, or -SshConfigFile none.`,
    );
  }
  const [first] = proxyJump;
  if (first === undefined) return [];
  if (seen.includes(hop.host) || seen.length >= MAX_HOPS) {
    throw badInput(
      `The jump hosts of ${hop.host} lead back to ${hop.host}; correct ProxyJump in the SSH configuration.`,
    );
  }
  return [...jumpHostsTo(context, first, [...seen, hop.host]), ...proxyJump];
}

/** Reads and checks everything that one hop needs, before any connection. `last`: the server itself. */
async function prepareHop(
  context: LoginContext,
  hop: JumpHost,
  isDestination: boolean,
): Promise<HopOptions> {
  const { target, home } = context;
  const { settings, shown } = settingsOf(context, hop);
  const userFiles = settings.userKnownHosts ?? defaultKnownHosts(home);
  const system = systemSshDir((name) => target.env(name));
  const trust = await createVerifier({
    trustRule: isDestination ? context.trustRule : { ...context.trustRule, pins: [] },
    displayHost: hop.host,
    name: settings.hostKeyAlias === undefined
      ? { host: settings.hostName, port: settings.port }
      : { host: settings.hostKeyAlias, port: settings.port, exact: true },
    files: {
      user: userFiles,
      system: settings.globalKnownHosts ?? ["ssh_known_hosts", "ssh_known_hosts2"].map((name) => join(system, name)),
      hash: settings.hashKnownHosts,
      revoked: settings.revokedHostKeys,
    },
    context: target,
  });
  const timeout = Number(target.options["Timeout"] ?? NaN);
  return {
    host: settings.hostName,
    port: settings.port,
    user: settings.user,
    timeout: Number.isFinite(timeout) ? timeout : settings.connectTimeout ?? LOGIN_TIMEOUT_MS,
    keepAlive: settings.keepAlive ?? KEEP_ALIVE_MS,
    legacy: target.options["AllowLegacyAlgorithms"] === "true",
    verifier: trust,
    auth: new AuthSequence(await authOptions(context, { settings, shown, last: isDestination })),
  };
}

async function authOptions(
  { target, home }: LoginContext,
  { settings, shown: account, last: isDestination }: {
    readonly settings: SshSettings;
    readonly shown: string;
    readonly last: boolean;
  },
): Promise<AuthOptions> {
  const keyPath = isDestination ? target.options["SshPrivateKeyPath"] : undefined;
  const explicit = keyPath === undefined ? undefined : expandHome(keyPath, home);
  const configured = settings.identityFiles;
  const files = await loadKeyFiles({ explicit, configured, home }, (message) => target.warn(message));
  const agent = target.options["SshAgent"] ?? settings.identityAgent ?? "SSH_AUTH_SOCK";
  const socket = agent === "SSH_AUTH_SOCK" ? target.env(agent) : expandHome(agent, home);
  return {
    account,
    isDestination,
    files,
    agent: socket === undefined || socket === "" || socket.toLowerCase() === "none" ? undefined : socket,
    agentKeys: settings.identitiesOnly ? files.publicKeys : undefined,
    disabledMethods: settings.disabledMethods,
    context: target,
  };
}

function defaultKnownHosts(home: string | undefined): readonly string[] {
  return home === undefined ? [] : ["known_hosts", "known_hosts2"].map((name) => join(home, ".ssh", name));
}

function expandHome(path: string, home: string | undefined): string {
  return home !== undefined && /^~(?=[/\\]|$)/.test(path) ? join(home, path.slice(1)) : path;
}

function pickDefined(user: string | undefined, port: number | undefined): Omit<JumpHost, "host"> {
  return { ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}
