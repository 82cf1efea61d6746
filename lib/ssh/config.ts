import { dirname, isAbsolute, join } from "node:path";
import SSHConfig from "npm:ssh-config@5.3.0";
import { badInput } from "../core/errors.ts";
import { matchesPatterns } from "./known_hosts.ts";

/** One keyword of an ssh_config file, in lower case; `inner` are the lines below a Host or Match, or those of an included file. */
export interface ConfigLine {
  readonly keyword: string;
  readonly values: readonly string[];
  readonly inner: readonly ConfigLine[];
}

/** The file access of loadSshConfig(): a missing file reads as undefined, a missing folder lists nothing. */
export interface ConfigFiles {
  readonly home: string | undefined;
  read(path: string): Promise<string | undefined>;
  list(dir: string): Promise<readonly string[]>;
}

/** The destination to resolve: the host as the user wrote it, and the values that override the config. */
export interface ConfigQuery {
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
  readonly localUser: string;
  readonly home: string | undefined;
  env(name: string): string | undefined;
}

export interface JumpHost {
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
}

/** The settings of one host, tokens and `~` expanded. Times in ms. `identityFiles` undefined: ssh's default ones. */
export interface SshSettings {
  readonly hostName: string;
  readonly user: string;
  readonly port: number;
  readonly identityFiles: readonly string[] | undefined;
  readonly identitiesOnly: boolean;
  readonly identityAgent: string | undefined;
  readonly proxyJump: readonly JumpHost[];
  readonly proxyCommand: string | undefined;
  readonly userKnownHosts: readonly string[] | undefined;
  readonly globalKnownHosts: readonly string[] | undefined;
  readonly hashKnownHosts: boolean;
  readonly hostKeyAlias: string | undefined;
  readonly connectTimeout: number | undefined;
  readonly keepAlive: number | undefined;
  /** Methods that the config disables. */
  readonly disabledMethods: readonly ("publickey" | "password" | "keyboard-interactive")[];
  /** Settings that Tandem does not support, one sentence each. */
  readonly notes: readonly string[];
}

/** Reads an ssh_config file and all files it includes, for any host. Throws badInput for a malformed one. */
export async function loadSshConfig(path: string, files: ConfigFiles): Promise<readonly ConfigLine[]> {
  return await loadFile(path, files, { baseDir: dirname(path), includedBy: [] });
}

/** Resolves the settings of one host: the first value of a keyword applies, identity files accumulate (ssh_config(5)). Runs no command. */
export function resolveSshConfig(lines: readonly ConfigLine[], query: ConfigQuery): SshSettings {
  const collector = new SettingsCollector(query);
  collector.collect(lines);
  const first = (keyword: string) => collector.values.get(keyword)?.[0];
  const hostName = expand(first("hostname") ?? query.host, { "%": "%", h: query.host, n: query.host });
  const port = query.port ?? portOf(first("port")) ?? 22;
  const user = query.user ?? first("user") ?? query.localUser;
  const alias = first("hostkeyalias");
  const tokens = {
    "%": "%",
    h: hostName,
    n: query.host,
    p: String(port),
    r: user,
    u: query.localUser,
    d: query.home ?? "",
    k: alias ?? query.host,
  };
  const toPath = (text: string) => expandPath(expand(text, tokens), query);
  const paths = (keyword: string) => collector.values.get(keyword)?.filter((text) => text !== "none").map(toPath);
  const agent = first("identityagent");
  const command = first("proxycommand");
  return {
    hostName,
    user,
    port,
    identityFiles: paths("identityfile"),
    identitiesOnly: isYes(first("identitiesonly")),
    identityAgent: agent === undefined || /^(none|SSH_AUTH_SOCK)$/.test(agent) ? agent : toPath(agent),
    proxyJump: parseJumps(first("proxyjump")),
    proxyCommand: command === "none" ? undefined : command,
    userKnownHosts: paths("userknownhostsfile"),
    globalKnownHosts: paths("globalknownhostsfile"),
    hashKnownHosts: isYes(first("hashknownhosts")),
    hostKeyAlias: alias,
    connectTimeout: toMs(first("connecttimeout")),
    keepAlive: toMs(first("serveraliveinterval")),
    disabledMethods: METHODS.flatMap(([keyword, method]) => first(keyword)?.toLowerCase() === "no" ? [method] : []),
    notes: collector.notes,
  };
}

