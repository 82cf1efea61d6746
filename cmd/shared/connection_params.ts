import { formatAddress, isAddress, parseAddress } from "../../lib/core/address.ts";
import { type Address, type Protocol, type ProtocolOption, protocols } from "../../lib/backends/mod.ts";
import { badInput } from "../../lib/core/errors.ts";
import { printable } from "../../lib/core/path.ts";
import { openSession, protocolOf, type Reach, type Session, type SessionWorld } from "../../lib/session/session.ts";
import { readSecretFile } from "../../lib/session/state_folder.ts";
import { type Host, type Param, type Params, type ParamType, piped } from "../../lib/shell/command/command.ts";
import {
  duration,
  fingerprints,
  number,
  oneOf,
  path,
  positiveDuration,
  type Secret,
  secret,
  text,
  toggle,
} from "../../lib/shell/command/param_types.ts";
import { credential } from "./credential.ts";

/** The protocols' own parameters, with the types they would have if they were written out here. */
type OptionRow = (typeof protocols)[number]["options"][number];
type ProtocolParams = {
  readonly [O in OptionRow as O["name"]]: {
    readonly type: ParamType<O extends { readonly values: readonly (infer V)[] } ? V : ValueOf[O["kind"]]>;
    readonly help: string;
    readonly aliases: readonly string[];
  };
};

interface ValueOf {
  readonly text: string;
  readonly list: readonly string[];
  readonly toggle: boolean;
  readonly number: number;
  readonly duration: number;
  readonly secret: Secret;
}

const rows: readonly Protocol[] = protocols;

/** The address and login parameters of New-Session, which Sync-Path and Compare-Path accept too. */
export const loginParams = {
  HostName: { type: text, aliases: ["ComputerName"], help: "The server, instead of an address." },
  PortNumber: { type: number(1, 65_535), help: "The server's port; the protocol's own by default." },
  UserName: { type: text, help: "Who logs in." },
  Protocol: {
    type: oneOf(...rows.flatMap((row) => row.names)),
    help: "The protocol of -HostName; Sftp by default.",
  },
  Credential: { type: credential, help: "User name and password: an object of Get-Credential, or user:password." },
  Password: {
    type: secret,
    help:
      "The password. It shows in the list of processes: -PasswordFile or TANDEM_PASSWORD (TANDEM_PASSWORD_WEB1 for the host web1 alone) do not.",
  },
  PasswordFile: { type: path, help: "A file whose first line is the password." },
  Timeout: { type: positiveDuration, help: "How long to wait for the server: 15s by default." },
  ...protocolParams(),
} as const satisfies Params;

/** The bound loginParams. */
export type Login =
  & {
    readonly [K in Exclude<keyof typeof loginParams, number | symbol>]: (typeof loginParams)[K] extends Param<infer T>
      ? T | undefined
      : never;
  }
  & Readonly<Record<string, unknown>>
  & { readonly [piped]?: ReadonlySet<string> };

/**
 * Returns the specification of the connection. `word` is an address; without it -HostName is required. Throws badInput
 * before anything is opened.
 */
export function toReach(
  login: Login,
  word: string | undefined,
): Reach & { readonly password: (() => string) | undefined } {
  const parsed = word === undefined ? undefined : parseAddress(word, protocols);
  if (parsed === undefined && login.HostName === undefined) {
    throw badInput(
      "Which server? Write an address such as sftp://user@host, or -HostName.",
      "MissingMandatoryParameter",
    );
  }
  if (parsed !== undefined && (login.HostName !== undefined || login.Protocol !== undefined)) {
    throw badInput("The address names the server and its protocol already: leave -HostName and -Protocol out.");
  }
  const address = withLogin(parsed?.address ?? hostAddress(login), login);
  const protocol = protocolOf(address.scheme);
  const options = protocolOptions(login, protocol);
  if (login.Timeout !== undefined) options["Timeout"] = String(login.Timeout);
  if (login.Password !== undefined && login.PasswordFile !== undefined) {
    throw badInput("Give -Password or -PasswordFile, not both.", "AmbiguousParameterSet");
  }
  return { address, options, password: parsed?.password };
}

/** Returns the names of the login parameters that were given, to reject them if a session already exists. */
export function givenLogin(login: Login): string[] {
  return Object.keys(loginParams).filter((name) => login[name] !== undefined);
}

/** Connects and authenticates with the user's parameters; secrets are fetched when the server asks for them. */
export async function login(bound: Login, word: string | undefined, host: Host): Promise<Session> {
  const { password, ...reach } = toReach(bound, word);
  if (password !== undefined) {
    host.warn(`The password in the address shows in the list of processes: -PasswordFile or TANDEM_PASSWORD do not.`);
  }
  const { host: name } = reach.address;
  const isForeign = ADDRESS_PARAMS.some((param) => bound[piped]?.has(param));
  const secret = (wanted: string) => givenSecret(bound, wanted, { password, host, name, isForeign });
  return await openSession(reach, worldOf(host, secret), host);
}

/** The parameters that may hold an address. */
const ADDRESS_PARAMS = ["Address", "RemotePath"];

/** Returns the host's services for a session, with secrets from `secret`. */
export function worldOf(host: Host, secret: SessionWorld["secret"]): SessionWorld {
  const { redactor } = host;
  const concealed = (value: string | undefined) => {
    redactor.add(value);
    return value;
  };
  return {
    secret: async (name) => concealed(await secret(name)),
    ask: async (prompt, echo) => {
      const answer = await host.secret(redactor.redact(prompt), echo);
      return echo ? answer : concealed(answer);
    },
    conceal: (value) => redactor.add(value),
    warn: (message) => host.warn(redactor.redact(message)),
    env: (name) => SECRET_VARIABLE.test(name) ? concealed(host.env(name)) : host.env(name),
    readOnly: host.common.whatIf,
  };
}

