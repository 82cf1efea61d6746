import { escapeForDisplay } from "../../core/path.ts";
import { badInput, type ErrorFacts, type ErrorKind, SyncError } from "../../core/errors.ts";
import type { CallOptions } from "../../core/backend.ts";
import { optsMlstCommand } from "./mlsd_parser.ts";
import { ControlConnection, type ControlSettings } from "./control_connection.ts";
import { type DataMode, DataRoute } from "./data_route.ts";
import { errorKindOf, serverMessage } from "./errors.ts";
import { readProfile, type ServerProfile } from "./profile.ts";
import type { Reply } from "./replies.ts";
import { findProxy } from "../../net/proxy.ts";
import { findEncoding, type TextEncoding } from "../../net/text_encoding.ts";
import { readTlsPins } from "../../net/tls.ts";
import {
  CLIENT_CERTIFICATE_ADVICE,
  isClientCertificateRejected,
  readClientCertificate,
} from "../../net/client_certificate.ts";
import { explainUntrusted, namingProxy, NETWORK_OPERATION, networkError } from "../../net/net_error.ts";
import type { ConnectContext } from "../../core/protocol.ts";
import { labelOf } from "../../net/host.ts";

export type Security = "None" | "Auto" | "Implicit" | "Explicit";

export interface FtpConnector {
  readonly label: string;
  readonly encoding: TextEncoding;
  readonly timeout: number;
  /** Opens a logged-in connection. */
  connect(call: CallOptions): Promise<ControlConnection>;
  /** Opens the first connection and finds out the server's features. */
  connectFirst(call: CallOptions): Promise<{ readonly control: ControlConnection; readonly profile: ServerProfile }>;
}

/** Parses the options. Rejects with badInput for values that are not supported. */
export async function toConnector(target: ConnectContext): Promise<FtpConnector> {
  const { address, options } = target;
  const security = securityOf(target);
  const port = address.port ?? (security === "Implicit" ? 990 : 21);
  const timeout = Number(options.Timeout ?? "") || 15_000;
  const pins = readTlsPins(target);
  if (pins.length > 0 && security === "None") {
    throw badInput(
      "A fingerprint can be checked only over TLS: write ftpes:// or -FtpSecure Explicit, or leave the fingerprint out.",
    );
  }
  const client = await readClientCertificate(target);
  if (client !== undefined && security === "None") {
    throw badInput(
      "-TlsClientCertificatePath can be used only over TLS: write ftpes:// or -FtpSecure Explicit, or leave it out.",
    );
  }
  const trust = { host: address.host, pins, ...(client === undefined ? {} : { client }) };
  const proxy = await findProxy(target, { protocol: "tcp", host: address.host, port });
  const route = new DataRoute(proxy === undefined ? (options.FtpMode ?? "Passive") as DataMode : passiveMode(options));
  const settings: ControlSettings = { host: address.host, port, timeout, trust, proxy, route };
  const scheme = security === "Implicit" ? "ftps" : security === "Explicit" ? "ftpes" : "ftp";
  const user = address.user ?? "anonymous";
  const label = labelOf({ ...address, scheme, port }, security === "Implicit" ? 990 : 21);
  const encoding = readEncoding(options.FtpEncoding ?? options.Encoding);
  const login: LoginContext = {
    target,
    settings,
    security,
    user,
    label,
    encoding,
    state: { allowTls13: false, hasWarned: false, requiresTls: security === "Explicit" || pins.length > 0 },
  };
  return {
    label,
    encoding,
    timeout,
    connect: (call) => connectAndLogIn(login, call),
    connectFirst: async (call) => {
      const control = await connectAndLogIn(login, call);
      try {
        const profile = await readProfile(control);
        const facts = optsMlstCommand(profile.features.get("MLST"));
        if (facts !== undefined && (await control.sendCommand(facts)).code < 300) login.state.facts = facts;
        return { control, profile };
      } catch (error) {
        control.close();
        throw error;
      }
    },
  };
}

