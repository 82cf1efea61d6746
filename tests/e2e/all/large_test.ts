import assert from "node:assert/strict";
import { chownAll, remoteServerKinds } from "../../support/targets/remote_server.ts";
import { makeRemotePair } from "../../support/targets/remote_pair.ts";
import { assertCode } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";

const COUNT = 20_000;
const SECONDS = 1_700_000_000;

/** Names that sort, fold and encode in every way that a listing could stumble over. */
function nameOf(index: number): string {
  const kinds = [`f${index}`, `é ${index}`, `${index} & <${index}>.txt`, `UPPER-${index}%20`];
  return kinds[index % kinds.length] ?? "";
}

/** TLS, Digest and partial PUT change nothing in a listing that the smaller ones do not show. */
for (const kind of remoteServerKinds.filter(({ name }) => /^(?:ftp|dav) (?!apache-digest|.* partial)/.test(name))) {
  serverTest(`Compare-Path sees 20,000 files in one folder over ${kind.name}, each as it is`, {
    server: kind.server,
  }, async () => {
    await using far = await kind.start([]);
    await using pair = await makeRemotePair(far);
    for (const folder of [pair.local, pair.remote]) {
      await Deno.mkdir(`${folder}/many`);
      for (let index = 0; index < COUNT; index++) {
        const path = `${folder}/many/${nameOf(index)}`;
        Deno.writeTextFileSync(path, "x".repeat(index % 50));
        Deno.utimeSync(path, SECONDS - index, SECONDS - index);
      }
    }
    await chownAll(pair.remote);
    // Three files are other than here: were any of the others unseen or wrong, they would differ too.
    Deno.removeSync(`${pair.remote}/many/${nameOf(7)}`);
    Deno.writeTextFileSync(`${pair.remote}/many/another`, "");
    Deno.writeTextFileSync(`${pair.local}/many/${nameOf(9)}`, "longer than it is there, where it has nine letters");
    const ran = await pair.run("Compare-Path", "-Mode Remote -Mirror -Remove -Criteria Time,Size -MaxRemove 1");
    assertCode(ran, 0);
    const [plan, ...differences] = ran.objects();
    assert.equal(plan?.Type, "Plan");
    assert.deepEqual(differences.map(({ Action, Path }) => `${Action} ${Path}`).sort(), [
      "DeleteRemote many/another",
      `UploadNew many/${nameOf(7)}`,
      `UploadUpdate many/${nameOf(9)}`,
    ]);
  });
}
