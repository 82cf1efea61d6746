import assert from "node:assert/strict";
import { join } from "node:path";
import { scan } from "../../../lib/sync/scan/scan.ts";
import { toTempOwner } from "../../../lib/sync/common/temp_tag.ts";
import { fill } from "../../support/targets/sftp_pair.ts";
import { openTestFtp } from "../../support/targets/ftp_target.ts";
import {
  type FtpServer,
  type FtpServerOptions,
  startProftpd,
  startPureftpd,
  startVsftpd,
} from "../../support/servers/ftp.ts";
import { serverTest } from "../../support/servers/install.ts";
import { tandem } from "../../support/tandem.ts";

interface Played {
  readonly name: string;
  readonly server: string;
  readonly config?: readonly string[];
  start(options: FtpServerOptions): Promise<FtpServer>;
}

const played: readonly Played[] = [
  { name: "vsftpd", server: "ftp", start: startVsftpd },
  { name: "ProFTPD", server: "proftpd", start: startProftpd },
  { name: "ProFTPD with ShowSymlinks off", server: "proftpd", config: ["ShowSymlinks off"], start: startProftpd },
  { name: "Pure-FTPd", server: "pureftpd", start: startPureftpd },
  { name: "Pure-FTPd -b", server: "pureftpd", config: ["-b"], start: startPureftpd },
];

for (const { name, server, config = [], start } of played) {
  serverTest(`Sync-Path -Mode Remote -Remove to ${name} removes nothing behind a link in a folder that goes`, {
    server,
  }, async () => {
    await using far = await start({ config });
    const { disk } = far;
    await fill(disk, { "root/kept": "1", "root/gone/own": "2", "away/x": "3", "away/deep/y": "4" });
    await Deno.symlink("../../away", join(disk, "root", "gone", "l"));
    await Deno.symlink("../away", join(disk, "root", "l"));
    const local = await Deno.makeTempDir({ prefix: "tandem-links-" });
    try {
      await Deno.writeTextFile(join(local, "kept"), "1");
      const user = far.user === undefined ? "" : `${far.user}@`;
      const address = `ftp://${user}127.0.0.1:${far.port}${far.root}/root`;
      const words = ["-Mode", "Remote", "-Remove", "-MaxRemove", "100%"];
      const ran = await tandem(["Sync-Path", local, address, ...words], {
        home: local,
        env: { TANDEM_PASSWORD: far.password ?? "" },
      });
      const left = [await Deno.readTextFile(join(disk, "away/x")), await Deno.readTextFile(join(disk, "away/deep/y"))];
      assert.deepEqual(left, ["3", "4"], `${ran.stderr} ${ran.stdout}`);
    } finally {
      await Deno.remove(local, { recursive: true });
    }
  });

  serverTest(`a scan of ${name} ends where a link leads back to a folder above it`, { server }, async () => {
    await using far = await start({ config });
    await fill(far.disk, { "d/e/f": "1", "d/g": "2" });
    await Deno.symlink("../..", join(far.disk, "d", "e", "back"));
    await Deno.symlink(".", join(far.disk, "d", "self"));
    await using backend = await openTestFtp(far);
    const owner = toTempOwner(["test", "remote"]);
    const { snapshot } = await scan(backend, { signal: new AbortController().signal, links: "Skip", owner });
    assert.ok(snapshot.size < 60, `${snapshot.size} entries`);
    assert.ok([...snapshot].some((one) => one.path === "d/e/f"));
  });
}