/** Parses the hops of a ProxyJump value, nearest first: "[user@]host[:port]" or "ssh://…", with commas; "none" has none. */
export function parseJumps(text: string | undefined): readonly JumpHost[] {
  if (text === undefined || text.toLowerCase() === "none") return [];
  return text.split(",").map((hop) => {
    const match = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:@\s]+))(?::(\d+))?\/?$/.exec(hop.trim());
    const [user, host, port] = [match?.[1], match?.[2] ?? match?.[3], match?.[4]];
    if (host === undefined) {
      throw badInput(`ProxyJump "${hop.trim()}" is no host; write user@host:port in ~/.ssh/config.`);
    }
    return { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port: Number(port) }) };
  });
}

const MAX_DEPTH = 16;

const METHODS = [
  ["pubkeyauthentication", "publickey"],
  ["passwordauthentication", "password"],
  ["kbdinteractiveauthentication", "keyboard-interactive"],
  ["challengeresponseauthentication", "keyboard-interactive"],
] as const;

/** The position of an included file. `base`: the folder of the first file, to which every Include is relative; `within`: the files that include this one. */
interface IncludeChain {
  readonly baseDir: string;
  readonly includedBy: readonly string[];
}

async function loadFile(
  path: string,
  files: ConfigFiles,
  { baseDir, includedBy }: IncludeChain,
): Promise<readonly ConfigLine[]> {
  // Checked before the depth: a file that includes itself twice would be read 2^16 times.
  if (includedBy.includes(path)) throw badInput(`"${path}" includes itself; remove that Include.`);
  if (includedBy.length > MAX_DEPTH) {
    throw badInput(`"${path}" is included more than ${MAX_DEPTH} deep; remove an Include.`);
  }
  const text = await files.read(path);
  if (text === undefined) return [];
  const include = async (pattern: string) => {
    const found: ConfigLine[] = [];
    for (const one of await expandGlob(pattern, baseDir, files)) {
      found.push(...await loadFile(one, files, { baseDir, includedBy: [...includedBy, path] }));
    }
    return found;
  };
  return await Promise.all(parseLines(text, path).map((line) => withIncludes(line, include)));
}

function parseLines(text: string, path: string): readonly ConfigLine[] {
  try {
    return toLines(SSHConfig.parse(text));
  } catch (error) {
    throw badInput(`Cannot understand "${path}": ${error instanceof Error ? error.message : error}; correct it first.`);
  }
}

function toLines(config: SSHConfig): readonly ConfigLine[] {
  return config.flatMap((line): ConfigLine[] => {
    if (!("param" in line)) return [];
    const values = typeof line.value === "string" ? [line.value] : line.value.map(({ val }) => val);
    const keyword = line.param.toLowerCase();
    if (/\s/.test(keyword)) throw new Error(`"${line.param.trim()}" has no value`);
    return [{ keyword, values, inner: "config" in line ? toLines(line.config) : [] }];
  });
}

async function withIncludes(
  line: ConfigLine,
  include: (pattern: string) => Promise<readonly ConfigLine[]>,
): Promise<ConfigLine> {
  if (line.keyword !== "include") {
    return { ...line, inner: await Promise.all(line.inner.map((one) => withIncludes(one, include))) };
  }
  return { ...line, inner: (await Promise.all(line.values.map(include))).flat() };
}

/** Lists the files of an Include: relative to the first file's folder, `*` and `?` in the last part only, sorted by name. */
async function expandGlob(pattern: string, baseDir: string, files: ConfigFiles): Promise<readonly string[]> {
  const full = expandPath(pattern, { home: files.home, env: () => undefined });
  const path = isAbsolute(full) ? full : join(baseDir, full);
  const [dir, name] = [dirname(path), path.slice(dirname(path).length).replace(/^[/\\]/, "")];
  if (!/[*?]/.test(name)) return [path];
  const names = (await files.list(dir)).filter((one) => !one.startsWith(".") && matchesPatterns([name], one));
  return names.sort().map((one) => join(dir, one));
}

