import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { chownAll, type RemoteServer, remoteServerKind } from "../../support/targets/remote_server.ts";
import {
  assertSame,
  contentWithoutServerFiles,
  makeRemotePair,
  type RemotePair,
} from "../../support/targets/remote_pair.ts";
import { assertCode, fill, setOldTime } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import type { RunResult } from "../../support/tandem.ts";

const isRoot = Deno.uid() === 0;
const large = new Uint8Array(2 << 20).fill(65);

/** Fails unless the run ended with this code and one sentence of this kind, without a stack or a secret. */
function assertSaid(
  ran: RunResult,
  { code, words, far }: { readonly code: number; readonly words: RegExp; far: RemoteServer },
): void {
  assertCode(ran, code);
  const told = ran.stderr.split("\n").filter((line) => words.test(line));
  assert.equal(told.length, 1, `not said once: ${ran.stderr}`);
  assert.doesNotMatch(ran.stderr, /\n\s+at |node:|undefined|\[object|left behind/);
  const secret = far.env.TANDEM_PASSWORD;
  if (secret !== undefined) assert.ok(!(ran.stderr + ran.stdout).includes(secret), "the password is told");
}

/** The paths that failed. */
function failuresOf(ran: RunResult): readonly string[] {
  return (ran.result().Failures as { Path: string }[]).map(({ Path }) => Path).sort();
}

/** Two files to send, one of them over an older one. */
async function fillPair(pair: RemotePair): Promise<void> {
  await fill(pair.local, { "new": large, "old": "the newer one" });
  await pair.fillRemote({ "old": "older" });
}

function trouble(
  name: string,
  { kinds, config = [], ...rest }: {
    readonly kinds: readonly string[];
    readonly config?: readonly string[];
    readonly ignore?: boolean;
    run(far: RemoteServer, pair: RemotePair): Promise<void>;
  },
): void {
  for (const kind of kinds.map(remoteServerKind)) {
    const ignore = rest.ignore === true;
    serverTest(`Sync-Path over ${kind.name} ${name}`, { server: kind.server, ignore }, async () => {
      await using far = await kind.start(config.length === 0 ? undefined : config);
      await using pair = await makeRemotePair(far);
      await rest.run(far, pair);
    });
  }
}

trouble("with a certificate that nobody vouches for, or another than the pinned one, exits 4 and sends no password", {
  kinds: ["ftpes vsftpd", "ftpes proftpd", "ftps proftpd", "davs apache over TLS"],
  async run(far, pair) {
    await fillPair(pair);
    const before = contentWithoutServerFiles(pair.remote);
    const [, pin = ""] = far.params;
    const other = pin.replace(/^../, pin.startsWith("00") ? "01" : "00");
    const words = /certificate.*-TlsHostCertificateFingerprint/;
    assertSaid(await pair.sync("-Mode Remote", []), { code: 4, words, far });
    const pinned = await pair.sync("-Mode Remote", ["-TlsHostCertificateFingerprint", other]);
    assertSaid(pinned, { code: 4, words: /not the pinned one; if it is right, add -Tls/, far });
    assert.deepEqual(contentWithoutServerFiles(pair.remote), before);
    assert.deepEqual(await far.mutations(), []);
    const [, printed = ""] = /-TlsHostCertificateFingerprint ([0-9a-f]+)/.exec(pinned.stderr.replace(/\s+/g, " ")) ??
      [];
    assertCode(await pair.sync("-Mode Remote", ["-TlsHostCertificateFingerprint", printed]), 0);
    assertSame(pair);
  },
});

trouble("with a wrong password exits 4 after one try", {
  kinds: [
    "ftp proftpd",
    "ftp pure-ftpd",
    "ftpes proftpd",
    "dav apache",
    "dav apache-digest",
    "dav nginx",
    "dav rclone",
  ],
  async run(far, pair) {
    await fillPair(pair);
    const ran = await pair.sync("-Mode Remote", far.params, { TANDEM_PASSWORD: "a wrong one" });
    assertSaid(ran, {
      code: 4,
      words: /(?:Cannot log in|does not accept).*check (?:the user name|both).*TANDEM_PASSWORD/,
      far,
    });
    assert.ok(!(ran.stdout + ran.stderr).includes("a wrong one"));
    assert.equal(contentWithoutServerFiles(pair.remote)["old"], "older");
  },
});

trouble("into a folder that its user may not write to fails both files, exits 1 and changes nothing", {
  kinds: ["ftp vsftpd", "ftp pure-ftpd", "dav apache", "dav nginx", "dav lighttpd"],
  ignore: !isRoot,
  async run(far, pair) {
    await fillPair(pair);
    await Deno.chown(pair.remote, 0, 0);
    const before = contentWithoutServerFiles(pair.remote);
    const ran = await pair.sync("-Mode Remote");
    assertSaid(ran, {
      code: 1,
      words: /Cannot write "new": .*(?:permission denied|check its rights|no right to write)/i,
      far,
    });
    assert.deepEqual(failuresOf(ran), ["new", "old"]);
    assert.deepEqual(contentWithoutServerFiles(pair.remote), before);
  },
});

const refusals: Readonly<Record<string, readonly string[]>> = {
  "ftp vsftpd": ["cmds_denied=STOR"],
  "ftp proftpd": ["<Limit STOR>", "DenyAll", "</Limit>"],
  "ftpes proftpd": ["<Limit STOR>", "DenyAll", "</Limit>"],
  "dav apache": ["<Location />", "<Limit PUT>", "Require all denied", "</Limit>", "</Location>"],
};

for (const [kind, config] of Object.entries(refusals)) {
  trouble("that takes no uploads fails each file, exits 1 and changes nothing", {
    kinds: [kind],
    config,
    async run(far, pair) {
      await fillPair(pair);
      const ran = await pair.sync("-Mode Remote");
      assertSaid(ran, { code: 1, words: /Cannot write "new": /, far });
      assert.deepEqual(failuresOf(ran), ["new", "old"]);
      assert.deepEqual(contentWithoutServerFiles(pair.remote), { "old": "older" });
    },
  });
}

// Not nginx: where it receives on another disk it leaves a part of its own behind, under a name that it shows to nobody.
trouble(
  "onto a full disk says so, keeps the old file, leaves nothing half written, and is finished once there is room",
  {
    kinds: ["ftp vsftpd", "ftp proftpd", "ftp pure-ftpd", "ftpes proftpd", "dav apache", "dav lighttpd"],
    ignore: !canMount(),
    async run(far, pair) {
      const { uid, gid } = await Deno.stat(pair.remote);
      mount("-t", "tmpfs", "-o", `size=512k,uid=${uid},gid=${gid},mode=755`, "tmpfs", pair.remote);
      try {
        await fill(pair.local, { "old": large });
        await pair.fillRemote({ "old": "older" });
        await setOldTime(`${pair.remote}/old`, 5);
        const ran = await pair.sync("-Mode Remote");
        assertSaid(ran, { code: 1, words: /Cannot write "old": .*(?:full|space|no room)/i, far });
        assert.deepEqual(failuresOf(ran), ["old"]);
        assert.deepEqual(contentWithoutServerFiles(pair.remote), { "old": "older" });
        mount("-o", "remount,size=8m", pair.remote);
        assertCode(await pair.sync("-Mode Remote"), 0);
        assertSame(pair);
      } finally {
        new Deno.Command("umount", { args: ["-l", pair.remote] }).outputSync();
      }
    },
  },
);

for (const [kind, line] of [["ftp vsftpd", "max_per_ip=1"], ["ftp proftpd", "MaxClientsPerHost 1"]] as const) {
  trouble("that allows one connection is content with it, and says so when somebody else has it", {
    kinds: [kind],
    config: [line],
    async run(far, pair) {
      const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, `${index}`]));
      await fill(pair.local, many);
      assertCode(await pair.sync("-Mode Remote"), 0);
      assertSame(pair);
      await chownAll(pair.remote);
      using other = await Deno.connect({ hostname: "127.0.0.1", port: far.port });
      const say = async (line: string) => {
        await other.write(new TextEncoder().encode(line));
        await other.read(new Uint8Array(1000));
      };
      await say("");
      // ProFTPD counts who is logged in.
      await say("USER tester\r\n");
      await say(`PASS ${far.env.TANDEM_PASSWORD ?? ""}\r\n`);
      await fill(pair.local, { "more": "m" });
      const ran = await pair.sync("-Mode Remote -ReconnectTime 0");
      assertSaid(ran, { code: 5, words: /accepts no more connections/, far });
    },
  });
}

