import type { Backend } from "../../../lib/core/backend.ts";
import { openFtp } from "../../../lib/backends/ftp/mod.ts";
import type { FtpServer, FtpTls } from "../servers/ftp.ts";
import type { ConnectContext, ServerMemory } from "../../../lib/core/protocol.ts";
import { testTarget } from "./test_target.ts";

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

/** Returns the context that opens the test server, as a user would write it; its certificate is pinned. */
function ftpTarget(server: FtpServer, more: FtpTargetOptions = {}): ConnectContext {
  const { tls = "none", port = server.port, path = server.root, password = server.password, options = {} } = more;
  const scheme = { none: "ftp", explicit: "ftpes", implicit: "ftps" }[tls];
  const user = server.user === undefined ? {} : { user: server.user };
  const pin: Record<string, string> = tls === "none" ? {} : { TlsHostCertificateFingerprint: server.fingerprint };
  return testTarget({ scheme, ...user, port, path }, {
    password,
    options: { ...pin, ...options },
    warn: (message) => more.warn?.(message),
  });
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
  readonly serverMemory?: ServerMemory;
  warn?(message: string): void;
}

/** Opens a scripted server as somebody who writes "ftp://127.0.0.1:port/". */
export async function openSmallFtp(
  { port }: { readonly port: number },
  { user, scheme = "ftp", pins = [], options = {}, warn = () => {}, serverMemory }: SmallFtpUser = {},
): Promise<Backend> {
  const target = testTarget({ scheme, ...(user === undefined ? {} : { user }), port, path: "/", pins }, {
    options: { Timeout: "2000", ReconnectTime: "0", ...options },
    password: "the password",
    warn,
  });
  return await openFtp({ ...target, serverMemory }, { signal: new AbortController().signal });
}
