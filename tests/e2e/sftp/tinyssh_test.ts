import assert from "node:assert/strict";
import { join } from "node:path";
import { assertCode } from "../../support/targets/sftp_pair.ts";
import { tandem } from "../../support/tandem.ts";
import { serverTest } from "../../support/servers/install.ts";
import { startTinyssh } from "../../servers/sftp_servers.ts";

serverTest(
  "tinyssh without strict key exchange is refused with the reason, and allowed by the system's ssh",
  { server: "tinyssh", ignore: Deno.uid() !== 0 },
  async () => {
    await using server = await startTinyssh();
    const { address, params } = server.login(server.root);
    const folder = await Deno.makeTempDir({ prefix: "tandem-local-" });
    try {
      await Deno.writeTextFile(join(folder, "a"), "hi");
      const sync = (...more: readonly string[]) =>
        tandem(["Sync-Path", folder, address, "-Mode", "Remote", ...params, ...more], { home: folder + ".home" });
      for (const more of [[], ["-AllowLegacyAlgorithms"]]) {
        const refused = await sync(...more);
        assertCode(refused, 4);
        assert.match(refused.stderr, /chacha20-poly1305.*CVE-2023-48795.*-SshClient System/);
        assert.doesNotMatch(refused.stderr, /needs -AllowLegacy/);
      }
      assertCode(await sync("-SshClient", "System"), 0);
      assert.equal(await Deno.readTextFile(join(server.disk ?? "", "a")), "hi");
    } finally {
      await Deno.remove(folder, { recursive: true });
      await Deno.remove(`${folder}.home`, { recursive: true }).catch(() => {});
    }
  },
);
