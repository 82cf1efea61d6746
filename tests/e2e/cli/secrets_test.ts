import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { findSecret, readEverything, secretCanary } from "../../support/secret_leaks.ts";
import { assertCode, assertSame, fill, type SftpPair, startSftpPair } from "../../support/targets/sftp_pair.ts";
import { serverTest } from "../../support/servers/install.ts";
import { type RunResult, tandem } from "../../support/tandem.ts";

/** Only root can make the system user whose password sshd compares. */
const options = { server: "sftp", ignore: Deno.uid() !== 0 };

interface Given {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** In front of the host: empty, or a password. */
  readonly userInfo: string;
}

/** The ways a password is given; each has its file where it needs one. */
const ways: Readonly<Record<string, (file: string) => Given>> = {
  "-Password": () => ({ words: ["-Password", secretCanary], env: {}, userInfo: "" }),
  "-PasswordFile": (file) => ({ words: ["-PasswordFile", file], env: {}, userInfo: "" }),
  "TANDEM_PASSWORD": () => ({ words: [], env: { TANDEM_PASSWORD: secretCanary }, userInfo: "" }),
  "the address": () => ({ words: [], env: {}, userInfo: `:${encodeURIComponent(secretCanary)}` }),
};

function assertSecret(ran: RunResult, what: string): void {
  for (const [stream, text] of [["stdout", ran.stdout], ["stderr", ran.stderr]] as const) {
    assert.equal(findSecret(text), undefined, `${what}, ${stream}: ${text}`);
  }
}

/** A pair whose server knows the password, and whose user has no key. */
async function startWith(password: string): Promise<SftpPair> {
  const pair = await startSftpPair({ password });
  await Deno.remove(pair.sshd.privateKeyPath);
  await fill(pair.local, { "a": "1", "dir/b": "2" });
  return pair;
}

async function giveOn(pair: SftpPair, way: string) {
  const file = `${pair.sshd.dir}/password`;
  await Deno.writeTextFile(file, `${secretCanary}\n`);
  const { words, env, userInfo } = ways[way]?.(file) ?? assert.fail(way);
  const { user, port, root } = pair.sshd;
  return { words, env, address: `sftp://${user}${userInfo}@127.0.0.1:${port}${root}` };
}

Deno.test("canaryIn() finds the canary in every disguise, and nothing else", () => {
  const bytes = Buffer.from(`user:${secretCanary}`);
  const disguises = [
    ...[secretCanary, JSON.stringify(secretCanary), encodeURIComponent(secretCanary), secretCanary.toUpperCase()],
    ...[
      bytes.toString("base64"),
      bytes.toString("base64url"),
      bytes.subarray(1).toString("base64"),
      bytes.toString("hex"),
    ],
    Buffer.from(secretCanary, "utf16le").toString("latin1"),
  ];
  for (const text of disguises) assert.notEqual(findSecret(`before ${text} after`), undefined, text);
  assert.equal(findSecret("Kanarienhahn ***"), undefined);
});

for (const way of Object.keys(ways)) {
  serverTest(
    `A password by ${way} logs in and appears in no output, no ticket and no file of the program`,
    options,
    async () => {
      await using pair = await startWith(secretCanary);
      const { words, env, address } = await giveOn(pair, way);
      for (const format of ["Auto", "Text", "Json", "JsonLines"]) {
        const sync = ["Sync-Path", pair.local, address, "-Mode", "Remote", "-Verbose", ...words];
        const ran = await pair.run(["-OutputFormat", format, ...sync], { env });
        assertCode(ran, 0);
        assertSecret(ran, format);
      }
      assertSame(pair);
      const ticket = await pair.run(["New-Session", address, ...words], { env });
      assertCode(ticket, 0);
      assert.ok("Secret" in (ticket.objects()[0] ?? {}), "the password travels, sealed");
      assertSecret(ticket, "ticket");
      const used = await pair.run(["Compare-Path", pair.local, pair.sshd.root, "-Mode", "Remote", "-Verbose"], {
        stdin: ticket.stdout,
      });
      assertCode(used, 0);
      assertSecret(used, "the next process");
      assert.equal(findSecret(await readEverything(pair.sshd.home)), undefined);
    },
  );

  serverTest(
    `A password by ${way} appears in no message of a login, a server or a run that fails`,
    options,
    async () => {
      await using pair = await startWith("another one");
      const { words, env, address } = await giveOn(pair, way);
      const sync = (target: string, ...more: string[]) =>
        pair.run(
          ["Sync-Path", pair.local, target, "-Mode", "Remote", "-Verbose", "-Timeout", "5s", ...more, ...words],
          {
            env,
          },
        );
      const wrong = await sync(address);
      assertCode(wrong, 4);
      assertSecret(wrong, "wrong password");
      const unknown = await sync(address, "-SshHostKeyFingerprint", `SHA256:${"A".repeat(43)}`);
      assertCode(unknown, 4);
      assertSecret(unknown, "wrong host key");
      const nobody = await sync(address.replace(`:${pair.sshd.port}`, ":1"));
      assertCode(nobody, 4);
      assertSecret(nobody, "nobody listens");
      for (const more of [["-Mode", "Both"], ["-Nonsense"], [secretCanary], ["-Timeout", "soon"], ["-Mirror:maybe"]]) {
        const usage = await sync(address, ...more);
        assertCode(usage, 2);
        if (!more.includes(secretCanary)) assertSecret(usage, more.join(" "));
      }
      assert.equal(findSecret(await readEverything(pair.sshd.home)), undefined);
      assert.deepEqual(await pair.sshd.mutations(), []);
    },
  );
}

