import { formatAddress, isAddress } from "../../lib/core/address.ts";
import { parseAddress, type ParsedAddress } from "../../lib/core/address_parser.ts";
import { type Address, type Protocol, protocols, type ServerMemory } from "../../lib/backends/mod.ts";
import { badInput, type SyncError } from "../../lib/core/errors.ts";
import {
  type ConnectionSpec,
  openSession,
  requireProtocol,
  type Session,
  type SessionContext,
} from "../../lib/session/session.ts";
import {
  type Bound,
  type CommandContext,
  computed,
  type Param,
  type Params,
  piped,
} from "../../lib/shell/command/command.ts";
import { number, path, positiveDuration, secret, text } from "../../lib/shell/command/param_types.ts";
import { openServerMemory } from "../../lib/machine/server_memory.ts";
import { openStateFolder } from "../../lib/session/state_folder.ts";
import { credential } from "./credential.ts";
import { findSecret } from "./password.ts";
import { proxyChoice, proxyOption } from "./proxy_param.ts";
import { protocolName, protocolParams } from "./protocol_params.ts";

const rows: readonly Protocol[] = protocols;

/** The address and login parameters of New-Session, which Sync-Path and Compare-Path accept too. */
export const loginParams = {
  HostName: {
    type: text,
    aliases: ["ComputerName"],
    replacesAddress: true,
    help: "The server, instead of an address.",
  },
  PortNumber: { type: number(1, 65_535), help: "The server's port; the protocol's own by default." },
  UserName: { type: text, help: "The user that logs in." },
  Protocol: {
    type: protocolName,
    replacesAddress: true,
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
  Proxy: {
    type: proxyChoice,
    help:
      "A proxy on the way to the server, http://[user@]host:port, https://…, socks5://… or socks5h://…; none for none. " +
      "Without it HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count. TANDEM_PROXY_PASSWORD is its password.",
  },
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
  & Pick<Bound<Params>, typeof piped | typeof computed>;

/**
 * Returns the specification of the connection. `text` is an address; without it -HostName is required. Throws badInput
 * before anything is opened.
 */
export function toConnectionSpec(
  bound: BoundLogin,
  text: string | undefined,
): ConnectionSpec & { readonly password: (() => string) | undefined } {
  const parsed = text === undefined ? undefined : parseOnce(bound, text);
  if (parsed === undefined && bound.HostName === undefined) {
    throw badInput(
      "No server is named: write an address such as sftp://user@host, or -HostName.",
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
  if (bound.Proxy !== undefined) options["Proxy"] = proxyOption(bound.Proxy);
  if (bound.Password !== undefined && bound.PasswordFile !== undefined) {
    throw badInput("Give -Password or -PasswordFile, not both.", "AmbiguousParameterSet");
  }
  return { address, options, password: parsed?.password };
}

/** Parses an address once for a bound set and its copies. */
function parseOnce(bound: BoundLogin, text: string): ParsedAddress {
  const known = bound[computed] as Map<string, ParsedAddress> | undefined;
  const parsed = known?.get(text) ?? parseAddress(text, protocols);
  known?.set(text, parsed);
  return parsed;
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
  if (bound.Proxy !== undefined && bound.Proxy !== "none" && bound.Proxy.password !== undefined) {
    context.warn("The password in -Proxy shows in the list of processes: TANDEM_PROXY_PASSWORD does not.");
  }
  const { host: name } = spec.address;
  const isForeign = ADDRESS_PARAMS.some((param) => bound[piped]?.has(param));
  const secret = (wanted: string) => findSecret(bound, wanted, { password, context, name, isForeign });
  return await openSession(spec, { ...toSessionContext(context, secret), isAddressPiped: isForeign }, context);
}

/** The parameters that may hold an address. */
const ADDRESS_PARAMS = ["Address", "RemotePath"];

/** Returns the services that a session takes from its command, with secrets from `secret`. */
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
    openServerMemory: (server) => openMemory(server, context),
  };
}

/** Opens the server's memory in the state folder; undefined if there is none, and the server is then learned anew. */
async function openMemory(server: string, context: CommandContext): Promise<ServerMemory | undefined> {
  const readOnly = context.common.whatIf;
  try {
    // The folder is not created for it: an address may still turn out to be wrong, and then nothing may change.
    const { folder } = await openStateFolder({ env: context.env, readOnly: true });
    return await openServerMemory({ path: `${folder}/servers.json`, server, readOnly, now: () => context.now() });
  } catch {
    return undefined;
  }
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

function protocolOptions(bound: BoundLogin, protocol: Protocol): Record<string, string> {
  const options: Record<string, string> = {};
  const own = new Set(protocol.options.map((option) => option.name));
  for (const option of rows.flatMap((row) => row.options)) {
    const value = bound[option.name];
    if (value === undefined) continue;
    if (!own.has(option.name)) throw foreignOption(option.name, protocol);
    if (option.kind === "secret") continue;
    options[option.name] = Array.isArray(value) ? value.join(";") : String(value);
  }
  return options;
}

function foreignOption(name: string, protocol: Protocol): SyncError {
  const owners = rows.filter((row) => row.options.some((option) => option.name === name)).map((row) => row.names[0]);
  const [known, last] = [owners.slice(0, -1).join(", "), owners.at(-1)];
  const list = known === "" ? last : `${known} and ${last}`;
  return badInput(
    `-${name} belongs to ${list}, and the server is reached by ${protocol.names[0]}: leave it out. ` +
      `"Get-Help New-Session -Protocol ${protocol.names[0]}" lists what fits.`,
    "NamedParameterNotFound",
  );
}
