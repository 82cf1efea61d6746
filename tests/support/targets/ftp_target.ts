import type { Backend } from "../../../lib/core/backend.ts";
import { openFtp } from "../../../lib/backends/ftp/mod.ts";
import type { FtpServer, FtpTls } from "../servers/ftp.ts";
import type { ConnectContext } from "../../../lib/core/protocol.ts";

export interface FtpTargetOptions {
  readonly tls?: FtpTls;
  /** Another port than the server's own: a proxy's. */
  readonly port?: number;
  readonly path?: string;
  /** Instead of the server's own. */
  readonly password?: string;
  readonly options?: Readonly<Record<string, string>>;
  warn?(message: string): void;
}

/** What opens the test server, as a user would write it; its certificate is pinned. */
function ftpTarget(server: FtpServer, more: FtpTargetOptions = {}): ConnectContext {
  const { tls = "none", port = server.port, path = server.root, password = server.password, options = {} } = more;
  const scheme = { none: "ftp", explicit: "ftpes", implicit: "ftps" }[tls];
  const user = server.user === undefined ? {} : { user: server.user };
  return {
    address: { scheme, ...user, host: "127.0.0.1", port, path, pins: [] },
    options: { ...(tls === "none" ? {} : { TlsHostCertificateFingerprint: server.fingerprint }), ...options },
    secret: (name) => Promise.resolve(name === "password" ? password : undefined),
    prompt: () => Promise.resolve(undefined),
    keepSecret: () => {},
    warn: (message) => more.warn?.(message),
    env: () => undefined,
    hideSecret: () => {},
    readOnly: false,
  };
}

/** Opens a backend on the test server. */
export async function openTestFtp(server: FtpServer, more: FtpTargetOptions = {}): Promise<Backend> {
  return await openFtp(ftpTarget(server, more), { signal: new AbortController().signal });
}

export interface SmallFtpUser {
  /** undefined: anonymous. */
  readonly user?: string;
  readonly scheme?: string;
  readonly pins?: readonly string[];
  readonly options?: Readonly<Record<string, string>>;
  warn?(message: string): void;
}

/** Opens a scripted server as somebody who writes "ftp://127.0.0.1:port/". */
export async function openSmallFtp(
  { port }: { readonly port: number },
  { user, scheme = "ftp", pins = [], options = {}, warn = () => {} }: SmallFtpUser = {},
): Promise<Backend> {
  return await openFtp({
    address: { scheme, ...(user === undefined ? {} : { user }), host: "127.0.0.1", port, path: "/", pins },
    options: { Timeout: "2000", ReconnectTime: "0", ...options },
    secret: () => Promise.resolve("the password"),
    prompt: () => Promise.resolve(undefined),
    keepSecret: () => {},
    warn,
    env: () => undefined,
    hideSecret: () => {},
    readOnly: false,
  }, { signal: new AbortController().signal });
}
