import { openWebdav } from "../../lib/backends/webdav/mod.ts";
import { root } from "../../lib/core/path.ts";
import { startProxy } from "../support/proxy.ts";
import { startDavStore } from "../support/servers/dav_store.ts";
import { davTarget } from "../support/targets/webdav_target.ts";
import { call } from "./assertions.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

// A pool of one: whatever waits for a second connection while it holds the first would wait for ever.

for (const [name, getHeaders] of [["", "marks"], [" whose replies to GET tell no version", "none"]] as const) {
  const running = sharedServer(false, () => startDavStore({ getHeaders, etag: (version) => `W/"${version}"` }));
  conform({
    name: `webdav over one connection${name}`,
    lacks: ["hardLink", "makeLink", "flush", "setModified", "setMode", "checksum", "walk"],
    gives: ["cut"],
    async fresh() {
      await using stack = new AsyncDisposableStack();
      const proxy = stack.use(await startProxy(running().port));
      const target = davTarget({ user: "", password: "", root: `/${crypto.randomUUID()}`, port: proxy.port }, {
        options: { Timeout: "3000", Connections: "1" },
      });
      const backend = stack.use(await openWebdav(target, call));
      await backend.makeDir(root, call);
      const life = stack.move();
      return { backend, cut: () => proxy.refuse(true), [Symbol.asyncDispose]: () => life.disposeAsync() };
    },
  });
}