const core = "Kanarienvogel";
const mistaken: readonly (readonly string[])[] = [
  ["New-Session", `sftp://u:${core}@/x@h/`],
  ["New-Session", `sftp://u:${core}@h/a%ZZ`],
  ["New-Session", `sftp://u:${core}@h:99999/`],
  ["New-Session", `sftp://u:${core};x-name=1@h/`],
  ["New-Session", `sftp://u:${core}%ZZ@h/`],
  ["New-Session", `sftp://u:${core}@[::1/`],
  ["New-Session", `sfpt://u:${core}@h/`],
  ["New-Session", `sftp:u:${core}@h`],
  ["New-Session", `u:${core}@h`],
  ["New-Session", "-HostName", `u:${core}@127.0.0.1`],
  ["New-Session", "-HostName", `sftp://u:${core}@127.0.0.1`],
  ["New-Session", `sftp://u:${core}@h/`, "-UserName", "x"],
  ["New-Session", "sftp://u@h/", "-Passwort", core],
  ["New-Session", "sftp://u@h/", "-Pass", core],
  ["New-Session", "sftp://u@h/", "-Password", core, core],
  ["New-Session", "sftp://u@h/", "-SshPrivateKeyPassphrase", core, core],
  ["Sync-Path", ".", `u:${core}@h:/path`, "-Mode", "Remote"],
  ["Sync-Path", `sftp://u:${core}@h/`, ".", "-Mode", "Remote"],
  ["Sync-Path", ".", "sftp://u@h/", "-Mode", `sftp://u:${core}@h/`],
  ["-Command", `New-Session sftp://h -Password '${core}`],
  ["-Command", `New-Session sftp://h -Password ${core} ${core}`],
  ["-Command", `New-Session sftp://h -Password @{a='${core}'}`],
  ["-Command", `New-Session sftp://u:${core}@h/%ZZ | Sync-Path . /x -Mode Remote`],
  ["-Command", `$c = Get-Credential u -Password ${core}; $c; "$c"; New-Session $c`],
  ["-Command", `$c = Get-Credential u -Password ${core}; Sync-Path $c /x -Mode Remote`],
];

Deno.test("A command line that is wrong shows none of its secrets", async () => {
  for (const words of mistaken) {
    const ran = await tandem(words);
    assert.equal(ran.code, 2, `${words.join(" ")}: ${ran.stderr}`);
    assertSecret(ran, words.join(" "));
  }
});

serverTest("A run gives no process of its own the password, neither as an argument nor as a variable", {
  ...options,
  ignore: options.ignore || Deno.build.os !== "linux",
}, async () => {
  await using pair = await startWith(secretCanary);
  const { words } = await giveOn(pair, "-PasswordFile");
  const running = pair.start(`-Mode Remote ${words.join(" ")} -Connections 4`);
  const seen: string[] = [];
  let isOver = false;
  const ended = running.output().finally(() => isOver = true);
  while (!isOver) {
    seen.push(await Deno.readTextFile(`/proc/${running.pid}/cmdline`).catch(() => ""));
    const children = await Deno.readTextFile(`/proc/${running.pid}/task/${running.pid}/children`).catch(() => "");
    for (const id of children.split(" ").filter((word) => word !== "")) {
      seen.push(await Deno.readTextFile(`/proc/${id}/cmdline`).catch(() => ""));
      seen.push(await Deno.readTextFile(`/proc/${id}/environ`).catch(() => ""));
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await ended).code, 0);
  assert.ok(seen.some((text) => text.includes("Sync-Path")));
  assert.equal(findSecret(seen.join("\n")), undefined);
});