/** Environment variables that hold a secret: AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN … */
const SECRET_VARIABLE = /SECRET|TOKEN|PASSW|PASSPHRASE/;

/** Returns "sftp://user@host" for a message, from the parameters alone. */
export function describeReach(reach: Pick<Reach, "address">): string {
  return formatAddress({ ...reach.address, path: "" });
}

/** Whether the word is an address, from which a session can be opened. */
export function standsForSession(word: string | undefined): boolean {
  return word !== undefined && isAddress(word);
}

function hostAddress(login: Login): Address {
  const row = rows.find((protocol) => protocol.names.includes(login.Protocol ?? "Sftp"));
  const scheme = row?.schemes[row.names.indexOf(login.Protocol ?? "Sftp")] ?? "sftp";
  const host = (login.HostName ?? "").replace(/^\[(.*)\]$/, "$1");
  if (isAddress(host)) {
    throw badInput(
      `-HostName takes a name, not an address; write New-Session "${
        formatAddress(parseAddress(host, protocols).address)
      }".`,
    );
  }
  // Never shown: the text before an @ may contain a password.
  if (/[@/\\\s]|^[^:]*:[^:]*$/.test(host)) {
    throw badInput(
      "-HostName takes the name alone: user and port go to -UserName and -PortNumber, or write an address, sftp://user@host:port/path.",
      "CannotConvertArgument",
    );
  }
  return { scheme, host, path: "", pins: [] };
}

function withLogin(address: Address, login: Login): Address {
  const user = login.UserName ?? login.Credential?.userName ?? address.user;
  const port = login.PortNumber ?? address.port;
  if (address.user !== undefined && user !== address.user) {
    throw badInput(`The address says user "${address.user}", the parameter "${user}": leave one out.`);
  }
  return { ...address, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}

async function givenSecret(
  login: Login,
  name: string,
  given: {
    readonly password: (() => string) | undefined;
    readonly host: Host;
    /** The server's name. */
    readonly name: string;
    /** Whether the address came out of the pipe: any program may have written it. */
    readonly isForeign: boolean;
  },
): Promise<string | undefined> {
  if (name !== "password") return await (login[name] as Secret | undefined)?.();
  const typed = await (login.Password ?? login.Credential?.password)?.();
  if (typed !== undefined) return typed;
  if (given.password !== undefined) return given.password();
  if (login.PasswordFile !== undefined) return await readSecretFile(login.PasswordFile);
  return passwordVariable(given.name, given);
}

/**
 * Returns the password in the environment for a host: TANDEM_PASSWORD_<HOST>, otherwise TANDEM_PASSWORD. The latter is
 * meant for the server that the command line names, so an address out of the pipe does not get it.
 */
function passwordVariable(
  name: string,
  { host, isForeign }: { readonly host: Host; readonly isForeign: boolean },
): string | undefined {
  const own = variableOf(name);
  const bound = own === undefined ? undefined : host.env(own);
  if (bound) return bound;
  const general = host.env("TANDEM_PASSWORD") || undefined;
  if (general === undefined || !isForeign) return general;
  const advice = own === undefined ? "Pipe a session of New-Session in instead" : `Set ${own} for it`;
  host.warn(
    `TANDEM_PASSWORD is not sent to "${printable(name)}", which the pipe named and no command line. ${advice}.`,
  );
  return undefined;
}

/**
 * Returns TANDEM_PASSWORD_WEB1_EXAMPLE_COM for "web1.example.com": "." becomes "_", "-" becomes "__", ":" of an IPv6
 * address "___", so that no two hosts share a variable. Undefined for a name that no host can have (RFC 1123, section
 * 2.1).
 */
export function variableOf(host: string): string | undefined {
  const isName = /^(?!-)[a-z0-9-]+(?<!-)(?:\.(?!-)[a-z0-9-]+(?<!-))*$/i.test(host) || /^[0-9a-f:.]+$/i.test(host);
  if (!isName) return undefined;
  const spelled = host.toUpperCase().replaceAll("-", "__").replaceAll(":", "___").replaceAll(".", "_");
  return `TANDEM_PASSWORD_${spelled}`;
}

function protocolOptions(login: Login, protocol: Protocol): Record<string, string> {
  const options: Record<string, string> = {};
  const own = new Set(protocol.options.map((option) => option.name));
  for (const option of rows.flatMap((row) => row.options)) {
    const value = login[option.name];
    if (value === undefined || option.kind === "secret") continue;
    if (!own.has(option.name)) {
      throw badInput(
        `-${option.name} is no parameter of ${protocol.schemes[0]}: leave it out.`,
        "NamedParameterNotFound",
      );
    }
    options[option.name] = Array.isArray(value) ? value.join(";") : String(value);
  }
  return options;
}

function protocolParams(): ProtocolParams {
  const params: Record<string, Param<unknown>> = {};
  for (const option of rows.flatMap((row) => row.options)) {
    params[option.name] = { type: typeOf(option), help: option.help, aliases: option.aliases ?? [] };
  }
  return params as unknown as ProtocolParams;
}

function typeOf(option: ProtocolOption): Param<unknown>["type"] {
  if (option.values !== undefined) return oneOf(...option.values);
  switch (option.kind) {
    case "text":
      return text;
    case "list":
      return fingerprints;
    case "toggle":
      return toggle;
    case "number":
      return number(1, 1_000_000);
    case "duration":
      return duration;
    case "secret":
      return secret;
    default:
      return option.kind satisfies never;
  }
}
