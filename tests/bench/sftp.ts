import { type Sshd, startSshd } from "../support/servers/sftp.ts";
import type { Arena, Cell, Contestant } from "./contest.ts";
import { lftp, rclone, tandem, versionOf, type Way } from "./contestants.ts";
import { startDelay } from "./delay.ts";

const cells: readonly Cell[] = [
  { work: "upload", data: "small", rtt: 0, bar: 0.85 },
  { work: "download", data: "small", rtt: 0, bar: 0.85 },
  { work: "upload", data: "large", rtt: 0, bar: 1.3 },
  { work: "download", data: "large", rtt: 0, bar: 1.3 },
  { work: "nothing", data: "small", rtt: 0, bar: 1 },
  { work: "nothing", data: "100k", rtt: 0, bar: 1 },
  { work: "upload", data: "small", rtt: 40, bar: 0.08 },
  { work: "download", data: "small", rtt: 40 },
  { work: "upload", data: "large", rtt: 40, bar: 0.4, alsoRivals: ["rsync"] },
  { work: "download", data: "large", rtt: 40, bar: 0.4, alsoRivals: ["rsync"] },
  { work: "nothing", data: "small", rtt: 40, bar: 1 },
];

/** OpenSSH's server, and everybody who speaks to it: Tandem, rclone, lftp and sftp over SFTP, rsync with itself on the far side. */
export function openSftp(): Promise<Arena> {
  return openServer(cells, (sshd, way) => [tandem(way), ...rclone(way), ...lftp(way), sftp(sshd), rsync(sshd)]);
}

/** Two-way over the same server: Tandem, unison with itself on the far side, rclone bisync. */
export function openTwoWay(): Promise<Arena> {
  const twoWay: readonly Cell[] = [0, 40].map((rtt) => ({ work: "both", data: "small", rtt, bar: 1 }));
  return openServer(twoWay, (sshd, way) => [tandem(way), unison(sshd), ...rclone(way).slice(0, 1)]);
}

async function openServer(
  cells: readonly Cell[],
  invite: (sshd: Sshd, way: Way) => readonly Contestant[],
): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const sshd = stack.use(await startSshd({ requestLog: false }));
  const links = new Map<number, number>([[0, sshd.port]]);
  const life = stack.move();
  return {
    cells,
    contestants: invite(sshd, wayTo(sshd)),
    async port(rtt) {
      const known = links.get(rtt);
      if (known !== undefined) return known;
      const { port } = life.use(await startDelay(sshd.port, rtt / 2));
      const lines = sshd.hostKeys.map((key) => `[${sshd.host}]:${port} ${key}\n`);
      await Deno.writeTextFile(sshd.knownHosts, lines.join(""), { append: true });
      links.set(rtt, port);
      return port;
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

function wayTo(sshd: Sshd): Way {
  const { user, home, privateKeyPath, knownHosts } = sshd;
  return {
    env: { HOME: home, XDG_CONFIG_HOME: `${home}/.config`, XDG_STATE_HOME: `${home}/.state` },
    tandem: ({ host, port, remote }) => ({
      address: `sftp://${user}@${host}:${port}${remote}`,
      params: ["-SshPrivateKeyPath", privateKeyPath],
    }),
    rclone: ({ host, port, remote }) => ({
      remote: `:sftp:${remote}`,
      flags: [
        `--sftp-host=${host}`,
        `--sftp-port=${port}`,
        `--sftp-user=${user}`,
        `--sftp-key-file=${privateKeyPath}`,
        `--sftp-known-hosts-file=${knownHosts}`,
        // Nobody else asks the far side's shell for an md5sum of every file.
        "--sftp-disable-hashcheck",
      ],
    }),
    lftp: ({ host, port }) => [
      `set sftp:connect-program "ssh -a -x ${sshOptions(sshd).join(" ")}"`,
      `open -u ${user}, -p ${port} sftp://${host}`,
    ],
  };
}

/** OpenSSH's own client: it copies, and cannot tell that there is nothing to do. */
function sftp(sshd: Sshd): Contestant {
  return {
    name: "sftp",
    role: "rival",
    version: versionOf("ssh", ["-V"], /OpenSSH_(\S+)/),
    command({ work, local, remote, host, port }) {
      if (work === "nothing" || work === "both") return undefined;
      const args = ["-q", ...sshOptions(sshd), "-P", String(port), "-b", "-", `${sshd.user}@${host}`];
      return {
        program: "sftp",
        args,
        input: work === "upload" ? `put -r ${local}/* ${remote}/\n` : `get -r ${remote}/* ${local}/\n`,
      };
    },
  };
}

/** Its own agent on the far side, and two-way like us. */
function unison(sshd: Sshd): Contestant {
  return {
    name: "unison",
    role: "rival",
    version: versionOf("unison", ["-version"], /version (\S+)/),
    command({ work, local, remote, host, port }) {
      if (work !== "both") return undefined;
      const ssh = `${sshOptions(sshd).join(" ")} -p ${port}`;
      const args = ["-batch", "-silent", "-times", "-sshargs", ssh, local, `ssh://${sshd.user}@${host}/${remote}`];
      return { program: "unison", args, env: { HOME: sshd.home, UNISON: `${sshd.home}/.unison` } };
    },
  };
}

/** Not the same protocol: its own agent on the far side. */
function rsync(sshd: Sshd): Contestant {
  return {
    name: "rsync",
    role: "named",
    version: versionOf("rsync", ["--version"], /version (\S+)/),
    command({ work, local, remote, host, port }) {
      if (work === "both") return undefined;
      const there = `${sshd.user}@${host}:${remote}/`;
      const ends = work === "download" ? [there, `${local}/`] : [`${local}/`, there];
      return { program: "rsync", args: ["-a", "-e", `ssh ${sshOptions(sshd).join(" ")} -p ${port}`, ...ends] };
    },
  };
}

function sshOptions({ privateKeyPath, knownHosts }: Sshd): readonly string[] {
  const options = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${knownHosts}`,
  ];
  return ["-F", "none", "-i", privateKeyPath, ...options.flatMap((option) => ["-o", option])];
}
