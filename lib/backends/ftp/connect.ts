import { Buffer } from "node:buffer";
import { badInput, SyncError } from "../../core/errors.ts";
import { isIP } from "node:net";
import type { Call, Target } from "../../core/backend.ts";
import { factsCommand } from "./mlsd_parser.ts";
import { FtpLink, type LinkSettings } from "./control_connection.ts";
import type { Spelling } from "./listing_parser.ts";
import { featuresOf, isAbsent, kindOf, pwdFolder, type Reply, said } from "./reply.ts";
import { readTlsPins } from "../../net/tls.ts";
import { isSentAway, readClientCertificate, sentAway } from "../../net/client_certificate.ts";
import { lost, ON_WIRE } from "../../net/transport.ts";
import { untrusted } from "../../net/net_error.ts";

export type Security = "None" | "Auto" | "Implicit" | "Explicit";

/** A server's features, found at the first login. */
export interface Abilities {
  readonly features: ReadonlyMap<string, string>;
  /** The text of SITE HELP, in capitals. */
  readonly site: string;
  /** The login folder, as the server spells it. */
  readonly home: string;
  /** Whether MDTM with a time sets it. */
  readonly setsByMdtm: boolean;
  /** Whether data connections may resume the TLS session of any connection of this client. */
  readonly takesAnySession: boolean;
  /** Whether the server's system is Unix, so that a rename over an existing file is atomic. */
  readonly isUnix: boolean;
  /** The fingerprint of the server's certificate, "SHA256:…" in hex; undefined without TLS. */
  readonly peer: string | undefined;
}

export interface Login {
  readonly label: string;
  readonly spelling: Spelling;
  readonly timeout: number;
  /** Opens a logged-in connection. */
  connect(call: Call): Promise<FtpLink>;
  /** Opens the first connection and finds out the server's features. */
  first(call: Call): Promise<{ readonly link: FtpLink; readonly abilities: Abilities }>;
}

/** Parses the options. Rejects with badInput for values that are not supported. */
export async function toLogin(target: Target): Promise<Login> {
  const { address, options } = target;
  if (options.FtpMode === "Active") {
    throw badInput(
      "-FtpMode Active is not offered, for no firewall lets a server connect back: leave -FtpMode out, or write -FtpMode Passive.",
    );
  }
  const security = securityOf(target);
  const port = address.port ?? (security === "Implicit" ? 990 : 21);
  const timeout = Number(options.Timeout ?? "") || 15_000;
  const pins = readTlsPins(target);
  if (pins.length > 0 && security === "None") {
    throw badInput(
      "A certificate is only shown over TLS: write ftpes:// or -FtpSecure Explicit with its fingerprint, or leave the fingerprint out.",
    );
  }
  const client = await readClientCertificate(target);
  if (client !== undefined && security === "None") {
    throw badInput(
      "A certificate is only shown over TLS: write ftpes:// or -FtpSecure with -TlsClientCertificatePath.",
    );
  }
  const trust = { host: address.host, pins, ...(client === undefined ? {} : { client }) };
  const settings: LinkSettings = { host: address.host, port, timeout, trust };
  const scheme = security === "Implicit" ? "ftps" : security === "Explicit" ? "ftpes" : "ftp";
  const user = address.user ?? "anonymous";
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  const at = port === (security === "Implicit" ? 990 : 21) ? host : `${host}:${port}`;
  const label = `${scheme}://${address.user === undefined ? "" : `${address.user}@`}${at}`;
  const spelling = options.Encoding === "Latin1" ? "latin1" as const : "utf8" as const;
  const entering: Entering = {
    target,
    settings,
    security,
    user,
    label,
    spelling,
    state: { newest: false, warned: false, insists: security === "Explicit" || pins.length > 0 },
  };
  return {
    label,
    spelling,
    timeout,
    connect: (call) => enter(entering, call),
    first: async (call) => {
      const link = await enter(entering, call);
      try {
        const abilities = await learn(link, label);
        const facts = factsCommand(abilities.features.get("MLST"));
        if (facts !== undefined && (await link.ask(facts)).code < 300) entering.state.facts = facts;
        return { link, abilities };
      } catch (error) {
        link.close();
        throw error;
      }
    },
  };
}