interface LoginContext {
  readonly target: ConnectContext;
  readonly settings: ControlSettings;
  readonly security: Security;
  readonly user: string;
  readonly label: string;
  readonly encoding: TextEncoding;
  readonly state: {
    allowTls13: boolean;
    /** Whether the user was warned that the password goes in clear text. */
    hasWarned: boolean;
    /**
     * Whether to refuse to log in without TLS. It is set with Explicit and with fingerprints, and with Auto after the
     * first connection with TLS: a man in the middle could remove the server's offer of TLS.
     */
    requiresTls: boolean;
    /** The OPTS MLST command that each connection sends. */
    facts?: string;
  };
}

/** Returns the mode through a proxy. Throws badInput for active mode: the server cannot connect back through one. */
function passiveMode(options: ConnectContext["options"]): DataMode {
  if (options.FtpMode !== "Active") return "Passive";
  throw badInput("-FtpMode Active does not work through a proxy: write -FtpMode Passive, or -Proxy none.");
}

function securityOf({ address, options }: ConnectContext): Security {
  const wanted = options.FtpSecure as Security | undefined;
  const scheme = address.scheme.toLowerCase();
  const said = scheme === "ftps" ? "Implicit" : scheme === "ftpes" ? "Explicit" : undefined;
  if (said !== undefined && wanted !== undefined && wanted !== said) {
    throw badInput(`"${scheme}:" means -FtpSecure ${said}, but -FtpSecure ${wanted} is given: leave one of them out`);
  }
  return said ?? wanted ?? "None";
}

