import { openTestFtp } from "../support/targets/ftp_target.ts";
import { skipsServer } from "../support/servers/install.ts";
import {
  type FtpServer,
  type FtpServerOptions,
  type FtpTls,
  startProftpd,
  startPureftpd,
  startVsftpd,
} from "../support/servers/ftp.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { ownFolder, sharedServer } from "./shared.ts";
import { conform, type Conformance } from "./suite.ts";

interface Played extends Pick<Conformance, "known" | "lacks"> {
  readonly server: string;
  readonly tls?: FtpTls;
  /** ms that a command is under way in each direction. */
  readonly delay?: number;
  /** As many as the protocol likes without. */
  readonly connections?: number;
  start(options: FtpServerOptions): Promise<FtpServer>;
}

const hides = "the server tells nothing of it";
const proftpdKnown = {
  "a link on the disk is listed as what it is, never as what it points to":
    "MLSD tells nothing of links that lead nowhere",
  "a pipe on the disk is listed as special": "MLSD calls a pipe a file",
  "read() of a pipe on the disk rejects and never waits for a writer": "MLST calls a pipe a file",
  'a file and a folder may be called "star*[a]{b}"': "MKD refuses such names",
};
const pureftpdKnown = {
  'a file and a folder may be called "trailing blank "': "the server would make it an underscore, so it is refused",
  'a file and a folder may be called "back\\\\slash"': "the server prohibits it",
  "a name with a control character is listed as opaque, and stands in no way": hides,
};
const noLinks = ["copy", "hardLink", "makeLink", "flush", "walk"] as const;
const noHash = [...noLinks, "checksum"] as const;

play("vsftpd", { server: "ftp", start: startVsftpd, lacks: [...noHash, "setMode"] });
play("vsftpd over TLS", { server: "ftp", tls: "explicit", start: startVsftpd, lacks: [...noHash, "setMode"] });
play("proftpd", { server: "proftpd", start: startProftpd, lacks: noLinks, known: proftpdKnown });
// Whatever waits for a second connection while it holds the first would wait for ever.
play("vsftpd over one connection", {
  server: "ftp",
  connections: 1,
  start: startVsftpd,
  lacks: [...noHash, "setMode"],
});
// Turns are saved where they take long.
play("vsftpd far away", { server: "ftp", delay: 8, start: startVsftpd, lacks: [...noHash, "setMode"] });
play("pureftpd far away", {
  server: "pureftpd",
  delay: 8,
  start: startPureftpd,
  lacks: noHash,
  known: pureftpdKnown,
});
play("pureftpd", { server: "pureftpd", start: startPureftpd, lacks: noHash, known: pureftpdKnown });

function play(name: string, { server, start, tls = "none", delay = 0, connections, ...rest }: Played): void {
  const ignore = skipsServer(server);
  const running = sharedServer(ignore, () => start({ tls }));
  conform({
    name,
    ...rest,
    ignore,
    gives: ["cut", "silence", "disk"],
    async fresh({ timeout = 10_000 } = {}) {
      await using stack = new AsyncDisposableStack();
      const site = running();
      const folder = await ownFolder(site, stack);
      const options = {
        Timeout: String(timeout),
        ReconnectTime: "2000",
        ...(connections === undefined ? {} : { Connections: String(connections) }),
      };
      const open = (port: number) => openTestFtp(site, { tls, port, path: folder.root, options });
      return {
        ...await throughProxy(site.port, open, { stack, delay }),
        disk: folder.disk,
        ...(site.password === undefined ? {} : { secret: site.password }),
      };
    },
  });
}
