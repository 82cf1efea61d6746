import { badInput } from "../../core/errors.ts";
import type { Address } from "../../core/protocol.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { resolveSshConfig, type SshSettings } from "../config.ts";
import type { ConfigLine } from "../config_parser.ts";
import type { SshReport } from "./process.ts";

/** The configuration that the system's ssh is to read, and the server as the user wrote it. */
export interface SystemTarget {
  readonly address: Pick<Address, "host" | "user" | "port">;
  readonly home: string | undefined;
  readonly localUser: string;
  env(name: string): string | undefined;
}

/** The output of `ssh -G` for a host: as settings, and as keyword and value. */
export interface SystemSettings {
  readonly settings: SshSettings;
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Throws badInput for a host or a user that ssh could take for an option, or that a command of the configuration could
 * misread: both may come from another program, and ssh inserts them into a ProxyCommand.
 */
export function assertPlainAddress({ host, user }: Pick<Address, "host" | "user">): void {
  if (!/^[\p{L}\p{N}_:][\p{L}\p{N}._:%-]*$/u.test(host)) {
    throw badInput(
      `The host "${
        escapeForDisplay(host)
      }" is not given to ssh: it must begin with a letter or a digit, and hold letters, digits, ".", "_", ":" and "-" alone.`,
    );
  }
  // deno-lint-ignore no-control-regex
  if (user !== undefined && /^-|\s-|\\$|["'`;&<>|(){}$\u0000-\u001f\u007f]/.test(user)) {
    throw badInput(
      `The user "${
        escapeForDisplay(user)
      }" is not given to ssh: it must not begin with "-" or hold quotes, brackets or other signs of a shell.`,
    );
  }
}

/**
 * Returns the text of the configuration: first what holds for jump hosts too, then the user's files. The first value of
 * a keyword applies, so that no file can switch the check of host keys off or leave a master process behind.
 */
export function configText(files: readonly string[], policy: string): string {
  const strict = policy === "AcceptNew" ? "accept-new" : policy === "GiveUpSecurityAndAcceptAny" ? "no" : "yes";
  const include = (path: string) => `Include "${path.replace(/[\\*?[\]]/g, "\\\\$&").replaceAll('"', '\\"')}"`;
  return [
    `StrictHostKeyChecking ${strict}`,
    "ControlMaster no",
    "ControlPersist no",
    "PermitLocalCommand no",
    "ForwardAgent no",
    ...files.map(include),
    "",
  ].join("\n");
}

/** Returns the arguments that name the server. "--" ends the options: a host never counts as one. */
export function destination({ host, user, port }: SystemTarget["address"]): readonly string[] {
  return [
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "--",
    host,
  ];
}

/** Parses what `ssh -G` reports for the host. Throws badInput if it refused the configuration. */
export function parseSettings({ isSuccess, stdout, log }: SshReport, target: SystemTarget): SystemSettings {
  if (!isSuccess) {
    throw badInput(`The SSH configuration cannot be read by ssh: ${log.lines[0] ?? "it said nothing"}; correct it.`);
  }
  const lines = stdout.split("\n").flatMap(toConfigLine);
  const settings = resolveSshConfig(lines, { ...target, ...target.address, env: (name) => target.env(name) });
  return { settings, values: new Map(lines.map(({ keyword, values }) => [keyword, values.join(" ")])) };
}

/** The environment of ssh: this program's own, without its passwords, since a ProxyCommand would inherit them. */
export function systemEnv({ env }: Pick<SystemTarget, "env">): Record<string, string> {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("TANDEM_"));
  const agent = env("SSH_AUTH_SOCK");
  return { ...Object.fromEntries(inherited), ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }) };
}

/** ssh prints the default files of its own user's home; here the home folder of the environment counts. */
const DEFAULT_KNOWN_HOSTS = /^userknownhostsfile \S*\/\.ssh\/known_hosts \S*\/\.ssh\/known_hosts2$/;
/** The keywords that take several paths, which ssh prints with blanks between them. */
const LISTS = ["userknownhostsfile", "globalknownhostsfile"];

function toConfigLine(text: string): readonly ConfigLine[] {
  const [, keyword = "", value = ""] = /^(\S+) (.+)$/.exec(text) ?? [];
  if (keyword === "" || DEFAULT_KNOWN_HOSTS.test(text)) return [];
  const values = LISTS.includes(keyword) ? value.split(" ") : [value];
  return [{ keyword: keyword.toLowerCase(), values, inner: [], origin: "ssh -G" }];
}