/** Connects and logs in. If the server does not support TLS 1.2, tries again with 1.3. */
async function connectAndLogIn(login: LoginContext, { signal }: CallOptions): Promise<ControlConnection> {
  const { settings, security, label, state } = login;
  if (signal.aborted) throw new SyncError("cancelled", "Cancelled: connect", { operation: "connect" });
  let opened: ControlConnection | undefined;
  const stop = () => opened?.close();
  signal.addEventListener("abort", stop);
  try {
    const implicit = security === "Implicit";
    const { control, greeting } = await ControlConnection.connect(settings, {
      implicit,
      allowTls13: state.allowTls13,
      signal,
    });
    opened = control;
    assertAccepted(greeting, label, "refuses the connection");
    control.greeting = greeting.text;
    if (security === "Explicit" || security === "Auto") await upgradeToTls(control, login);
    await logIn(control, login);
    control.delaysReplies = /vsftpd/i.test(greeting.text);
    control.pipelines = /vsftpd|proftpd|pure-ftpd/i.test(greeting.text);
    await prepare(control, login);
    return control;
  } catch (error) {
    opened?.close();
    if (signal.aborted) throw new SyncError("cancelled", "Cancelled: connect", { operation: "connect" });
    if (!state.allowTls13 && error instanceof Error && /protocol.?version|alert 70/i.test(error.message)) {
      state.allowTls13 = true;
      return await connectAndLogIn(login, { signal });
    }
    throw namingProxy(withLabel(error, label), settings.proxy);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function upgradeToTls(control: ControlConnection, { label, state }: LoginContext): Promise<void> {
  const reply = await control.sendCommand("AUTH TLS");
  if (reply.code === 234 || reply.code === 334) {
    await control.startTls(state.allowTls13);
    state.requiresTls = true;
    return;
  }
  if (!state.requiresTls) return;
  const why = `the server offers no TLS: ${serverMessage(reply)}; ` +
    "-FtpSecure None would send the password in clear text";
  throw connectError("connection", label, why);
}

async function logIn(
  control: ControlConnection,
  { target, user, label, encoding, state }: LoginContext,
): Promise<void> {
  const start = performance.now();
  let reply = await control.sendCommand(`USER ${encodeLogin("user name", user, encoding)}`);
  control.highLatency = performance.now() - start > HIGH_LATENCY_MS;
  if (reply.code === 331) {
    const password = await readPassword(target, user);
    if (!control.isSecure && user !== "anonymous" && !state.hasWarned) {
      state.hasWarned = true;
      target.warn(
        `The password goes to "${label}" in clear text; -FtpSecure Explicit encrypts it if the server supports TLS`,
      );
    }
    reply = await control.sendCommand(`PASS ${encodeLogin("password", password, encoding)}`);
  }
  if (reply.code === 230 || reply.code === 202) return;
  if (reply.code === 332) {
    const why = "the server asks for an account (ACCT), which is not supported";
    throw new SyncError("unsupported", `Cannot log in to "${label}": ${why}`, { operation: "log in" });
  }
  const kind = errorKindOf(reply);
  if (kind === "busy") throw tooManyConnections(reply);
  const check = "check the user name, and the password in -PasswordFile or TANDEM_PASSWORD";
  throw new SyncError("auth", `Cannot log in to "${label}": ${serverMessage(reply)}; ${check}`, {
    operation: "log in",
  });
}

/** The round-trip time in ms above which saving round trips pays. */
const HIGH_LATENCY_MS = 10;

async function readPassword(target: ConnectContext, user: string): Promise<string> {
  if (user === "anonymous") return await target.secret("password") ?? "anonymous@";
  const known = await target.secret("password");
  if (known !== undefined) return known;
  const typed = await target.prompt(`Password of ${user}: `, false);
  if (typed === undefined) {
    const why = `Cannot log in as "${user}" without a password: give it with -PasswordFile or TANDEM_PASSWORD`;
    throw new SyncError("auth", why, { operation: "log in" });
  }
  target.keepSecret("password", typed);
  return typed;
}

function readEncoding(name = "utf8"): TextEncoding {
  const found = findEncoding(name);
  if (found !== undefined) return found;
  throw badInput(
    `-FtpEncoding "${
      escapeForDisplay(name)
    }" is unknown: write utf8, latin1, cp1252, cp1251, koi8-r, gbk, big5, shift_jis, euc-kr or another name of that kind.`,
  );
}

function encodeLogin(what: string, text: string, encoding: TextEncoding): string {
  const bytes = encoding.encode(text);
  if (bytes !== undefined) return bytes;
  throw badInput(`The ${what} cannot be written in the encoding ${encoding.name}: -FtpEncoding names another one.`);
}

async function prepare(control: ControlConnection, { label, encoding, state: { facts } }: LoginContext): Promise<void> {
  if (control.isSecure) {
    const [, prot] = await control.sendCommands(["PBSZ 0", "PROT P"]);
    if (prot.code !== 200) {
      const why = `the server encrypts no data connections: ${serverMessage(prot)}`;
      throw connectError("connection", label, why);
    }
  }
  const utf8 = encoding.name === "utf8" ? "ON" : "OFF";
  const [type] = await control.sendCommands(["TYPE I", `OPTS UTF8 ${utf8}`, ...(facts === undefined ? [] : [facts])]);
  assertAccepted(type, label, "refuses binary transfers");
}

function assertAccepted(reply: Reply, label: string, what: string): void {
  if (reply.code < 300) return;
  if (errorKindOf(reply) === "busy") throw tooManyConnections(reply);
  throw connectError("connection", label, `the server ${what}: ${serverMessage(reply)}`);
}

function tooManyConnections(reply: Reply): SyncError {
  return networkError("busy", `the server accepts no more connections: ${serverMessage(reply)}; try again later`);
}

/** Returns an error of the first connection or of a further one: "Cannot connect to "ftp://host": why". */
function connectError(kind: ErrorKind, label: string, why: string, facts: Partial<ErrorFacts> = {}): SyncError {
  return new SyncError(kind, `Cannot connect to "${label}": ${why}`, { ...facts, operation: "connect" });
}

function withLabel(error: unknown, label: string): SyncError {
  if (error instanceof SyncError) {
    const { kind, facts, message } = error;
    return facts.operation === NETWORK_OPERATION
      ? connectError(kind, label, message, { ...facts, cause: error })
      : error;
  }
  const why = error instanceof Error ? error.message : String(error);
  if (isClientCertificateRejected(why)) return connectError("auth", label, CLIENT_CERTIFICATE_ADVICE, { cause: error });
  const isUntrusted = /certificate|unknownissuer|notvalidforname|self.signed|expired/i.test(why);
  return isUntrusted
    ? connectError("hostKey", label, explainUntrusted(why), { cause: error })
    : connectError("connection", label, why, { cause: error });
}
