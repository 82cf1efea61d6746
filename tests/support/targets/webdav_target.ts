import type { Backend } from "../../../lib/core/backend.ts";
import { webdavOpener } from "../../../lib/backends/webdav/mod.ts";
import { UPLOAD_PATIENCE, type UploadPatience } from "../../../lib/backends/webdav/upload_patience.ts";
import type { DavServer } from "../servers/webdav.ts";
import type { ConnectContext } from "../../../lib/core/protocol.ts";
import { testTarget } from "./test_target.ts";

export interface DavTargetOptions {
  readonly scheme?: string;
  readonly host?: string;
  /** Another port than the server's own: a proxy's. */
  readonly port?: number;
  readonly path?: string;
  readonly user?: string;
  readonly password?: string;
  readonly options?: Readonly<Record<string, string>>;
  /** Waits for replies to uploads that differ from those of a run. */
  readonly patience?: Partial<UploadPatience>;
}

/** The patience of a test in which a server falls silent: it waits no longer than -Timeout. */
export const impatience: UploadPatience = { ...UPLOAD_PATIENCE, replyMs: 0, replyMsPerGiB: 0, gatewayMs: 0 };

/** Returns the context that opens the test server, as a user would write it. */
export function davTarget(
  server: Pick<DavServer, "port" | "user" | "password" | "root">,
  more: DavTargetOptions = {},
): ConnectContext {
  const { scheme = "dav", host = "127.0.0.1", port = server.port, path = server.root, user = server.user } = more;
  const { password = server.password, options = {} } = more;
  return testTarget({ scheme, ...(user === "" ? {} : { user }), host, port, path }, { options, password });
}

/** Opens a backend on the test server. */
export async function openTestDav(server: DavServer, more: DavTargetOptions = {}): Promise<Backend> {
  const open = webdavOpener({ ...UPLOAD_PATIENCE, ...more.patience });
  return await open(davTarget(server, more), { signal: new AbortController().signal });
}
