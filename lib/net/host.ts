/** Whether the host is loopback. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(host);
}

/** Returns the address without its zone ("%eth0"), which has a meaning on this machine alone (RFC 6874, section 1). */
export function withoutZone(host: string): string {
  return host.includes(":") ? host.replace(/%.*$/, "") : host;
}

/** A host and its port; undefined for the protocol's own. */
export interface HostPort {
  readonly host: string;
  readonly port?: number | undefined;
}

/** Formats a host and its port as an address has them: "[::1]:8443". The default port is left out. */
export function formatHostPort({ host, port }: HostPort, defaultPort?: number): string {
  const bracketed = host.includes(":") ? `[${host}]` : host;
  return port === undefined || port === defaultPort ? bracketed : `${bracketed}:${port}`;
}

/** Returns a server's label for messages: "sftp://deploy@web1:2222". The user is given as an address has it. */
export function labelOf(
  { scheme, user, ...server }: HostPort & { readonly scheme: string; readonly user?: string | undefined },
  defaultPort?: number,
): string {
  return `${scheme}://${user === undefined ? "" : `${user}@`}${formatHostPort(server, defaultPort)}`;
}
