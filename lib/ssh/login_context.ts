import { join, resolve } from "node:path";
import { badInput } from "../core/errors.ts";
import type { ConnectContext } from "../core/protocol.ts";
import { accountName } from "../machine/account.ts";
import { type JumpHost, resolveSshConfig, type SshSettings } from "./config.ts";
import { configFiles, homeOf, systemSshDir } from "./config_files.ts";
import { type ConfigLine, loadSshConfig } from "./config_parser.ts";
import { readTrustRule, type TrustRule } from "./host_key_policy.ts";

/** The context that all hops of one login share. */
export interface LoginContext {
  readonly target: ConnectContext;
  readonly home: string | undefined;
  readonly localUser: string;
  readonly config: readonly ConfigLine[];
  readonly trustRule: TrustRule;
  readonly notes: Set<string>;
}

/** Reads the rule of trust and the configuration. Rejects with badInput. */
export async function openContext(target: ConnectContext): Promise<LoginContext> {
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
  const [path = "", system] = configPaths(target, home);
  if (configPath !== undefined) {
    const files = configFiles(home, { warn: (message) => target.warn(message) });
    if (await files.read(path) === undefined) throw badInput(`-SshConfigFile "${configPath}" does not exist.`);
    return await loadSshConfig(path, files, home === undefined ? undefined : join(home, ".ssh"));
  }
  const files = configFiles(home);
  const user = await loadSshConfig(path, files);
  return system === undefined ? user : [...user, ...await loadSshConfig(system, files)];
}

/** Returns the files of ssh's configuration: the one that the user named, otherwise the user's and the system's. */
export function configPaths({ options, env }: ConnectContext, home: string | undefined): readonly string[] {
  const named = options["SshConfigFile"];
  if (named !== undefined) return [resolve(expandHome(named, home))];
  const system = join(systemSshDir((name) => env(name)), "ssh_config");
  return home === undefined ? [system] : [join(home, ".ssh", "config"), system];
}

/** Returns the settings of a hop, and how messages name its account. Throws badInput if no user is known. */
export function settingsOf(
  context: LoginContext,
  hop: JumpHost,
): { readonly settings: SshSettings; readonly shown: string } {
  const { target, home, localUser, config } = context;
  const settings = resolveSshConfig(config, { ...hop, localUser, home, env: (name) => target.env(name) });
  for (const note of settings.notes) context.notes.add(note);
  if (settings.user === "") {
    throw badInput(`The user for ${hop.host} is not known; write sftp://user@${hop.host}, or -UserName.`);
  }
  return { settings, shown: `${settings.user}@${hop.host}` };
}

/** Replaces `~` at the start of a path. */
export function expandHome(path: string, home: string | undefined): string {
  return home !== undefined && /^~(?=[/\\]|$)/.test(path) ? join(home, path.slice(1)) : path;
}
