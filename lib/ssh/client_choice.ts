import { join } from "node:path";
import { badInput } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import type { ConnectContext } from "../core/protocol.ts";
import { kindOfKey } from "./agent.ts";
import type { AuthOptions } from "./auth_methods.ts";
import type { SshSettings } from "./config.ts";
import type { HostKeyVerifier } from "./host_key_policy.ts";
import type { SshConnection } from "./types.ts";

/** The value of -SshClient: Auto uses the system's ssh for what the built-in client cannot do. */
export type SshClientName = "Auto" | "System" | "BuiltIn";

/** An open first connection, and how to open further ones to the same server. */
export interface OpenedRoute {
  readonly first: SshConnection;
  /** For messages: "sftp://deploy@web1"; holds no secret. */
  readonly label: string;
  readonly host: string;
  /** Whether commands can be run on the connections. */
  readonly runsCommands: boolean;
  connect(call: CallOptions): Promise<SshConnection>;
}

/** Opens connections by the system's ssh. */
export type ConnectSystemSsh = (options: SystemClientOptions, call: CallOptions) => Promise<OpenedRoute>;

export interface SystemClientOptions {
  readonly target: ConnectContext;
  /** The path of ssh. */
  readonly program: string;
  readonly home: string | undefined;
  readonly localUser: string;
  /** The files that ssh reads, in this order. */
  readonly configFiles: readonly string[];
  /** Whether pins decide: then no master of ControlMaster is used, whose key cannot be seen. */
  readonly isPinned: boolean;
  readonly policy: string;
  /** The private key and the agent's socket that the user named. */
  readonly keyPath: string | undefined;
  readonly agent: string | undefined;
  /** ms for the login and between keepalives. `timeout`: the user's; the others count if nothing else is configured. */
  readonly timeout: number | undefined;
  readonly defaultTimeout: number;
  readonly keepAlive: number;
  readonly legacy: boolean;
  createVerifier(settings: SshSettings): Promise<HostKeyVerifier>;
}

/** Reads -SshClient. Throws badInput for another value. */
export function clientName(options: ConnectContext["options"]): SshClientName {
  const name = options["SshClient"] ?? "Auto";
  if (name === "Auto" || name === "System" || name === "BuiltIn") return name;
  throw badInput(`-SshClient "${name}" is not valid; write Auto, System or BuiltIn.`);
}

/** Throws badInput if -Proxy is given, which the system's ssh does not know: nothing goes another way than the user said. */
function assertNoProxy(options: ConnectContext["options"]): void {
  if ((options["Proxy"] ?? "none") === "none") return;
  throw badInput(
    "-Proxy is not used by the system's ssh: write -SshClient BuiltIn, or a ProxyCommand into its configuration " +
      "instead of -Proxy.",
  );
}

/**
 * Returns the path of the system's ssh; undefined if there is none. Windows is left out: ssh's questions are answered
 * by a shell script there is no shell for. Throws badInput if -Proxy is given.
 */
export async function findSsh({ env, options }: ConnectContext): Promise<string | undefined> {
  assertNoProxy(options);
  if (Deno.build.os === "windows") return undefined;
  for (const dir of (env("PATH") ?? DEFAULT_PATH).split(":")) {
    if (!dir.startsWith("/")) continue;
    const file = join(dir, "ssh");
    const found = await Deno.stat(file).catch(() => undefined);
    if (found?.isFile === true && ((found.mode ?? 0) & 0o111) !== 0) return file;
  }
  return undefined;
}

/** Returns the error of a missing ssh. `reason`: why it is needed, as a clause. */
export function noSshError(reason: string): Error {
  return badInput(
    `${reason}, which takes the program "ssh", and there is none in PATH; install the client of OpenSSH (openssh-client).`,
  );
}

/**
 * Returns why only the system's ssh can log in, as a clause: a key file that asks for it, or nothing else to log in with
 * than a certificate or a security key of the agent, or a Kerberos ticket. Undefined if the built-in client can.
 */
export async function explainSshOnly(
  { files, heldKeys = [], isDestination }: Pick<AuthOptions, "files" | "heldKeys" | "isDestination">,
  { gssapi }: Pick<SshSettings, "gssapi">,
  { env, secret }: Pick<ConnectContext, "env" | "secret">,
): Promise<string | undefined> {
  if (files.sshOnly !== undefined) return files.sshOnly;
  if (files.keys.length > 0) return undefined;
  const kinds = new Set(heldKeys.map(kindOfKey));
  if (kinds.has("certificate")) return "The agent holds a certificate";
  if (kinds.has("plain")) return undefined;
  if (kinds.has("securityKey")) return "The agent holds nothing but security keys";
  if (!gssapi || !isDestination || await secret("password") !== undefined) return undefined;
  return await hasTicket(env)
    ? "The SSH configuration sets GSSAPIAuthentication, and there is a Kerberos ticket"
    : undefined;
}

/** Whether the user has a cache of Kerberos tickets. */
async function hasTicket(env: ConnectContext["env"]): Promise<boolean> {
  const cache = env("KRB5CCNAME") ?? `FILE:/tmp/krb5cc_${Deno.uid()}`;
  // Caches of other types (KEYRING, KCM) are set by a login that got tickets.
  if (/^(?!FILE:)[A-Z]+:/.test(cache)) return true;
  return await Deno.stat(cache.replace(/^FILE:/, "")).then(({ isFile }) => isFile, () => false);
}

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";
