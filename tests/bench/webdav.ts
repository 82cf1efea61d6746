import { startDav } from "../support/servers/webdav.ts";
import type { Arena, Cell } from "./contest.ts";
import { rclone, tandem, type Way } from "./contestants.ts";
import { startDelay } from "./delay.ts";

const cells: readonly Cell[] = [0, 40].flatMap((rtt): readonly Cell[] => [
  { work: "upload", data: "small", rtt, bar: 0.85 },
  { work: "download", data: "small", rtt, bar: 0.85 },
  { work: "nothing", data: "small", rtt, bar: 0.85 },
  { work: "upload", data: "large", rtt, bar: 0.85 },
  { work: "download", data: "large", rtt, bar: 0.85 },
]);

/** The whole disk without a login: the folders of a contest are not known when the server starts. */
const config = [
  "Alias /disk /",
  "<Directory />",
  "Dav On",
  "AllowOverride None",
  "Require all granted",
  "</Directory>",
  "CustomLog /dev/null plain",
];

/** Apache's mod_dav, and who speaks to it: Tandem and rclone. */
export async function openWebdav(): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDav({ kind: "apache", config }));
  const { uid, gid } = await Deno.stat(server.disk);
  const links = new Map<number, number>([[0, server.port]]);
  const life = stack.move();
  const way = wayTo();
  return {
    cells,
    contestants: [tandem(way), ...rclone(way)],
    async port(rtt) {
      const known = links.get(rtt);
      if (known !== undefined) return known;
      const { port } = life.use(await startDelay(server.port, rtt / 2));
      links.set(rtt, port);
      return port;
    },
    remoteName: (path) => `/disk${path}`,
    give: (path) => Deno.chown(path, uid, gid),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

function wayTo(): Way {
  return {
    env: { HOME: "/nonexistent" },
    tandem: ({ host, port, remote }) => ({ address: `dav://${host}:${port}${remote}`, params: [] }),
    rclone: ({ host, port, remote }) => ({
      remote: `:webdav:${remote}`,
      flags: [`--webdav-url=http://${host}:${port}`, "--webdav-vendor=other"],
    }),
    lftp: () => [],
  };
}
