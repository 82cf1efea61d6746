import { join } from "node:path";
import { badInput } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import {
  clientName,
  type ConnectSystemSsh,
  explainSshOnly,
  findSsh,
  noSshError,
  type OpenedRoute,
  type SystemClientOptions,
} from "./client_choice.ts";
import { fingerprint } from "./known_hosts.ts";
import { listAgentKeys } from "./agent.ts";
import type { JumpHost, SshSettings } from "./config.ts";
import { systemSshDir } from "./config_files.ts";
import { Hop, type HopOptions, Route } from "./jump_hosts.ts";
import { loadKeyFiles } from "./key_files.ts";
import { type AuthOptions, AuthSequence } from "./auth_methods.ts";
import { createVerifier, type HostKeyVerifier } from "./host_key_policy.ts";
import { configPaths, expandHome, type LoginContext, openContext, settingsOf } from "./login_context.ts";
import type { SshConnection, SshConnector } from "./types.ts";
import type { ConnectContext } from "../core/protocol.ts";
import { findProxy } from "../net/proxy.ts";
import { labelOf } from "../net/host.ts";

/** Loads the client that runs the system's ssh, which few runs need. */
export type LoadSystemClient = () => Promise<ConnectSystemSsh>;

/**
 * Resolves the server by the address and ssh's configuration, verifies its host key and logs in, through jump hosts if
 * the configuration names them. The connector returns this first connection, then further ones without another prompt.
 * Rejects with badInput before it connects, otherwise with connection, timeout, hostKey, auth or cancelled.
 */
export async function connectSsh(
  target: ConnectContext,
  call: CallOptions,
  loadSystem: LoadSystemClient,
): Promise<SshConnector> {
  const context = await openContext(target);
  return connectorOf(await openRoute(context, call, loadSystem));
}

async function openRoute(context: LoginContext, call: CallOptions, load: LoadSystemClient): Promise<OpenedRoute> {
  const { target } = context;
  const { address, options } = target;
  const destination = { host: address.host, ...pickDefined(address.user, address.port) };
  const name = clientName(options);
  const openSystem = async (note: string) => {
    const program = await findSsh(target);
    return program === undefined ? undefined : await (await load())(systemOptions(context, program, note), call);
  };
  const openByReason = async (reason: string | undefined) => {
    if (reason === undefined || name !== "Auto") return undefined;
    return await openSystem(`${reason}, so that the system's ssh logs in (-SshClient System).`);
  };
  if (name === "System") return await openSystem("") ?? Promise.reject(noSshError("-SshClient System is given"));
  const { settings } = settingsOf(context, destination);
  const hops = [...jumpHostsTo(context, destination), destination];
  const prepared: Hop[] = [];
  for (const hop of hops) {
    const { proxyCommand, sshOnly: [what] } = settingsOf(context, hop).settings;
    const reason = what === undefined ? undefined : `The SSH configuration sets ${what} for ${hop.host}`;
    const opened = await openByReason(reason);
    if (opened !== undefined) return opened;
    if (proxyCommand !== undefined) throw name === "Auto" ? noSshError(reason ?? "") : proxyCommandError(hop.host);
    const { sshOnly, ...hopOptions } = await prepareHop(context, hop, hop === destination);
    const openedByKey = await openByReason(sshOnly);
    if (openedByKey !== undefined) return openedByKey;
    const proxy = prepared.length > 0 ? undefined : await findProxy(target, { ...hopOptions, protocol: "tcp" });
    prepared.push(new Hop({ ...hopOptions, proxy }));
  }
  for (const note of context.notes) target.warn(note);
  const route = new Route(prepared);
  const user = encodeURIComponent(settings.user);
  return {
    first: await route.connect(call),
    label: labelOf({ scheme: "sftp", host: address.host, user, port: settings.port }, 22),
    host: settings.hostName.toLowerCase(),
    runsCommands: true,
    connect: (more) => route.connect(more),
  };
}

/** Returns what the system's ssh needs. `note`: said once, "" for nothing. */
function systemOptions(context: LoginContext, program: string, note: string): SystemClientOptions {
  const { target, home, localUser, trustRule } = context;
  const { SshConfigFile: file, SshPrivateKeyPath: keyPath, SshAgent: agent } = target.options;
  const timeout = Number(target.options["Timeout"] ?? NaN);
  if (note !== "") target.warn(note);
  return {
    target,
    program,
    home,
    localUser,
    configFiles: file?.toLowerCase() === "none" ? [] : configPaths(target, home),
    isPinned: trustRule.pins.length > 0,
    policy: trustRule.policy,
    keyPath: keyPath === undefined ? undefined : expandHome(keyPath, home),
    agent: agent === undefined || agent === "SSH_AUTH_SOCK" ? undefined : expandHome(agent, home),
    timeout: Number.isFinite(timeout) ? timeout : undefined,
    defaultTimeout: LOGIN_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    legacy: target.options["AllowLegacyAlgorithms"] === "true",
    // Files of revoked keys are read by ssh itself, in both of their formats, before it asks about the key.
    createVerifier: (settings) => {
      const hop = { host: target.address.host };
      return verifierOf(context, { ...settings, revokedHostKeys: undefined }, { hop, isDestination: true });
    },
  };
}

