import { skipsServer } from "../support/servers/install.ts";
import { type DavKind, davRecipe, startDav } from "../support/servers/webdav.ts";
import { impatience, openTestDav } from "../support/targets/webdav_target.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { root } from "../../lib/core/path.ts";
import { call } from "./assertions.ts";
import { sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const direct = {
  "write() takes over no leftover that is longer than the source":
    "a file of this size goes by one atomic PUT to its own name: no temporary name is used, and nobody's is removed",
};

const hides = "its listings leave out every name that begins with a dot";
const unseen = "a folder that holds only hidden names looks empty, and DELETE would take them along";
const hidden = {
  'a file and a folder may be called ".hidden"': hides,
  'a file and a folder may be called "..."': hides,
  "remove() removes an empty folder, and what is absent is no error": unseen,
  "remove() of a folder where a file is now rejects with changed": unseen,
};

/** In memory where there is such a disk: lighttpd keeps properties in a database that waits for the disk. */
const parent = await Deno.stat("/dev/shm").then(() => "/dev/shm", () => undefined);

/** Each kind of server, the optional methods it lacks, and what it cannot do. */
const kinds: readonly {
  readonly kind: DavKind;
  readonly keepsTimes: boolean;
  readonly known?: Record<string, string>;
}[] = [
  { kind: "apache", keepsTimes: true, known: direct },
  { kind: "apache-digest", keepsTimes: true, known: direct },
  { kind: "nginx", keepsTimes: false, known: hidden },
  { kind: "lighttpd", keepsTimes: true },
  { kind: "rclone", keepsTimes: false },
];

for (const { kind, keepsTimes, known } of kinds) {
  const ignore = skipsServer(davRecipe(kind));
  const running = sharedServer(ignore, () => startDav({ kind, ...(parent === undefined ? {} : { parent }) }));
  conform({
    name: `webdav on ${kind}`,
    ignore,
    lacks: [
      "hardLink",
      "makeLink",
      "flush",
      ...(keepsTimes ? [] : ["setModified"] as const),
      "setMode",
      "checksum",
      "walk",
    ],
    gives: ["cut", "silence", "busy"],
    ...(known === undefined ? {} : { known }),
    async fresh({ timeout = 10_000 } = {}) {
      const server = running();
      const path = `${server.root}${crypto.randomUUID()}`;
      const options = { Timeout: String(timeout) };
      const proxied = await throughProxy(
        server.port,
        (port) => openTestDav(server, { port, path, options, patience: impatience }),
      );
      // By the server itself: rclone does not see at once what others do to its folder.
      await proxied.backend.makeDir(root, call);
      return { ...proxied, secret: server.password, busy: proxied.answer503 };
    },
  });
}
