import { freePort } from "../support/servers/install.ts";
import { startVsftpd } from "../support/servers/ftp.ts";
import type { Arena, Cell } from "./contest.ts";
import { lftp, rclone, tandem, type Way } from "./contestants.ts";
import { startDelay } from "./delay.ts";

const cells: readonly Cell[] = [
  { work: "upload", data: "small", rtt: 0, bar: 1 },
  { work: "download", data: "small", rtt: 0, bar: 1 },
  { work: "nothing", data: "small", rtt: 0, bar: 1 },
  { work: "upload", data: "large", rtt: 0, bar: 0.85 },
  { work: "download", data: "large", rtt: 0, bar: 0.85 },
  { work: "upload", data: "small", rtt: 40, bar: 1 },
  { work: "download", data: "small", rtt: 40, bar: 1 },
  { work: "nothing", data: "small", rtt: 40, bar: 1 },
  { work: "upload", data: "large", rtt: 40, bar: 0.85 },
  { work: "download", data: "large", rtt: 40, bar: 0.85 },
];

/** Ports of the server's data connections: behind a delaying link all of them must be known. */
const DATA_PORTS = 500;
/** Where the delaying link listens: on the server's own port numbers. */
const FAR_HOST = "127.0.0.2";
/** The user that the server writes as. */
const DAEMON = 1;

/** vsftpd without a login, and everybody who speaks to it: Tandem, rclone, lftp. */
export async function openFtp(): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const first = Math.min(freePort(), 65_000 - DATA_PORTS);
  const [from, to] = [first + 1, first + DATA_PORTS];
  const server = stack.use(
    await startVsftpd({
      config: [
        ...["anon_root=/", "log_ftp_protocol=NO", "xferlog_enable=NO"],
        ...[`pasv_min_port=${from}`, `pasv_max_port=${to}`],
      ],
    }),
  );
  const links = new Set<number>([0]);
  const life = stack.move();
  const way = wayTo();
  return {
    cells,
    contestants: [tandem(way), ...rclone(way), ...lftp(way)],
    host: (rtt) => rtt === 0 ? "127.0.0.1" : FAR_HOST,
    async port(rtt) {
      if (!links.has(rtt)) {
        life.use(await startDelay(server.port, rtt / 2, [FAR_HOST, String(from), String(to)]));
        links.add(rtt);
      }
      return server.port;
    },
    give: (path) => Deno.chown(path, DAEMON, DAEMON),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

function wayTo(): Way {
  const { stdout } = new Deno.Command("rclone", { args: ["obscure", "nobody@"] }).outputSync();
  const password = new TextDecoder().decode(stdout).trim();
  return {
    env: { HOME: "/nonexistent" },
    tandem: ({ host, port, remote }) => ({ address: `ftp://${host}:${port}${remote}`, params: [] }),
    rclone: ({ host, port, remote }) => ({
      remote: `:ftp:${remote}`,
      flags: [`--ftp-host=${host}`, `--ftp-port=${port}`, "--ftp-user=anonymous", `--ftp-pass=${password}`],
    }),
    lftp: ({ host, port }) => [`open -u anonymous,nobody@ -p ${port} ftp://${host}`],
  };
}
