import { join } from "node:path";
import { nameOfAccount } from "../machine/account.ts";
import { badInput } from "../core/errors.ts";
import type { Call, Target } from "../core/backend.ts";
import { fingerprint } from "./known_hosts.ts";
import { type ConfigLine, type JumpHost, loadSshConfig, resolveSshConfig, type SshSettings } from "./config.ts";
import { configFiles, homeOf, systemSshDir } from "./config_files.ts";
import { type HopSetup, SshHop, SshRoute } from "./jump_hosts.ts";
import { loadKeyFiles } from "./key_files.ts";
import { Logins, type LoginSetup } from "./auth_methods.ts";
import { openTrust, readTrustRule, type TrustRule } from "./host_key_policy.ts";
import type { SshConnector, SshLink } from "./types.ts";

/**
 * Resolves the server by the address and ssh's configuration, verifies its host key and logs in, through jump hosts if
 * the configuration names them. The connector returns this first connection, then further ones without another prompt.
 * Rejects with badInput before it connects, otherwise with connection, timeout, hostKey, auth or cancelled.
 */
export async function connectSftp(target: Target, call: Call): Promise<SshConnector> {
  const world = await openWorld(target);
  const { address } = target;
  const jump = { host: address.host, ...pick(address.user, address.port) };
  const { settings } = settingsOf(world, jump);
  const hops: SshHop[] = [];
  for (const hop of [...routeTo(world, jump), jump]) {
    hops.push(new SshHop(await prepareHop(world, hop, hop === jump)));
  }
  for (const note of world.notes) target.warn(note);
  const route = new SshRoute(hops);
  const first = await route.connect(call);
  return new Connector(route, { first, label: labelOf(address.host, settings), host: settings.hostName.toLowerCase() });
}

class Connector implements SshConnector {
  readonly label: string;
  readonly peer: string;
  readonly host: string;
  readonly #route: SshRoute;
  #first: SshLink | undefined;

  constructor(route: SshRoute, { first, label, host }: { first: SshLink; label: string; host: string }) {
    this.#route = route;
    this.#first = first;
    this.label = label;
    this.host = host;
    this.peer = fingerprint(route.hostKey);
  }

  async connect(call: Call): Promise<SshLink> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined && !first.closed.aborted) return first;
    return await this.#route.connect(call);
  }
}

/** The context that all hops of one login share. */
interface World {
  readonly target: Target;
  readonly home: string | undefined;
  readonly localUser: string;
  readonly config: readonly ConfigLine[];
  readonly rule: TrustRule;
  readonly notes: Set<string>;
}

/** In ms; ssh itself has no time limit, but an unattended run must not wait for ever. */
const TIMEOUT = 15_000;
const KEEP_ALIVE = 15_000;
const MAX_HOPS = 8;

async function openWorld(target: Target): Promise<World> {
  const rule = readTrustRule(target);
  const env = (name: string) => target.env(name);
  const home = homeOf(env);
  const localUser = env("USER") ?? env("LOGNAME") ?? env("USERNAME") ?? nameOfAccount() ?? "";
  return { target, home, localUser, config: await readConfig(target, home), rule, notes: new Set() };
}

/** Reads the user's configuration, then the system's; a file that the user names replaces both, as with ssh -F. */
async function readConfig(target: Target, home: string | undefined): Promise<readonly ConfigLine[]> {
  const files = configFiles(home);
  const named = target.options["SshConfigFile"];
  if (named?.toLowerCase() === "none") return [];
  if (named !== undefined) {
    const path = underHome(named, home);
    if (await files.read(path) === undefined) throw badInput(`-SshConfigFile "${named}" does not exist.`);
    return await loadSshConfig(path, files);
  }
  const user = home === undefined ? [] : await loadSshConfig(join(home, ".ssh", "config"), files);
  return [...user, ...await loadSshConfig(join(systemSshDir((name) => target.env(name)), "ssh_config"), files)];
}

function settingsOf(world: World, hop: JumpHost): { readonly settings: SshSettings; readonly shown: string } {
  const { target, home, localUser, config } = world;
  const settings = resolveSshConfig(config, { ...hop, localUser, home, env: (name) => target.env(name) });
  for (const note of settings.notes) world.notes.add(note);
  if (settings.user === "") throw badInput(`Who logs in at ${hop.host}? Write sftp://user@${hop.host}, or -UserName.`);
  return { settings, shown: `${settings.user}@${hop.host}` };
}

