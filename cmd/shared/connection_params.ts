import { formatAddress, isAddress } from "../../lib/core/address.ts";
import { type Address, type Protocol, type ProtocolOption, protocols } from "../../lib/backends/mod.ts";
import { badInput } from "../../lib/core/errors.ts";
import { escapeForDisplay } from "../../lib/core/path.ts";
import {
  type ConnectionSpec,
  openSession,
  requireProtocol,
  type Session,
  type SessionContext,
} from "../../lib/session/session.ts";
import { readSecretFile } from "../../lib/session/state_folder.ts";
import {
  type CommandContext,
  type Param,
  type Params,
  type ParamType,
  piped,
} from "../../lib/shell/command/command.ts";
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
import { parseAddress } from "../../lib/core/address_parser.ts";

/** The protocols' own parameters, with the types they would have if they were written out here. */
type OptionRow = (typeof protocols)[number]["options"][number];
type ProtocolParams = {
  readonly [O in OptionRow as O["name"]]: {
    readonly type: ParamType<O extends { readonly values: readonly (infer V)[] } ? V : OptionValues[O["kind"]]>;
    readonly help: string;
    readonly aliases: readonly string[];
  };
};

interface OptionValues {
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
  UserName: { type: text, help: "The user that logs in." },
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
export type BoundLogin =
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
export function toConnectionSpec(
  bound: BoundLogin,
  text: string | undefined,
): ConnectionSpec & { readonly password: (() => string) | undefined } {
  const parsed = text === undefined ? undefined : parseAddress(text, protocols);
  if (parsed === undefined && bound.HostName === undefined) {
    throw badInput(
      "Which server? Write an address such as sftp://user@host, or -HostName.",
      "MissingMandatoryParameter",
    );
  }
  if (parsed !== undefined && (bound.HostName !== undefined || bound.Protocol !== undefined)) {
    throw badInput("The address names the server and its protocol already: leave -HostName and -Protocol out.");
  }
  const address = addLogin(parsed?.address ?? addressFromHostName(bound), bound);
  const protocol = requireProtocol(address.scheme);
  const options = protocolOptions(bound, protocol);
  if (bound.Timeout !== undefined) options["Timeout"] = String(bound.Timeout);
  if (bound.Password !== undefined && bound.PasswordFile !== undefined) {
    throw badInput("Give -Password or -PasswordFile, not both.", "AmbiguousParameterSet");
  }
  return { address, options, password: parsed?.password };
}

/** Returns the names of the login parameters that were given, to reject them if a session already exists. */
export function givenLoginParams(bound: BoundLogin): string[] {
  return Object.keys(loginParams).filter((name) => bound[name] !== undefined);
}

/** Connects and authenticates with the user's parameters; secrets are fetched when the server asks for them. */
export async function openSessionFor(
  bound: BoundLogin,
  text: string | undefined,
  context: CommandContext,
): Promise<Session> {
  const { password, ...spec } = toConnectionSpec(bound, text);
  if (password !== undefined) {
    context.warn(
      `The password in the address shows in the list of processes: -PasswordFile or TANDEM_PASSWORD do not.`,
    );
  }
  const { host: name } = spec.address;
  const isForeign = ADDRESS_PARAMS.some((param) => bound[piped]?.has(param));
  const secret = (wanted: string) => findSecret(bound, wanted, { password, context, name, isForeign });
  return await openSession(spec, { ...toSessionContext(context, secret), isAddressPiped: isForeign }, context);
}

/** The parameters that may hold an address. */
const ADDRESS_PARAMS = ["Address", "RemotePath"];

/** Returns the host's services for a session, with secrets from `secret`. */
export function toSessionContext(context: CommandContext, secret: SessionContext["secret"]): SessionContext {
  const { redactor } = context;
  const concealed = (value: string | undefined) => {
    redactor.add(value);
    return value;
  };
  return {
    secret: async (name) => concealed(await secret(name)),
    prompt: async (prompt, echo) => {
      const answer = await context.prompt(redactor.redact(prompt), echo);
      return echo ? answer : concealed(answer);
    },
    hideSecret: (value) => redactor.add(value),
    warn: (message) => context.warn(redactor.redact(message)),
    env: (name) => SECRET_VARIABLE.test(name) ? concealed(context.env(name)) : context.env(name),
    readOnly: context.common.whatIf,
  };
}

/** Environment variables that hold a secret: AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN … */
const SECRET_VARIABLE = /SECRET|TOKEN|PASSW|PASSPHRASE/;

/** Returns "sftp://user@host" for a message, from the parameters alone. */
export function describeConnection(spec: Pick<ConnectionSpec, "address">): string {
  return formatAddress({ ...spec.address, path: "" });
}

/** Whether the word is an address, from which a session can be opened. */
export function isServerAddress(word: string | undefined): boolean {
  return word !== undefined && isAddress(word);
}

function addressFromHostName(bound: BoundLogin): Address {
  const row = rows.find((protocol) => protocol.names.includes(bound.Protocol ?? "Sftp"));
  const scheme = row?.schemes[row.names.indexOf(bound.Protocol ?? "Sftp")] ?? "sftp";
  const host = (bound.HostName ?? "").replace(/^\[(.*)\]$/, "$1");
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

function addLogin(address: Address, bound: BoundLogin): Address {
  const user = bound.UserName ?? bound.Credential?.userName ?? address.user;
  const port = bound.PortNumber ?? address.port;
  if (address.user !== undefined && user !== address.user) {
    throw badInput(`The address says user "${address.user}", the parameter "${user}": leave one out.`);
  }
  return { ...address, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}

async function findSecret(
  bound: BoundLogin,
  name: string,
  source: {
    readonly password: (() => string) | undefined;
    readonly context: CommandContext;
    /** The server's name. */
    readonly name: string;
    /** Whether the address came out of the pipe: any program may have written it. */
    readonly isForeign: boolean;
  },
): Promise<string | undefined> {
  if (name !== "password") return await (bound[name] as Secret | undefined)?.();
  const typed = await (bound.Password ?? bound.Credential?.password)?.();
  if (typed !== undefined) return typed;
  if (source.password !== undefined) return source.password();
  if (bound.PasswordFile !== undefined) return await readSecretFile(bound.PasswordFile);
  return passwordFromEnvironment(source.name, source);
}

/**
 * Returns the password in the environment for a host: TANDEM_PASSWORD_<HOST>, otherwise TANDEM_PASSWORD. The latter is
 * meant for the server that the command line names, so an address out of the pipe does not get it.
 */
function passwordFromEnvironment(
  name: string,
  { context, isForeign }: { readonly context: CommandContext; readonly isForeign: boolean },
): string | undefined {
  const own = passwordVariableOf(name);
  const bound = own === undefined ? undefined : context.env(own);
  if (bound) return bound;
  const general = context.env("TANDEM_PASSWORD") || undefined;
  if (general === undefined || !isForeign) return general;
  const advice = own === undefined ? "Pipe a session of New-Session in instead" : `Set ${own} for it`;
  context.warn(
    `TANDEM_PASSWORD is not sent to "${escapeForDisplay(name)}", which the pipe named and no command line. ${advice}.`,
  );
  return undefined;
}

/**
 * Returns TANDEM_PASSWORD_WEB1_EXAMPLE_COM for "web1.example.com": "." becomes "_", "-" becomes "__"; ":" of an IPv6
 * address becomes "___" and "::" five of them: odd numbers, which hyphens cannot make, so that no two hosts share a
 * variable. Undefined for a name that no host can have (RFC 1123, section
 * 2.1).
 */
export function passwordVariableOf(host: string): string | undefined {
  const isName = /^(?!-)[a-z0-9-]+(?<!-)(?:\.(?!-)[a-z0-9-]+(?<!-))*$/i.test(host) || /^[0-9a-f:.]+$/i.test(host);
  if (!isName) return undefined;
  const spelled = host.toUpperCase().replaceAll("-", "__").replaceAll("::", "_____").replaceAll(":", "___")
    .replaceAll(".", "_");
  return `TANDEM_PASSWORD_${spelled}`;
}

function protocolOptions(bound: BoundLogin, protocol: Protocol): Record<string, string> {
  const options: Record<string, string> = {};
  const own = new Set(protocol.options.map((option) => option.name));
  for (const option of rows.flatMap((row) => row.options)) {
    const value = bound[option.name];
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
    params[option.name] = { type: toParamType(option), help: option.help, aliases: option.aliases ?? [] };
  }
  return params as unknown as ProtocolParams;
}

function toParamType(option: ProtocolOption): Param<unknown>["type"] {
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
