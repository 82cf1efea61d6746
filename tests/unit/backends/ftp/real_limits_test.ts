import assert from "node:assert/strict";
import { join } from "node:path";
import { toRelPath } from "../../../../lib/core/path.ts";
import { assertRejects, call, file, paths, put, text } from "../../../contract/assertions.ts";
import { openTestFtp } from "../../../support/targets/ftp_target.ts";
import { type FtpServer, startProftpd, startPureftpd, startVsftpd } from "../../../support/servers/ftp.ts";
import { serverTest } from "../../../support/servers/install.ts";

const body = (content: string) => () => Promise.resolve(new TextEncoder().encode(content));

async function writeNew(server: FtpServer, more: Readonly<Record<string, string>> = {}) {
  const warnings: string[] = [];
  const backend = await openTestFtp(server, { options: more, warn: (one) => void warnings.push(one) });
  for (const name of ["a", "b"]) {
    await backend.write(toRelPath(name), body(`new ${name}`), { ...call, size: 5, expect: "absent" });
  }
  return { backend, warnings };
}

const noDots: Readonly<Record<string, () => Promise<FtpServer>>> = {
  pureftpd: () => startPureftpd({ config: ["-x"] }),
  ftp: () => startVsftpd({ config: ["deny_file={.*}"] }),
  proftpd: () => startProftpd({ config: ["PathDenyFilter (^|/)\\.[^/]*$"] }),
};

for (const [name, start] of Object.entries(noDots)) {
  serverTest(
    `${name} that refuses dot names gets files under temporary names without one`,
    { server: name },
    async () => {
      await using server = await start();
      const { backend, warnings } = await writeNew(server);
      await using _closed = backend;
      assert.deepEqual(await paths(backend), ["a", "b"]);
      await backend.write(toRelPath("a"), body("other"), { ...call, size: 5, expect: await file(backend, "a") });
      assert.equal(await text(backend, "a"), "other");
      assert.deepEqual(await paths(backend), ["a", "b"]);
      assert.deepEqual([warnings.filter((one) => /renames no files/.test(one)), backend.traits.directWrites], [
        [],
        false,
      ]);
    },
  );
}

const noRenames: Readonly<Record<string, () => Promise<FtpServer>>> = {
  pureftpd: () => startPureftpd({ config: ["-G"] }),
  ftp: () => startVsftpd({ config: ["cmds_denied=RNFR,RNTO"] }),
  proftpd: () => startProftpd({ config: ["<Limit RNFR RNTO>", "DenyAll", "</Limit>"] }),
};

for (const [name, start] of Object.entries(noRenames)) {
  serverTest(`${name} that renames nothing gets new files under their names, and others only in place`, {
    server: name,
  }, async () => {
    await using server = await start();
    const { backend, warnings } = await writeNew(server);
    await using _closed = backend;
    assert.deepEqual(await paths(backend), ["a", "b"]);
    assert.equal(warnings.filter((one) => /renames no files \(RN(?:FR|TO) was refused/.test(one)).length, 1);
    await Deno.writeTextFile(join(server.disk, "old"), "older");
    await Deno.chmod(join(server.disk, "old"), 0o666);
    const expect = await file(backend, "old");
    await assertRejects(backend.write(toRelPath("old"), body("other"), { ...call, size: 5, expect }), "unsupported");
    assert.equal(await text(backend, "old"), "older");
    await backend.write(toRelPath("old"), body("third"), { ...call, size: 5, expect, inPlace: true });
    assert.equal(await text(backend, "old"), "third");
    assert.deepEqual(await paths(backend), ["a", "b", "old"]);
  });
}

for (const [name, start] of [["ftp", startVsftpd], ["proftpd", startProftpd], ["pureftpd", startPureftpd]] as const) {
  serverTest(`${name} keeps names of another encoding, the byte 255 included`, { server: name }, async () => {
    await using server = await start(name === "proftpd" ? { config: ["UseEncoding off"] } : {});
    await using backend = await openTestFtp(server, { options: { FtpEncoding: "cp1251" } });
    await put(backend, "яблоко.txt", "bytes");
    assert.deepEqual(await paths(backend), ["яблоко.txt"]);
    assert.equal(await text(backend, "яблоко.txt"), "bytes");
  });
}