/** Collects values while walking the lines in order; a Host or Match that does not apply hides its lines. */
class SettingsCollector {
  readonly values = new Map<string, readonly string[]>();
  readonly notes: string[] = [];
  readonly #query: ConfigQuery;

  constructor(query: ConfigQuery) {
    this.#query = query;
  }

  collect(lines: readonly ConfigLine[]): void {
    for (const line of lines) {
      if (line.keyword === "host") {
        if (matchesPatterns(line.values, this.#query.host)) this.collect(line.inner);
      } else if (line.keyword === "match") {
        if (this.#matches(line.values)) this.collect(line.inner);
      } else if (line.keyword === "include") this.collect(line.inner);
      else this.#record(line);
    }
  }

  #record({ keyword, values }: ConfigLine): void {
    const before = this.values.get(keyword);
    if (keyword === "identityfile") {
      this.values.set(keyword, [...(before ?? []), ...values]);
      return;
    }
    // The first of the two keywords overrides the other.
    const alternative = keyword === "proxyjump" ? "proxycommand" : keyword === "proxycommand" ? "proxyjump" : undefined;
    if (before !== undefined || (alternative !== undefined && this.values.has(alternative))) return;
    this.values.set(keyword, keyword === "proxycommand" ? [values.join(" ")] : values);
  }

  /** Whether a Match block applies. `Match exec` would run a command, and other criteria are unknown here: such a block does not apply, which is noted. */
  #matches(values: readonly string[]): boolean {
    const words = [...values];
    const unknown: string[] = [];
    let applies = true;
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      const negated = word.startsWith("!");
      const criterion = (negated ? word.slice(1) : word).toLowerCase();
      const argument = ["all", "canonical", "final"].includes(criterion) ? "" : words.shift() ?? "";
      const result = this.#criterion(criterion, argument.split(","));
      if (result === undefined) unknown.push(criterion);
      else applies &&= result !== negated;
    }
    if (!applies || unknown.length === 0) return applies;
    this.notes.push(
      `"Match ${unknown.join(" ")}" in the SSH configuration is not followed; write a Host block instead.`,
    );
    return false;
  }

  #criterion(name: string, patterns: readonly string[]): boolean | undefined {
    const { host, user, localUser } = this.#query;
    switch (name) {
      case "all":
        return true;
      case "host":
        return matchesPatterns(patterns, this.values.get("hostname")?.[0]?.replaceAll("%h", host) ?? host);
      case "originalhost":
        return matchesPatterns(patterns, host);
      case "user":
        return matchesPatterns(patterns, user ?? this.values.get("user")?.[0] ?? localUser);
      case "localuser":
        return matchesPatterns(patterns, localUser);
      default:
        return undefined;
    }
  }
}

function expand(text: string, tokens: Readonly<Record<string, string>>): string {
  return text.replace(/%(.)/g, (whole, token: string) => Object.hasOwn(tokens, token) ? tokens[token] ?? whole : whole);
}

function expandPath(text: string, { home, env }: Pick<ConfigQuery, "home" | "env">): string {
  const filled = text.replace(/\$\{(\w+)\}/g, (whole, name: string) => env(name) ?? whole);
  const named = /^\$(\w+)$/.exec(filled)?.[1];
  if (named !== undefined) return env(named) ?? filled;
  return home !== undefined && /^~(?=[/\\]|$)/.test(filled) ? join(home, filled.slice(1)) : filled;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw badInput(`Port "${text}" in the SSH configuration is no port; write 1 to 65535.`);
}

function isYes(text: string | undefined): boolean {
  return /^(yes|true)$/i.test(text ?? "");
}

/** Parses a time of ssh_config, "90" or "1m30s", to ms; returns undefined if absent or malformed. */
function toMs(text: string | undefined): number | undefined {
  // Each number but the last has its unit: with optional units inside, a long number could be read in 2^n ways.
  if (text === undefined || !/^(?:\d+[smhdw])*\d*$/i.test(text)) return undefined;
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  const parts = [...text.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)];
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit || "s"] ?? 1), 0);
  return seconds === 0 ? undefined : seconds * 1000;
}
