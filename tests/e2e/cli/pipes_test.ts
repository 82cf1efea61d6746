import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  assertCode,
  assertSame,
  fill,
  readFolder,
  type SftpPair,
  startSftpPair,
} from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { bash, objectsOf } from "../../support/shell.ts";

/** Windows has other pipes, and no bash. */
const options = { server: "sftp", ignore: Deno.build.os === "windows" };

const tree = { "a": "1", "dir/b": "2" };

/** A pair with two files to upload, and a shell that stands beside its local folder. */
async function scene(): Promise<SftpPair & { sh(line: string): ReturnType<typeof bash> }> {
  const pair = await startSftpPair();
  await fill(pair.local, tree);
  const work = { home: pair.sshd.home, cwd: pair.sshd.dir };
  const env = { A: pair.address, R: pair.remote };
  return { ...pair, sh: (line) => bash(line, { ...work, env }) };
}

serverTest(
  "New-Session | Sync-Path | Close-Session carries a session through pipes of the system",
  options,
  async () => {
    await using pair = await scene();
    const two = await pair.sh('tandem New-Session "$A" | tandem Sync-Path local "$R" -Mode Remote');
    assert.deepEqual([two.codes, objectsOf(two.stdout)[0]?.UploadCount], [[0, 0], 2]);
    assertSame(pair);
    const three = await pair.sh('tandem New-Session "$A" | tandem Sync-Path local -Mode Both | tandem Close-Session');
    assert.deepEqual(three.codes, [0, 0, 0]);
    assert.equal(objectsOf(three.stdout)[0]?.Type, "SyncResult");
    const compared = await pair.sh('tandem New-Session "$A" | tandem Compare-Path local -Mode Local');
    assert.deepEqual(objectsOf(compared.stdout).map(({ Type }) => Type), ["Plan"]);
  },
);

serverTest(
  "Sync-Path -PassThru | Sync-Path works on two folders over one session, and both results come out",
  options,
  async () => {
    await using pair = await scene();
    await fill(pair.sshd.dir, { "more/c": "3" });
    const inShell = '-Command "New-Session $A | Sync-Path local $R/one -Mode Remote -PassThru | ' +
      'Sync-Path more $R/two -Mode Remote"';
    for (const line of [`tandem ${inShell}`]) {
      const ran = await pair.sh(line);
      assert.deepEqual(
        [ran.codes, objectsOf(ran.stdout).map(({ UploadCount }) => UploadCount)],
        [[0], [2, 1]],
        ran.stderr,
      );
    }
    assert.deepEqual(Object.keys(readFolder(pair.remote)).sort(), [
      "one/",
      "one/a",
      "one/dir/",
      "one/dir/b",
      "two/",
      "two/c",
    ]);
  },
);

serverTest(
  "A stage that fails is passed on as one error object, and with its exit code, by all behind it",
  options,
  async () => {
    await using pair = await scene();
    const line = "tandem Sync-Path local /x -Mode Remote | tandem Close-Session";
    for (const [first, code] of [["sftp://u@127.0.0.1:1/", 4], ["sftp://u@h/%ZZ", 2]] as const) {
      const ran = await pair.sh(`tandem New-Session ${first} | ${line}`);
      assert.deepEqual(ran.codes, [code, code, code]);
      const objects = objectsOf(ran.stdout);
      assert.deepEqual(objects.map(({ Type, ExitCode }) => [Type, ExitCode]), [["Error", code]]);
      assert.equal(ran.stderr.split(String(objects[0]?.Message)).length, 2, "it is said once");
    }
    await fill(pair.remote, { "x": "1" });
    const refused = await pair.sh(
      'tandem New-Session "$A" | tandem Sync-Path dir "$R" -Mode Local -Remove | tandem Close-Session',
    );
    assert.deepEqual([refused.codes.at(-1), refused.codes[1]], [0, 0]);
    const empty =
      'mkdir empty; tandem New-Session "$A" | tandem Sync-Path empty "$R" -Mode Remote -Remove | tandem Close-Session';
    assert.deepEqual((await pair.sh(empty)).codes, [0, 3, 3]);
    assert.deepEqual(readFolder(pair.remote), { "x": "1" });
  },
);

