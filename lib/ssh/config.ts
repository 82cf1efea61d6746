import { badInput } from "../core/errors.ts";
import { type ConfigLine, expandPath, malformed } from "./config_parser.ts";
import { matchesPatternList, matchesPatterns } from "./known_hosts.ts";

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

/** The settings of one host, with tokens and `~` expanded. Times in ms. */
export interface SshSettings {
  readonly hostName: string;
  readonly user: string;
  readonly port: number;
  /** Undefined: ssh's default files. */
  readonly identityFiles: readonly string[] | undefined;
  readonly identitiesOnly: boolean;
  readonly identityAgent: string | undefined;
  readonly proxyJump: readonly JumpHost[];
  readonly proxyCommand: string | undefined;
  readonly userKnownHosts: readonly string[] | undefined;
  readonly globalKnownHosts: readonly string[] | undefined;
  /** The file of host keys that are refused, whatever the known hosts say. */
  readonly revokedHostKeys: string | undefined;
  readonly hashKnownHosts: boolean;
  readonly hostKeyAlias: string | undefined;
  readonly connectTimeout: number | undefined;
  readonly keepAlive: number | undefined;
  /** Methods that the config disables. */
  readonly disabledMethods: readonly ("publickey" | "password" | "keyboard-interactive")[];
  readonly gssapi: boolean;
  /** Settings that only the system's ssh follows: "ProxyCommand". */
  readonly sshOnly: readonly string[];
  /** Settings that Tandem does not support, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Resolves the settings of one host: the first value of a keyword applies, identity files accumulate (ssh_config(5)).
 * Runs no command. Throws badInput for a value that ssh would refuse.
 */
export function resolveSshConfig(lines: readonly ConfigLine[], query: ConfigQuery): SshSettings {
  const collector = new SettingsCollector(query);
  collector.collect(lines);
  const first = (keyword: string) => collector.values.get(keyword)?.[0];
  const hostName = expand(first("hostname") ?? query.host, { "%": "%", h: query.host, n: query.host }).toLowerCase();
  const port = query.port ?? portOf(first("port")) ?? 22;
  const user = query.user ?? first("user") ?? query.localUser;
  const alias = first("hostkeyalias")?.toLowerCase();
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
  const revoked = first("revokedhostkeys");
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
    revokedHostKeys: revoked === undefined || revoked.toLowerCase() === "none" ? undefined : toPath(revoked),
    hashKnownHosts: isYes(first("hashknownhosts")),
    hostKeyAlias: alias,
    connectTimeout: toMs(first("connecttimeout")),
    keepAlive: toMs(first("serveraliveinterval")),
    disabledMethods: METHODS.flatMap(([keyword, method]) => isNo(first(keyword)) ? [method] : []),
    gssapi: isYes(first("gssapiauthentication")),
    sshOnly: [
      ...SSH_ONLY.filter(([keyword]) => !/^(none|internal)?$/i.test(first(keyword) ?? "")).map(([, name]) => name),
      ...collector.unfollowed.filter((criterion) => SSH_ONLY_MATCHES.includes(criterion)).map((name) =>
        `Match ${name}`
      ),
    ],
    notes: collector.notes,
  };
}

/**
 * Parses the hops of a ProxyJump value, nearest first: "[user@]host[:port]" or "ssh://…", with commas; "none" has none.
 */
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

const METHODS = [
  ["pubkeyauthentication", "publickey"],
  ["passwordauthentication", "password"],
  ["kbdinteractiveauthentication", "keyboard-interactive"],
] as const;

/** The keywords, and criteria of Match, for which Auto uses the system's ssh. */
const SSH_ONLY = [
  ["proxycommand", "ProxyCommand"],
  ["certificatefile", "CertificateFile"],
  ["pkcs11provider", "PKCS11Provider"],
  ["securitykeyprovider", "SecurityKeyProvider"],
] as const;
const SSH_ONLY_MATCHES: readonly string[] = ["exec", "tagged", "localnetwork", "command", "sessiontype", "version"];

/** Other names of a keyword: the first value counts, whatever the name. */
const ALIASES: Readonly<Record<string, string>> = {
  challengeresponseauthentication: "kbdinteractiveauthentication",
  skeyauthentication: "kbdinteractiveauthentication",
  tisauthentication: "kbdinteractiveauthentication",
};

