import assert from "node:assert/strict";
import type { Backend } from "../../../lib/core/backend.ts";
import { root } from "../../../lib/core/path.ts";
import { openSftp } from "../../../lib/backends/sftp/mod.ts";
import { openWebdav } from "../../../lib/backends/webdav/mod.ts";
import { assertRejects, call } from "../../contract/assertions.ts";
import { startSmallDav } from "../../support/servers/small_dav.ts";
import { startSmallFtp } from "../../support/servers/small_ftp.ts";
import { listResponse, startSmallS3 } from "../../support/servers/small_s3.ts";
import { startSmallSftp } from "../../support/servers/small_sftp.ts";
import { openSmallFtp } from "../../support/targets/ftp_target.ts";
import { sftpTarget } from "../../support/targets/sftp_target.ts";
import { testTarget } from "../../support/targets/test_target.ts";

/** A server whose listings begin when this resolves. */
type Wait = () => Promise<void>;

interface Rig {
  readonly backend: Backend;
  readonly listings: () => number;
}

type Options = Readonly<Record<string, string>>;

/** Opens a backend on a server of each protocol; the stack ends both. */
const servers: Readonly<Record<string, (wait: Wait, options: Options, stack: AsyncDisposableStack) => Promise<Rig>>> = {
  async WebDAV(wait, options, stack) {
    const entry = (path: string, type: string) =>
      `<D:response><D:href>${path}</D:href><D:propstat><D:prop>${type}</D:prop>` +
      "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>";
    const folder = `<D:multistatus xmlns:D="DAV:">${
      entry("/", "<D:resourcetype><D:collection/></D:resourcetype>")
    }</D:multistatus>`;
    let listings = 0;
    const server = stack.use(
      await startSmallDav(async ({ method, headers }) => {
        if (method !== "PROPFIND") return { status: 200, headers: { dav: "1" } };
        if (headers["depth"] !== "1") return folder;
        listings++;
        await wait();
        return folder;
      }),
    );
    const target = testTarget({ scheme: "dav", port: server.port, path: "/" }, { options });
    return { backend: stack.use(await openWebdav(target, call)), listings: () => listings };
  },
  async S3(wait, options, stack) {
    let listings = 0;
    const server = stack.use(startSmallS3(async ({ line, query }) => {
      if (line !== "GET /b/" || query.has("max-keys")) return undefined;
      listings++;
      await wait();
      return listResponse();
    }));
    return { backend: stack.use(await server.open(options)), listings: () => listings };
  },
  async FTP(wait, options, stack) {
    let listings = 0;
    const beforeListing = () => (listings++, wait());
    const server = stack.use(await startSmallFtp({ beforeListing, features: ["MLST type*;size*;modify*;"] }));
    return { backend: stack.use(await openSmallFtp(server, { options })), listings: () => listings };
  },
  async SFTP(wait, options, stack) {
    const folder = await Deno.makeTempDir({ prefix: "tandem-slow-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    let listings = 0;
    const beforeListing = () => (listings++, wait());
    const server = stack.use(await startSmallSftp({ folder, user: "ann", password: "secret", beforeListing }));
    const place = { port: server.port, user: "ann", root: "/", home: folder, fingerprint: server.fingerprint };
    const target = sftpTarget(place, { path: "/", password: "secret", options: { ReconnectTime: "0", ...options } });
    return { backend: stack.use(await openSftp(target, call)), listings: () => Math.min(1, listings) };
  },
};

/** Several times -Timeout. */
const slow: Wait = () => new Promise((resolve) => setTimeout(resolve, 2_500));

for (const [name, start] of Object.entries(servers)) {
  // SSH's library leaves its ciphers to the garbage collector.
  const sloppy = { sanitizeResources: false, sanitizeOps: false };

  Deno.test(`${name}: a listing may begin long after what -Timeout is by default`, sloppy, async () => {
    await using stack = new AsyncDisposableStack();
    const { backend, listings } = await start(slow, { Timeout: "1000", ListingTime: "60000" }, stack);
    assert.deepEqual(await backend.list(root, call), []);
    assert.equal(listings(), 1);
  });

  Deno.test(`${name}: a listing that never begins ends, and is not asked for again`, sloppy, async () => {
    await using stack = new AsyncDisposableStack();
    const over = Promise.withResolvers<void>();
    const { backend, listings } = await start(() => over.promise, { Timeout: "1000", ListingTime: "2500" }, stack);
    stack.defer(over.resolve);
    const error = await assertRejects(backend.list(root, call), "timeout");
    assert.notEqual(error.facts.transient, true);
    assert.equal(listings(), 1);
  });

  Deno.test(`${name}: -Timeout that is given is the limit of a listing too`, sloppy, async () => {
    await using stack = new AsyncDisposableStack();
    const over = Promise.withResolvers<void>();
    const { backend } = await start(() => over.promise, { Timeout: "1000" }, stack);
    stack.defer(over.resolve);
    const error = await assertRejects(backend.list(root, call), "timeout");
    assert.equal(error.facts.transient, true);
  });
}
