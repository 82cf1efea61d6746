import { openSftp } from "../../../lib/backends/sftp/mod.ts";
import type { Backend } from "../../../lib/core/backend.ts";
import type { Sshd } from "../servers/sftp.ts";
import type { ConnectContext } from "../../../lib/core/protocol.ts";
import { testTarget } from "./test_target.ts";

/** The facts of a test server that a client needs. */
export type TestServer = Pick<Sshd, "port" | "user" | "root" | "home" | "fingerprint">;

export interface TargetOptions {
  /** Another port than the server's own: a proxy's. */
  readonly port?: number;
  readonly path?: string;
  readonly password?: string;
  readonly options?: Readonly<Record<string, string>>;
  warn?(message: string): void;
}

/** Returns the context that opens the test server, as a user would write it. */
export function sftpTarget(
  server: TestServer,
  more: TargetOptions = {},
): ConnectContext {
  const { port = server.port, path = server.root, password, options = {}, warn } = more;
  return testTarget({ scheme: "sftp", user: server.user, port, path }, {
    options: { SshHostKeyFingerprint: server.fingerprint, SshConfigFile: "none", SshAgent: "none", ...options },
    password,
    ...(warn === undefined ? {} : { warn }),
    env: { HOME: server.home },
  });
}

/** Opens a backend on the test server. */
export async function openTestSftp(server: TestServer, more: TargetOptions = {}): Promise<Backend> {
  return await openSftp(sftpTarget(server, more), { signal: new AbortController().signal });
}
