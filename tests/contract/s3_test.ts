import { makeBucket, openTestS3 } from "../support/targets/s3_target.ts";
import { skipsServer } from "../support/servers/install.ts";
import { startS3 } from "../support/servers/s3.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { noFolders } from "./no_folders.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const beside = "an object and a folder of one name stand side by side: a scan reports both and touches neither";

const ignore = skipsServer("s3");
const running = sharedServer(ignore, async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startS3());
  const bucket = stack.use(await makeBucket(server));
  const life = stack.move();
  return { server, bucket, [Symbol.asyncDispose]: () => life.disposeAsync() };
});

play("s3 on ceph", {});
play("s3 on ceph over one connection", { Connections: "1" });

function play(name: string, more: Readonly<Record<string, string>>): void {
  conform({
    name,
    ignore,
    lacks: ["rename", "hardLink", "makeLink", "setMode", "flush"],
    gives: ["cut", "silence", "busy", "listNames"],
    known: {
      ...noFolders,
      "write() below a file rejects and leaves the file": beside,
      "write() over a folder rejects and leaves what it holds": beside,
      "write() takes over no leftover that is longer than the source": "nothing is written under a temporary name",
    },
    async fresh({ timeout = 10_000 } = {}) {
      const { server, bucket } = running();
      const path = `/${crypto.randomUUID()}/own`;
      // Marks the folder, so that it is there though it is empty.
      await bucket.put(`${path.slice(1)}/`, "");
      const options = { Timeout: String(timeout), ...more };
      const open = (port: number) => openTestS3(server, { bucket: bucket.name, port, path, options });
      const proxied = await throughProxy(server.port, open);
      return {
        ...proxied,
        secret: server.secretKey,
        busy: proxied.answer503,
        async listNames(names) {
          // Ceph takes no key with a NUL.
          const keys = names.filter((name) => !name.includes("\0")).map((name) => `${path.slice(1)}/${name}`);
          for (const key of keys) await bucket.put(key, "x");
        },
      };
    },
  });
}