serverTest(
  "An empty pipe where a session was expected is exit 4, as when the command before was killed",
  options,
  async () => {
    await using pair = await scene();
    for (
      const last of [
        'tandem Sync-Path local "$R" -Mode Remote',
        "tandem Close-Session",
        'tandem Compare-Path local "$R" -Mode Both',
      ]
    ) {
      const ran = await pair.sh(`: | ${last}`);
      assert.equal(ran.codes.at(-1), 4, last);
      assert.match(ran.stderr, /came through the pipe/);
    }
    assert.deepEqual(await pair.sshd.mutations(), []);
  },
);

serverTest(
  "A session in a pipe is refused once it has expired, was changed, or is of another user",
  options,
  async () => {
    await using pair = await scene();
    const made = await pair.run(["New-Session", pair.address]);
    const brief = await pair.run(["New-Session", pair.address, "-SessionLifetime", "1ms"]);
    const [ticket] = made.objects();
    const address = ticket?.Address as Record<string, unknown>;
    const changed: Record<string, unknown>[] = [
      { ...ticket, Address: { ...address, HostName: "127.0.0.2" } },
      { ...ticket, Address: { ...address, PortNumber: 1 } },
      { ...ticket, Address: { ...address, UserName: "root2" } },
      { ...ticket, HostKey: `SHA256:${"A".repeat(43)}` },
      { ...ticket, HostKey: null },
      { ...ticket, Options: { SshHostKeyPolicy: "GiveUpSecurityAndAcceptAny" } },
      { ...ticket, Expires: "2999-01-01T00:00:00.000Z" },
      { ...ticket, Seal: "" },
    ];
    const sync = (stdin: string, home = pair.sshd.home) =>
      pair.run(["Sync-Path", pair.local, pair.remote, "-Mode", "Remote"], { stdin, home });
    for (const one of changed) {
      const ran = await sync(JSON.stringify(one));
      assert.ok([2, 4].includes(ran.code), `${JSON.stringify(one)}: ${ran.code} ${ran.stderr}`);
      assert.match(ran.stderr, /New-Session/);
    }
    const late = await sync(brief.stdout);
    assertCode(late, 4);
    assert.match(late.stderr, /expired/);
    const stranger = await sync(made.stdout, `${pair.sshd.dir}/stranger`);
    assertCode(stranger, 4);
    assert.deepEqual(await pair.sshd.mutations(), []);
    assertCode(await sync(made.stdout), 0);
  },
);

serverTest(
  "A session in a pipe pins the host key that was verified, whatever known hosts say later",
  options,
  async () => {
    const state = await Deno.makeTempDir({ prefix: "tandem-state-" });
    const env = { TANDEM_STATE: state };
    try {
      await using pair = await scene();
      const { port, knownHosts } = pair.sshd;
      const made = await pair.run(["New-Session", pair.address], { env });
      await Deno.remove(knownHosts);
      const words = ({ local, remote }: SftpPair) => ["Sync-Path", local, remote, "-Mode", "Remote"];
      assertCode(await pair.run(words(pair), { stdin: made.stdout, env }), 0);
      await pair.sshd[Symbol.asyncDispose]();
      await using other = await startSftpPair({ port });
      await fill(other.local, tree);
      const ran = await other.run(words(other), { stdin: made.stdout, env });
      assertCode(ran, 4);
      assert.match(ran.stderr, /SHA256:/);
      assert.deepEqual(await other.sshd.mutations(), []);
    } finally {
      await Deno.remove(state, { recursive: true });
    }
  },
);

