import { openTestGcs } from "../support/targets/gcs_target.ts";
import { startGcs } from "../support/servers/gcs.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { noFolders } from "./no_folders.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const running = sharedServer(false, () => startGcs());

conform({
  name: "gcs",
  lacks: ["rename", "hardLink", "makeLink", "setMode", "flush"],
  gives: ["cut", "silence", "busy", "listNames"],
  known: {
    ...noFolders,
    "write() takes over no leftover that is longer than the source":
      "an upload shows nothing before it is whole, so that nothing is written under a temporary name, and nobody's is removed",
  },
  async fresh({ timeout = 10_000 } = {}) {
    const server = running();
    const { name: bucket, store } = server.makeBucket(`bucket-${crypto.randomUUID()}`);
    const options = { Timeout: String(timeout) };
    const proxied = await throughProxy(server.port, (port) => openTestGcs(server, { port, bucket, options }));
    return {
      ...proxied,
      secret: server.login.secret,
      busy: proxied.answer503,
      listNames(names) {
        for (const name of names) store.put({ name, bytes: new Uint8Array(1) }, new URLSearchParams());
      },
    };
  },
});