/** Encodes text for the connection, one character per byte. */
export function spell(text: string, spelling: Spelling): string {
  return spelling === "latin1" ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Decodes text received over the connection. */
export function unspell(text: string, spelling: Spelling): string {
  return spelling === "latin1" ? text : Buffer.from(text, "latin1").toString("utf8");
}

interface Entering {
  readonly target: Target;
  readonly settings: LinkSettings;
  readonly security: Security;
  readonly user: string;
  readonly label: string;
  readonly spelling: Spelling;
  /**
   * `facts`: the OPTS MLST command that each connection sends. `insists`: whether to refuse to log in without TLS. It
   * is set with Explicit and with fingerprints, and with Auto from the first connection that has TLS on: a man in the
   * middle could remove the server's offer of TLS.
   */
  readonly state: { newest: boolean; warned: boolean; insists: boolean; facts?: string };
}

function securityOf({ address, options }: Target): Security {
  const wanted = options.FtpSecure as Security | undefined;
  const scheme = address.scheme.toLowerCase();
  const said = scheme === "ftps" ? "Implicit" : scheme === "ftpes" ? "Explicit" : undefined;
  if (said !== undefined && wanted !== undefined && wanted !== said) {
    throw badInput(`"${scheme}:" means -FtpSecure ${said}, and -FtpSecure ${wanted} was given: leave one of them out`);
  }
  return said ?? wanted ?? "None";
}

/** Connects and logs in. If the server does not support TLS 1.2, tries again with 1.3. */
async function enter(entering: Entering, { signal }: Call): Promise<FtpLink> {
  const { settings, security, label, state } = entering;
  if (signal.aborted) throw new SyncError("cancelled", "Cancelled: connect", { operation: "connect" });
  let opened: FtpLink | undefined;
  const stop = () => opened?.close();
  signal.addEventListener("abort", stop);
  try {
    const implicit = security === "Implicit";
    const { link, greeting } = await FtpLink.connect(settings, { implicit, newest: state.newest, signal });
    opened = link;
    mustBe(greeting, label, "greets with a refusal");
    link.greeting = greeting.text;
    if (security === "Explicit" || security === "Auto") await startTls(link, entering);
    await logIn(link, entering);
    link.holdsBack = /vsftpd/i.test(greeting.text);
    link.pipelines = /vsftpd|proftpd|pure-ftpd/i.test(greeting.text);
    await prepare(link, entering);
    return link;
  } catch (error) {
    opened?.close();
    if (signal.aborted) throw new SyncError("cancelled", "Cancelled: connect", { operation: "connect" });
    if (!state.newest && error instanceof Error && /protocol.?version|alert 70/i.test(error.message)) {
      state.newest = true;
      return await enter(entering, { signal });
    }
    throw named(error, label);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function startTls(link: FtpLink, { label, state }: Entering): Promise<void> {
  const reply = await link.ask("AUTH TLS");
  if (reply.code === 234 || reply.code === 334) {
    await link.startTls(state.newest);
    state.insists = true;
    return;
  }
  if (!state.insists) return;
  const why = `Cannot connect to "${label}": it offers no TLS, ${
    said(reply)
  }; -FtpSecure None would send the password in clear`;
  throw new SyncError("connection", why, { operation: "connect" });
}

async function logIn(link: FtpLink, { target, user, label, spelling, state }: Entering): Promise<void> {
  const start = performance.now();
  let reply = await link.ask(`USER ${spell(user, spelling)}`);
  link.isFar = performance.now() - start > FAR_MS;
  if (reply.code === 331) {
    const password = await passwordOf(target, user);
    if (!link.isSecure && user !== "anonymous" && !state.warned) {
      state.warned = true;
      target.warn(`The password goes to "${label}" in clear; -FtpSecure Explicit encrypts it where the server can`);
    }
    reply = await link.ask(`PASS ${spell(password, spelling)}`);
  }
  if (reply.code === 230 || reply.code === 202) return;
  if (reply.code === 332) {
    throw new SyncError("unsupported", `"${label}" asks for an account, which Tandem cannot give`, {
      operation: "log in",
    });
  }
  const kind = kindOf(reply);
  if (kind === "busy") throw crowded(label, reply);
  const check = "check the user name, and the password that -PasswordFile or TANDEM_PASSWORD gives";
  throw new SyncError("auth", `Cannot log in to "${label}": ${said(reply)}; ${check}`, { operation: "log in" });
}

/** The round-trip time in ms above which saving round trips pays. */
const FAR_MS = 10;

async function passwordOf(target: Target, user: string): Promise<string> {
  if (user === "anonymous") return await target.secret("password") ?? "anonymous@";
  const known = await target.secret("password");
  if (known !== undefined) return known;
  const typed = await target.ask(`Password of ${user}: `, false);
  if (typed === undefined) {
    throw new SyncError("auth", `A password is needed for "${user}": -PasswordFile, or TANDEM_PASSWORD`, {
      operation: "log in",
    });
  }
  target.keep("password", typed);
  return typed;
}

async function prepare(link: FtpLink, { label, state: { facts } }: Entering): Promise<void> {
  if (link.isSecure) {
    const [, prot] = await link.batch(["PBSZ 0", "PROT P"]);
    if (prot.code !== 200) {
      const why = `"${label}" encrypts no data connections: ${said(prot)}`;
      throw new SyncError("connection", why, { operation: "connect" });
    }
  }
  const [type] = await link.batch(["TYPE I", "OPTS UTF8 ON", ...(facts === undefined ? [] : [facts])]);
  mustBe(type, label, "refuses binary transfers");
}

async function learn(link: FtpLink, label: string): Promise<Abilities> {
  const [feat, pwd, help, system] = await link.batch(["FEAT", "PWD", "SITE HELP", "SYST"]);
  const features = featuresOf(feat);
  const home = pwdFolder(pwd);
  // deno-lint-ignore no-control-regex
  if (home === undefined || !home.startsWith("/") || /[\u0000-\u001f\u007f]/.test(home)) {
    throw new SyncError("unsupported", `"${label}" tells no login folder: ${said(pwd)}`, { operation: "connect" });
  }
  // A server that can set times reports about setting; others take the time for a part of the name.
  const probe = features.has("MFMT") || !features.has("MDTM")
    ? undefined
    : await link.ask("MDTM 20200101000000 /.tandem-is-not-there");
  const peer = link.fingerprint;
  return {
    features,
    site: help.code < 300 ? help.text.toUpperCase() : "",
    home,
    setsByMdtm: probe !== undefined && /\bset\b/i.test(probe.text) && !isAbsent(probe.text),
    takesAnySession: /vsftpd|pure-ftpd/i.test(link.greeting),
    isUnix: system.code === 215 && /unix/i.test(system.text),
    peer: peer === undefined ? undefined : `SHA256:${peer}`,
  };
}

function mustBe(reply: Reply, label: string, what: string): void {
  if (reply.code < 300) return;
  if (kindOf(reply) === "busy") throw crowded(label, reply);
  throw new SyncError("connection", `"${label}" ${what}: ${said(reply)}`, { operation: "connect" });
}

function crowded(label: string, reply: Reply): SyncError {
  return lost("busy", `"${label}" takes no more connections: ${said(reply)}; try again when others have left`);
}

function named(error: unknown, label: string): SyncError {
  if (!(error instanceof SyncError)) {
    const why = error instanceof Error ? error.message : String(error);
    if (isSentAway(why)) {
      return new SyncError("auth", `Cannot connect to "${label}": ${sentAway}`, { operation: "connect", cause: error });
    }
    const kind = /certificate|unknownissuer|notvalidforname|self.signed|expired/i.test(why) ? "hostKey" : "connection";
    const told = kind === "hostKey" ? untrusted(why) : why;
    return new SyncError(kind, `Cannot connect to "${label}": ${told}`, { operation: "connect", cause: error });
  }
  if (error.facts.operation !== ON_WIRE) return error;
  const message = error.message.startsWith('"') ? error.message : `Cannot connect to "${label}": ${error.message}`;
  return new SyncError(error.kind, message, { ...error.facts, operation: "connect", cause: error });
}
