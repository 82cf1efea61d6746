import assert from "node:assert/strict";
import { join } from "node:path";
import { assertCode } from "../../support/targets/sftp_pair.ts";
import { startSmallFtp } from "../../support/servers/small_ftp.ts";
import { counts, tandem } from "../../support/tandem.ts";

Deno.test("Sync-Path gives files that LIST shows with their day the time that MDTM tells, and sees no change then, history or not", async () => {
  const dir = await Deno.makeTempDir({ prefix: "tandem-ftp-" });
  const large = "x".repeat(300_000);
  await using server = await startSmallFtp({
    features: ["SIZE", "MDTM", "UTF8", "SITE UTIME"],
    holds: { "/small": "hello", "/large": large },
    listing: [["small", 5], ["large", large.length]].map(([name, size]) =>
      `-rw-r--r-- 1 web web ${size} Nov 14  2023 ${name}\r\n`
    ).join(""),
    reply: (command) => {
      if (command === "CWD /") return undefined;
      if (command.startsWith("CWD /")) return "550 no such folder\r\n";
      if (/^MDTM \/(?:small|large)$/.test(command)) return "213 20231114221320\r\n";
      if (/^SIZE \/(?:small|large)$/.test(command)) return `213 ${command === "SIZE /small" ? 5 : large.length}\r\n`;
      return /^(?:SIZE|MDTM)/.test(command) ? "550 no such file\r\n" : undefined;
    },
  });
  try {
    const local = join(dir, "local");
    const args = ["Sync-Path", local, `ftp://127.0.0.1:${server.port}/`, "-Mode", "Local", "-Connections", "1"];
    assertCode(await tandem(args, { home: dir }), 0);
    for (const name of ["small", "large"]) {
      const { mtime } = await Deno.stat(join(local, name));
      assert.equal(mtime?.toISOString(), "2023-11-14T22:13:20.000Z", name);
    }
    const after = server.told.slice(server.told.indexOf("RETR /small"));
    assert.equal(after.filter((one) => one === "MDTM /small").length, 1, "it comes with the check after the bytes");
    for (const home of [dir, join(dir, "elsewhere")]) {
      await Deno.mkdir(home, { recursive: true });
      const again = await tandem(args, { home });
      assertCode(again, 0);
      assert.deepEqual(counts(again), [0, 0, 0, 0, 0], home);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
