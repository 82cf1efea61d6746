import { escapeForDisplay } from "../../lib/core/path.ts";
import { readSecretFile } from "../../lib/session/state_folder.ts";
import type { CommandContext } from "../../lib/shell/command/command.ts";
import type { Secret } from "../../lib/shell/command/param_types.ts";
import type { Credential } from "./credential.ts";
import { findProxyPassword, type ProxyChoice } from "./proxy_param.ts";

/** The parameters that hold secrets: the password's three, and those of the protocols under their own names. */
export type BoundSecrets = Readonly<Record<string, unknown>> & {
  readonly Password: Secret | undefined;
  readonly Credential: Credential | undefined;
  readonly PasswordFile: string | undefined;
  readonly Proxy: ProxyChoice | undefined;
};

/** Returns a secret for a server from the parameters, the address, a file or the environment. */
export async function findSecret(
  bound: BoundSecrets,
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
  if (name === "ProxyPassword") return findProxyPassword(bound.Proxy, source.context);
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
    `TANDEM_PASSWORD is not sent to "${
      escapeForDisplay(name)
    }", because the pipe named it and no command line did. ${advice}.`,
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