/**
 * Returns the jump hosts before a host, first hop first. The first one's own jump hosts precede it; those of later ones
 * are ignored.
 */
function routeTo(world: World, hop: JumpHost, seen: readonly string[] = []): readonly JumpHost[] {
  const { proxyJump, proxyCommand } = settingsOf(world, hop).settings;
  if (proxyCommand !== undefined) {
    throw badInput(
      `The SSH configuration wants a ProxyCommand for ${hop.host}, which is not run; write ProxyJump host instead, or -SshConfigFile none.`,
    );
  }
  const [first] = proxyJump;
  if (first === undefined) return [];
  if (seen.includes(hop.host) || seen.length >= MAX_HOPS) {
    throw badInput(
      `The jump hosts of ${hop.host} lead back to ${hop.host}; correct ProxyJump in the SSH configuration.`,
    );
  }
  return [...routeTo(world, first, [...seen, hop.host]), ...proxyJump];
}

/** Reads and checks everything that one hop needs, before any connection. `last`: the server itself. */
async function prepareHop(
  world: World,
  hop: JumpHost,
  last: boolean,
): Promise<HopSetup> {
  const { target, home } = world;
  const { settings, shown } = settingsOf(world, hop);
  const userFiles = settings.userKnownHosts ?? defaultKnownHosts(home);
  const system = systemSshDir((name) => target.env(name));
  const trust = await openTrust({
    rule: last ? world.rule : { ...world.rule, pins: [] },
    shown: hop.host,
    name: settings.hostKeyAlias === undefined
      ? { host: settings.hostName, port: settings.port }
      : { host: settings.hostKeyAlias, port: settings.port, exact: true },
    files: {
      user: userFiles,
      system: settings.globalKnownHosts ?? ["ssh_known_hosts", "ssh_known_hosts2"].map((name) => join(system, name)),
      hash: settings.hashKnownHosts,
    },
    world: target,
  });
  const wanted = Number(target.options["Timeout"] ?? NaN);
  return {
    host: settings.hostName,
    port: settings.port,
    user: settings.user,
    timeout: Number.isFinite(wanted) ? wanted : settings.connectTimeout ?? TIMEOUT,
    keepAlive: settings.keepAlive ?? KEEP_ALIVE,
    legacy: target.options["AllowLegacyAlgorithms"] === "true",
    trust,
    logins: new Logins(await loginSetup(world, { settings, shown, last })),
  };
}

async function loginSetup(
  { target, home }: World,
  { settings, shown, last }: { readonly settings: SshSettings; readonly shown: string; readonly last: boolean },
): Promise<LoginSetup> {
  const named = last ? target.options["SshPrivateKeyPath"] : undefined;
  const explicit = named === undefined ? undefined : underHome(named, home);
  const configured = settings.identityFiles;
  const files = await loadKeyFiles({ explicit, configured, home }, (message) => target.warn(message));
  const agent = target.options["SshAgent"] ?? settings.identityAgent ?? "SSH_AUTH_SOCK";
  const socket = agent === "SSH_AUTH_SOCK" ? target.env(agent) : underHome(agent, home);
  return {
    shown,
    given: last,
    files,
    agent: socket === undefined || socket === "" || socket.toLowerCase() === "none" ? undefined : socket,
    agentKeys: settings.identitiesOnly ? files.publicKeys : undefined,
    refused: settings.refused,
    world: target,
  };
}

function defaultKnownHosts(home: string | undefined): readonly string[] {
  return home === undefined ? [] : ["known_hosts", "known_hosts2"].map((name) => join(home, ".ssh", name));
}

function underHome(path: string, home: string | undefined): string {
  return home !== undefined && /^~(?=[/\\]|$)/.test(path) ? join(home, path.slice(1)) : path;
}

function pick(user: string | undefined, port: number | undefined): Omit<JumpHost, "host"> {
  return { ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}

/** Returns the label, "sftp://deploy@web1:2222", with the host as the user wrote it. */
function labelOf(host: string, { user, port }: SshSettings): string {
  const shown = host.includes(":") ? `[${host}]` : host;
  return `sftp://${encodeURIComponent(user)}@${shown}${port === 22 ? "" : `:${port}`}`;
}