serverTest(
  "Input is read as UTF-8 or UTF-16 with a byte order mark, with LF or CRLF and empty lines",
  options,
  async () => {
    await using pair = await scene();
    const { stdout } = await pair.run(["New-Session", pair.address]);
    const line = stdout.trim();
    const utf16be = Buffer.from(`\ufeff${line}\n`, "utf16le").swap16();
    const inputs: [string, Uint8Array, number][] = [
      ["UTF-8 with a mark, CRLF, empty lines", Buffer.from(`\ufeff\r\n${line}\r\n\r\n`), 0],
      ["UTF-16LE", Buffer.from(`\ufeff${line}\r\n`, "utf16le"), 0],
      ["UTF-16BE", utf16be, 0],
      ["no end of line", Buffer.from(line), 0],
      ["an array", Buffer.from(`[\n${line}\n]`), 0],
      ["UTF-16 without a mark", Buffer.from(line, "utf16le"), 2],
      ["text", Buffer.from("hello\n"), 2],
      ["another object", Buffer.from('{"Type":"Other"}\n'), 2],
      ["a broken line", Buffer.from(line.slice(0, -5)), 2],
    ];
    for (const [name, bytes, code] of inputs) {
      await Deno.writeFile(`${pair.sshd.dir}/input`, bytes);
      const ran = await pair.sh('tandem Sync-Path local "$R" -Mode Remote < input');
      assert.equal(ran.codes.at(-1), code, `${name}: ${ran.stderr}`);
      assert.ok(ran.stderr.trim().split("\n").length <= 3, ran.stderr);
    }
  },
);

serverTest("A reader that leaves early stops nothing", options, async () => {
  await using pair = await scene();
  await fill(pair.local, Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`many/${index}`, `${index}`])));
  const compared = await pair.sh('tandem Compare-Path local "$A" -Mode Remote | head -1');
  assert.deepEqual(compared.codes, [0, 0]);
  assert.doesNotMatch(compared.stderr, /error|pipe/i);
  const synced = await pair.sh('tandem -OutputFormat JsonLines Sync-Path local "$A" -Mode Remote | head -1');
  assert.deepEqual(synced.codes, [0, 0]);
  assertSame(pair);
  const gone = await pair.sh('tandem Sync-Path local "$A" -Mode Remote -Mirror | :');
  assert.equal(gone.codes[0], 0);
});

for (const closed of [">&-", "2>&-", "<&-", "<&- >&- 2>&-"]) {
  serverTest(`Sync-Path ${closed} does its work without the streams that are closed`, options, async () => {
    await using pair = await scene();
    const ran = await pair.sh(`tandem Sync-Path local "$A" -Mode Remote ${closed}`);
    assert.deepEqual(ran.codes, [0], ran.stderr);
    assertSame(pair);
  });
}

serverTest("A result that cannot be written is an error in one line and exit 1, though the work is done", {
  ...options,
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using pair = await scene();
  for (const format of ["Auto", "Text", "Json", "JsonLines"]) {
    const ran = await pair.sh(`tandem -OutputFormat ${format} Sync-Path local "$A" -Mode Remote > /dev/full`);
    assert.deepEqual(ran.codes, [1]);
    assert.match(ran.stderr, /Cannot write to standard output/);
    assert.doesNotMatch(ran.stderr, /Uncaught|\bat .*\.ts/);
  }
  assertSame(pair);
});

serverTest("-OutputFormat Text, Json and JsonLines tell the same run each in its way", options, async () => {
  await using pair = await scene();
  const texts: Record<string, string> = {};
  for (const format of ["Text", "Json", "JsonLines"]) {
    const ran = await pair.run([
      "-OutputFormat",
      format,
      "Sync-Path",
      pair.local,
      pair.address,
      "-Mode",
      "Remote",
      "-WhatIf",
    ]);
    assertCode(ran, 0);
    texts[format] = ran.stdout;
  }
  assert.match(texts["Text"] ?? "", /^Uploads {3}: \{.*a.*\}$/m);
  assert.match(texts["Text"] ?? "", /^IsSuccess : True$/m);
  const [result, ...rest] = JSON.parse(texts["Json"] ?? "");
  assert.deepEqual([result.Type, result.UploadCount, rest], ["SyncResult", 2, []]);
  const lines = objectsOf(texts["JsonLines"] ?? "");
  assert.deepEqual(lines.map(({ Type }) => Type), ["Upload", "Upload", "SyncResult"]);
  assert.equal("Uploads" in (lines.at(-1) ?? {}), false);
});
