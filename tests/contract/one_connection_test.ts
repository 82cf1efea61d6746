import { webdavOpener } from "../../lib/backends/webdav/mod.ts";
import { root } from "../../lib/core/path.ts";
import { startDavStore } from "../support/servers/dav_store.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { davTarget, impatience } from "../support/targets/webdav_target.ts";
import { call } from "./assertions.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

// A pool of one: whatever waits for a second connection while it holds the first would wait for ever.

for (const [name, getHeaders] of [["", "marks"], [" whose replies to GET tell no version", "none"]] as const) {
  const running = sharedServer(false, () => startDavStore({ getHeaders, etag: (version) => `W/"${version}"` }));
  conform({
    name: `webdav over one connection${name}`,
    lacks: ["hardLink", "makeLink", "flush", "setModified", "setMode", "checksum", "walk"],
    gives: ["cut", "silence", "busy", "keepShort"],
    async fresh({ timeout = 3000 } = {}) {
      const server = running();
      const login = { user: "", password: "", root: `/${crypto.randomUUID()}` };
      const options = { Timeout: String(timeout), Connections: "1" };
      const open = (port: number) => webdavOpener(impatience)(davTarget({ ...login, port }, { options }), call);
      const proxied = await throughProxy(server.port, open);
      await proxied.backend.makeDir(root, call);
      server.keptBytes = Infinity;
      return { ...proxied, busy: proxied.answer503, keepShort: () => void (server.keptBytes = 1000) };
    },
  });
}