/** Returns the connector of a route: the first connection, then further ones. */
function connectorOf({ first, label, host, runsCommands, connect }: OpenedRoute): SshConnector {
  let unused: SshConnection | undefined = first;
  return {
    label,
    host,
    runsCommands,
    peer: fingerprint(first.hostKey),
    async connect(call) {
      const given = unused;
      unused = undefined;
      return given !== undefined && !given.closed.aborted ? given : await connect(call);
    },
  };
}

/** In ms; ssh itself has no time limit, but an unattended run must not wait for ever. */
const LOGIN_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 15_000;
const MAX_HOPS = 8;

/**
 * Returns the jump hosts before a host, first hop first. The first one's own jump hosts precede it; those of later ones
 * are ignored.
 */
function jumpHostsTo(context: LoginContext, hop: JumpHost, seen: readonly string[] = []): readonly JumpHost[] {
  const { proxyJump } = settingsOf(context, hop).settings;
  const [first] = proxyJump;
  if (first === undefined) return [];
  if (seen.includes(hop.host) || seen.length >= MAX_HOPS) {
    throw badInput(
      `The jump hosts of ${hop.host} lead back to ${hop.host}; correct ProxyJump in the SSH configuration.`,
    );
  }
  return [...jumpHostsTo(context, first, [...seen, hop.host]), ...proxyJump];
}

function proxyCommandError(host: string): Error {
  return badInput(
    `The SSH configuration sets a ProxyCommand for ${host}, which the built-in client does not run; write -SshClient System, use ProxyJump instead, or -SshConfigFile none.`,
  );
}

/** Reads and checks everything that one hop needs, before any connection. */
async function prepareHop(
  context: LoginContext,
  hop: JumpHost,
  isDestination: boolean,
): Promise<HopOptions & { readonly sshOnly: string | undefined }> {
  const { target } = context;
  const { settings, shown } = settingsOf(context, hop);
  const timeout = Number(target.options["Timeout"] ?? NaN);
  const auth = await authOptions(context, { settings, shown, last: isDestination });
  return {
    host: settings.hostName,
    port: settings.port,
    user: settings.user,
    timeout: Number.isFinite(timeout) ? timeout : settings.connectTimeout ?? LOGIN_TIMEOUT_MS,
    keepAlive: settings.keepAlive ?? KEEP_ALIVE_MS,
    legacy: target.options["AllowLegacyAlgorithms"] === "true",
    verifier: await verifierOf(context, settings, { hop, isDestination }),
    auth: new AuthSequence(auth),
    sshOnly: await explainSshOnly(auth, settings, target),
  };
}

/** Returns the verifier of a host's key. Pins are for the server itself. */
async function verifierOf(
  { target, home, trustRule }: LoginContext,
  settings: SshSettings,
  { hop, isDestination }: { readonly hop: JumpHost; readonly isDestination: boolean },
): Promise<HostKeyVerifier> {
  const system = systemSshDir((name) => target.env(name));
  return await createVerifier({
    trustRule: isDestination ? trustRule : { ...trustRule, pins: [] },
    displayHost: hop.host,
    name: settings.hostKeyAlias === undefined
      ? { host: settings.hostName, port: settings.port }
      : { host: settings.hostKeyAlias, port: settings.port, exact: true },
    files: {
      user: settings.userKnownHosts ?? defaultKnownHosts(home),
      system: settings.globalKnownHosts ?? ["ssh_known_hosts", "ssh_known_hosts2"].map((name) => join(system, name)),
      hash: settings.hashKnownHosts,
      revoked: settings.revokedHostKeys,
    },
    context: target,
  });
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
  const agent = target.options["SshAgent"] ?? settings.identityAgent ?? "SSH_AUTH_SOCK";
  const named = agent === "SSH_AUTH_SOCK" ? target.env(agent) : expandHome(agent, home);
  const socket = named === undefined || named === "" || named.toLowerCase() === "none" ? undefined : named;
  const heldKeys = socket === undefined ? undefined : await listAgentKeys(socket);
  const sources = { explicit, configured, home, agentKeys: heldKeys ?? [] };
  const files = await loadKeyFiles(sources, (message) => target.warn(message));
  return {
    account,
    isDestination,
    files,
    agent: socket,
    heldKeys,
    agentKeys: settings.identitiesOnly ? files.publicKeys : undefined,
    disabledMethods: settings.disabledMethods,
    context: target,
  };
}

function defaultKnownHosts(home: string | undefined): readonly string[] {
  return home === undefined ? [] : ["known_hosts", "known_hosts2"].map((name) => join(home, ".ssh", name));
}

function pickDefined(user: string | undefined, port: number | undefined): Omit<JumpHost, "host"> {
  return { ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}