trouble("where somebody holds a lock on a file fails that file alone, keeps it, and sends it once the lock is gone", {
  kinds: ["dav apache", "dav nginx", "dav lighttpd"],
  async run(far, pair) {
    await fillPair(pair);
    const { url, headers } = requestTo(pair, far);
    const lock = await fetch(url, { method: "LOCK", headers: { ...headers, timeout: "Second-600" }, body: LOCK });
    const token = lock.headers.get("lock-token") ?? "";
    await lock.body?.cancel();
    assert.ok(lock.ok && token !== "", `no lock: ${lock.status}`);
    const ran = await pair.sync("-Mode Remote");
    assertSaid(ran, {
      code: 1,
      words: /Cannot write "old": another client holds a lock on it \(423\); a later run/,
      far,
    });
    assert.deepEqual(failuresOf(ran), ["old"]);
    const { new: sent, old, ...others } = contentWithoutServerFiles(pair.remote);
    assert.deepEqual([sent, old, others], [contentWithoutServerFiles(pair.local)["new"], "older", {}]);
    const unlock = await fetch(url, { method: "UNLOCK", headers: { ...headers, "lock-token": token } });
    await unlock.body?.cancel();
    assertCode(await pair.sync("-Mode Remote"), 0);
    assertSame(pair);
  },
});

const LOCK = '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>' +
  "<D:locktype><D:write/></D:locktype><D:owner>somebody</D:owner></D:lockinfo>";

/** The older file of the pair, as another client asks for it. */
function requestTo({ address }: RemotePair, far: RemoteServer) {
  const { username, host, pathname } = new URL(address);
  const login = Buffer.from(`${username}:${far.env.TANDEM_PASSWORD}`).toString("base64");
  return { url: `http://${host}${pathname}/old`, headers: { authorization: `Basic ${login}` } };
}

function canMount(): boolean {
  if (!isRoot) return false;
  const dir = Deno.makeTempDirSync({ prefix: "tandem-mount-" });
  try {
    mount("-t", "tmpfs", "tmpfs", dir);
    return true;
  } catch {
    return false;
  } finally {
    new Deno.Command("umount", { args: [dir] }).outputSync();
    Deno.removeSync(dir);
  }
}

function mount(...args: string[]): void {
  const { success, stderr } = new Deno.Command("mount", { args }).outputSync();
  if (!success) throw new Error(`mount ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