const TIMES: readonly string[] = ["connecttimeout", "serveraliveinterval"];

/** The keywords used here that take several arguments; further arguments of others are refused, as ssh does. */
const LISTS: readonly string[] = ["userknownhostsfile", "globalknownhostsfile"];
const SINGLE: readonly string[] = [
  "hostname",
  "user",
  "port",
  "identityfile",
  "identitiesonly",
  "identityagent",
  "proxyjump",
  "revokedhostkeys",
  "hashknownhosts",
  "hostkeyalias",
  "connecttimeout",
  "serveraliveinterval",
  ...METHODS.map(([keyword]) => keyword),
];

/** Collects values while walking the lines in order; a Host or Match that does not apply hides its lines. */
class SettingsCollector {
  readonly values = new Map<string, readonly string[]>();
  readonly notes: string[] = [];
  /** The criteria of Match blocks that may apply, and are not known here. */
  readonly unfollowed: string[] = [];
  readonly #query: ConfigQuery;

  constructor(query: ConfigQuery) {
    this.#query = query;
  }

  collect(lines: readonly ConfigLine[]): void {
    for (const line of lines) {
      if (line.keyword === "host") {
        // With regard to the case of letters, unlike Match.
        if (matchesPatternList(line.values, this.#query.host)) this.collect(line.inner);
      } else if (line.keyword === "match") {
        if (this.#matches(line.values)) this.collect(line.inner);
      } else if (line.keyword === "include") this.collect(line.inner);
      else this.#record(line);
    }
  }

  #record(line: ConfigLine): void {
    const { values, origin } = line;
    const keyword = ALIASES[line.keyword] ?? line.keyword;
    if (SINGLE.includes(keyword) && values.length > 1) {
      throw malformed(origin, `"${line.keyword}" takes one value, but it has ${values.length}`);
    }
    if ((SINGLE.includes(keyword) || LISTS.includes(keyword)) && values.includes("")) {
      throw malformed(origin, `"${line.keyword}" has an empty value`);
    }
    // To ssh a time of "none" is unset: a later line may set it.
    if (TIMES.includes(keyword) && values[0] === "none") return;
    const before = this.values.get(keyword);
    if (keyword === "identityfile") {
      this.values.set(keyword, [...new Set([...(before ?? []), ...values])]);
      return;
    }
    // The first of the two keywords overrides the other; "ProxyJump none" leaves the choice to a ProxyCommand.
    const isJumpSet = (this.values.get("proxyjump")?.[0] ?? "none").toLowerCase() !== "none";
    const isOverridden = keyword === "proxyjump" ? this.values.has("proxycommand") : isJumpSet;
    if (before !== undefined || (/^proxy(?:jump|command)$/.test(keyword) && isOverridden)) return;
    this.values.set(keyword, values);
  }

  /**
   * Whether a Match block applies. `Match exec` would run a command, and other criteria are unknown here: such a block
   * does not apply, which is noted.
   */
  #matches(values: readonly string[]): boolean {
    const unknown: string[] = [];
    let applies = true;
    for (let at = 0; at + 1 < values.length; at += 2) {
      const word = values[at] ?? "";
      const negated = word.startsWith("!");
      const criterion = (negated ? word.slice(1) : word).toLowerCase();
      const result = this.#criterion(criterion, (values[at + 1] ?? "").split(","));
      if (result === undefined) unknown.push(criterion);
      else applies &&= result !== negated;
    }
    if (!applies || unknown.length === 0) return applies;
    this.unfollowed.push(...unknown);
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
        return matchesPatternList(patterns, user ?? this.values.get("user")?.[0] ?? localUser);
      case "localuser":
        return matchesPatternList(patterns, localUser);
      default:
        return undefined;
    }
  }
}

function expand(text: string, tokens: Readonly<Record<string, string>>): string {
  return text.replace(/%(.)/g, (whole, token: string) => Object.hasOwn(tokens, token) ? tokens[token] ?? whole : whole);
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

function isNo(text: string | undefined): boolean {
  return /^(no|false)$/i.test(text ?? "");
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
