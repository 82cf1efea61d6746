import type { SystemClientOptions } from "../client_choice.ts";
import type { SshHelper } from "./helper.ts";

/** The options that the user's parameters set. */
export function userArgs({ keyPath, agent, legacy }: SystemClientOptions): readonly string[] {
  return [
    ...(keyPath === undefined ? [] : [`-oIdentityFile="${keyPath.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`]),
    ...(agent === undefined ? [] : [`-oIdentityAgent="${agent.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`]),
    ...(legacy ? LEGACY : []),
  ];
}

const LEGACY = [
  "-oKexAlgorithms=+diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1",
  "-oHostKeyAlgorithms=+ssh-rsa",
  "-oPubkeyAcceptedAlgorithms=+ssh-rsa",
  "-oCiphers=+aes256-cbc,aes128-cbc,3des-cbc",
];

/**
 * The options that no configuration may change: the host key is judged by the helper alone, and the process is nothing
 * but a pipe.
 */
export function fixedArgs(
  helper: SshHelper,
  { timeout, keepAlive }: { readonly timeout: number; readonly keepAlive: number },
): readonly string[] {
  return [
    `-oKnownHostsCommand=${helper.hostKeyCommand}`,
    "-oUserKnownHostsFile=/dev/null",
    "-oGlobalKnownHostsFile=/dev/null",
    "-oStrictHostKeyChecking=yes",
    "-oNoHostAuthenticationForLocalhost=no",
    "-oVerifyHostKeyDNS=no",
    "-oCheckHostIP=no",
    "-oUpdateHostKeys=no",
    "-oLogLevel=DEBUG1",
    "-oBatchMode=no",
    `-oConnectTimeout=${Math.max(1, Math.ceil(timeout / 1000))}`,
    `-oServerAliveInterval=${Math.max(1, Math.ceil(keepAlive / 1000))}`,
    "-oServerAliveCountMax=3",
    "-oClearAllForwardings=yes",
    "-oForwardX11=no",
    "-oForwardAgent=no",
    "-oTunnel=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "-oRequestTTY=no",
    "-oForkAfterAuthentication=no",
    "-oStdinNull=no",
  ];
}

/** Returns the host key algorithms with those of these types first. Certificates are left out: no authority is trusted. */
export function preferTypes(offered: string, types: readonly string[]): readonly string[] {
  const all = offered.split(",").filter((name) => name !== "" && !name.includes("-cert-"));
  const isPreferred = (name: string) => types.includes(name.startsWith("rsa-sha2-") ? "ssh-rsa" : name);
  return [...all.filter(isPreferred), ...all.filter((name) => !isPreferred(name))];
}
