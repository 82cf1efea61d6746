import assert from "node:assert/strict";
import { parseJumps, resolveSshConfig } from "../../../lib/ssh/config.ts";
import { type ConfigFiles, loadSshConfig } from "../../../lib/ssh/config_parser.ts";
import { SyncError } from "../../../lib/core/errors.ts";

const home = "/home/ann";

function files(texts: Readonly<Record<string, string>>): ConfigFiles {
  return {
    home,
    read: (path) => Promise.resolve(texts[path]),
    list: (dir) =>
      Promise.resolve(
        Object.keys(texts).filter((path) => path.startsWith(`${dir}/`)).map((path) => path.slice(dir.length + 1)),
      ),
  };
}

interface Asked {
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
}

async function settings(config: string, asked: Asked, more: Readonly<Record<string, string>> = {}) {
  const lines = await loadSshConfig(`${home}/.ssh/config`, files({ [`${home}/.ssh/config`]: config, ...more }));
  const env = (name: string) => ({ AGENT: "/run/agent.sock", KEYS: "/keys" })[name];
  return resolveSshConfig(lines, { ...asked, localUser: "ann", home, env });
}

Deno.test("resolveSshConfig() gives ssh's defaults where nothing is configured", async () => {
  const found = await settings("", { host: "web1" });
  assert.deepEqual([found.hostName, found.user, found.port], ["web1", "ann", 22]);
  assert.equal(found.identityFiles, undefined);
  assert.deepEqual([found.proxyJump, found.notes, found.disabledMethods], [[], [], []]);
});

Deno.test("resolveSshConfig() follows an alias, and the first value of a keyword counts", async () => {
  const config = `
Host web1 web2   # two of them
  HostName %h.example.com
  User deploy
  Port 2222
Host *
  User nobody
  Port 22
  ServerAliveInterval 1m30s
  ConnectTimeout 7`;
  const found = await settings(config, { host: "web1" });
  assert.deepEqual([found.hostName, found.user, found.port], ["web1.example.com", "deploy", 2222]);
  assert.deepEqual([found.keepAlive, found.connectTimeout], [90_000, 7_000]);
  assert.equal((await settings(config, { host: "web3" })).user, "nobody");
});

Deno.test("resolveSshConfig() lets the address's user and port beat the configuration", async () => {
  const found = await settings("Host *\n User deploy\n Port 2222\n", { host: "web1", user: "bob", port: 22 });
  assert.deepEqual([found.user, found.port], ["bob", 22]);
});

Deno.test("resolveSshConfig() adds up identity files and fills in home, tokens and variables", async () => {
  const config = `
Host web1
  IdentityFile ~/.ssh/%r_%h
  IdentityFile "\${KEYS}/my key"
  IdentitiesOnly yes
  IdentityAgent $AGENT
  User deploy
  UserKnownHostsFile ~/a "~/b c"
  GlobalKnownHostsFile none
  HostKeyAlias farm
  HashKnownHosts yes
IdentityFile %d/%%last`;
  const found = await settings(config, { host: "web1" });
  assert.deepEqual(found.identityFiles, ["/home/ann/.ssh/deploy_web1", "/keys/my key", "/home/ann/%last"]);
  assert.deepEqual([found.identitiesOnly, found.identityAgent], [true, "/run/agent.sock"]);
  assert.deepEqual(found.userKnownHosts, ["/home/ann/a", "/home/ann/b c"]);
  assert.deepEqual(found.globalKnownHosts, []);
  assert.deepEqual([found.hostKeyAlias, found.hashKnownHosts], ["farm", true]);
});

Deno.test("resolveSshConfig() leaves a block alone whose negated pattern fits", async () => {
  const config = "Host * !web2\n  User deploy\n";
  assert.equal((await settings(config, { host: "web1" })).user, "deploy");
  assert.equal((await settings(config, { host: "web2" })).user, "ann");
});

Deno.test("resolveSshConfig() knows Match all, host, originalhost, user, localuser and their negation", async () => {
  const config = `
Host web1
  HostName web1.example.com
Match host *.example.com user deploy
  Port 2201
Match originalhost web2 !localuser bob
  Port 2202
Match all
  IdentityFile ~/k
`;
  assert.equal((await settings(config, { host: "web1", user: "deploy" })).port, 2201);
  assert.equal((await settings(config, { host: "web1" })).port, 22);
  assert.equal((await settings(config, { host: "web2" })).port, 2202);
  assert.deepEqual((await settings(config, { host: "web9" })).identityFiles, ["/home/ann/k"]);
});

Deno.test("resolveSshConfig() never runs Match exec, and says so where it would matter", async () => {
  const marker = await Deno.makeTempFile();
  try {
    const config = `Match host web1 exec "echo ran > ${marker}"\n  User evil\n`;
    const found = await settings(config, { host: "web1" });
    assert.equal(found.user, "ann");
    assert.equal(found.notes.length, 1);
    assert.match(found.notes[0] ?? "", /Match exec/);
    assert.deepEqual((await settings(config, { host: "web2" })).notes, []);
    assert.equal(await Deno.readTextFile(marker), "");
  } finally {
    await Deno.remove(marker);
  }
});

Deno.test("resolveSshConfig() takes whichever of ProxyJump and ProxyCommand comes first", async () => {
  const jump = await settings("Host *\n ProxyJump a,b:2222\n ProxyCommand nc %h %p\n", { host: "web1" });
  assert.deepEqual([jump.proxyJump.length, jump.proxyCommand], [2, undefined]);
  const command = await settings("Host *\n ProxyCommand nc %h %p\n ProxyJump a\n", { host: "web1" });
  assert.deepEqual([command.proxyJump.length, command.proxyCommand], [0, "nc %h %p"]);
  const none = await settings("Host web1\n ProxyCommand none\nHost *\n ProxyJump a\n", { host: "web1" });
  assert.deepEqual([none.proxyJump.length, none.proxyCommand], [0, undefined]);
});

Deno.test("resolveSshConfig() notes the methods that are switched off", async () => {
  const found = await settings("PubkeyAuthentication no\nPasswordAuthentication NO\n", { host: "web1" });
  assert.deepEqual(found.disabledMethods, ["publickey", "password"]);
});

Deno.test("resolveSshConfig() has no say about StrictHostKeyChecking", async () => {
  const found = await settings("Host *\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n", { host: "web1" });
  assert.ok(!JSON.stringify(found).toLowerCase().includes("strict"));
  assert.deepEqual(found.userKnownHosts, ["/dev/null"]);
});

Deno.test("resolveSshConfig() reads times with and without units, and passes over what is none, however long", async () => {
  const times: Readonly<Record<string, number | undefined>> = {
    "5": 5_000,
    "1m30s": 90_000,
    "1h30": 3_630_000,
    "2M": 120_000,
    "0": undefined,
    "m": undefined,
    "1x": undefined,
    [`${"9".repeat(40)}x`]: undefined,
  };
  for (const [text, ms] of Object.entries(times)) {
    const { connectTimeout } = await settings(`ConnectTimeout ${text}\n`, { host: "web1" });
    assert.equal(connectTimeout, ms, text);
  }
});

Deno.test("resolveSshConfig() refuses a port that is none", async () => {
  await assert.rejects(settings("Port 70000\n", { host: "web1" }), isBadInput);
});

Deno.test("loadSshConfig() takes in included files where they stand, under the Host around them", async () => {
  const config = "Host web1\n  Include inc/one\nInclude ~/.ssh/inc/*.conf\n";
  const more = {
    [`${home}/.ssh/inc/one`]: "User deploy\n",
    [`${home}/.ssh/inc/b.conf`]: "Host web2\n  Port 2202\nHost *\n  Port 2200\n",
    [`${home}/.ssh/inc/a.conf`]: "Host web2\n  Port 2201\n  Include inc/one\n",
    [`${home}/.ssh/inc/.hidden.conf`]: "User hidden\n",
  };
  assert.deepEqual(pick(await settings(config, { host: "web1" }, more)), ["deploy", 2200]);
  assert.deepEqual(pick(await settings(config, { host: "web3" }, more)), ["ann", 22]);
});

Deno.test("loadSshConfig() reads the files of a pattern in order of name, from the first file's folder", async () => {
  const more = {
    [`${home}/.ssh/inc/b.conf`]: "Host web2\n  Port 2202\nHost *\n  Port 2200\n",
    [`${home}/.ssh/inc/a.conf`]: "Host web2\n  Port 2201\n  Include inc/one\n",
    [`${home}/.ssh/inc/one`]: "User deploy\n",
  };
  const config = "Include inc/*.conf absent/*\n";
  assert.deepEqual(pick(await settings(config, { host: "web2" }, more)), ["deploy", 2201]);
  assert.deepEqual(pick(await settings(config, { host: "web3" }, more)), ["ann", 2200]);
});

Deno.test("loadSshConfig() refuses files that include themselves", async () => {
  await assert.rejects(settings("Include config\n", { host: "web1" }), isBadInput);
});

Deno.test("loadSshConfig() reads no file again and again that includes itself several times, itself or by another", async () => {
  let reads = 0;
  const text: Readonly<Record<string, string>> = {
    "/etc/ssh/config": "Include config config other other\n",
    "/etc/ssh/other": "Include third third third\n",
    "/etc/ssh/third": "Include other config\n",
  };
  const files: ConfigFiles = {
    home: undefined,
    read(path) {
      reads += 1;
      return Promise.resolve(text[path]);
    },
    list: () => Promise.resolve([]),
  };
  await assert.rejects(loadSshConfig("/etc/ssh/config", files), isBadInput);
  assert.ok(reads < 20, `${reads} reads`);
});

for (const text of ['Host "web1\n', "Host\nUser x\n", "Match host\n", 'IdentityFile "~/a\n']) {
  Deno.test(`loadSshConfig() refuses ${JSON.stringify(text)}, naming the file`, async () => {
    await assert.rejects(settings(text, { host: "web1" }), (error) => {
      assert.ok(isBadInput(error));
      assert.match(String(error), /\/home\/ann\/\.ssh\/config/);
      return true;
    });
  });
}

Deno.test("parseJumps() reads users, ports, IPv6 and addresses", () => {
  assert.deepEqual(parseJumps("a, bob@b.example:2222,[2001:db8::1]:22,ssh://c@d:23"), [
    { host: "a" },
    { user: "bob", host: "b.example", port: 2222 },
    { host: "2001:db8::1", port: 22 },
    { user: "c", host: "d", port: 23 },
  ]);
  assert.deepEqual(parseJumps("none"), []);
});

Deno.test("parseJumps() refuses what is no host", () => {
  assert.throws(() => parseJumps("a,,b"), isBadInput);
  assert.throws(() => parseJumps("a b"), isBadInput);
});

function pick({ user, port }: { readonly user: string; readonly port: number }): [string, number] {
  return [user, port];
}

function isBadInput(error: unknown): boolean {
  return error instanceof SyncError && error.kind === "badInput";
}

Deno.test("loadSshConfig() splits arguments as ssh does: both quotes, backslashes, and # at the start of a word only", async () => {
  const config = `
Host "web1" # web2
  User 'o"ne'
  IdentityFile /k/a\\ b
  IdentityFile "/k/#1"   # a comment
  IdentityFile '/k/it is'
  HostKeyAlias farm#2
User = in"si"de
`;
  const found = await settings(config, { host: "web1" });
  assert.deepEqual(found.identityFiles, ["/k/a b", "/k/#1", "/k/it is"]);
  assert.deepEqual([found.user, found.hostKeyAlias], [`o"ne`, "farm#2"]);
  assert.equal((await settings(config, { host: "web2" })).user, "ann");
});

Deno.test("resolveSshConfig() compares the patterns of Host with regard to case, those of Match without, as ssh does", async () => {
  const config = "Host WEB1\n  Port 2201\nMatch originalhost WEB1\n  User deploy\n";
  assert.deepEqual(pick(await settings(config, { host: "web1" })), ["deploy", 22]);
  const upper = await settings(`HostKeyAlias Farm\n${config}`, { host: "WEB1" });
  assert.deepEqual([upper.port, upper.hostName, upper.hostKeyAlias], [2201, "web1", "farm"]);
});

Deno.test("resolveSshConfig() lists an identity file once, however often it is named", async () => {
  const found = await settings("Host web1\n IdentityFile ~/a\nHost *\n IdentityFile ~/b\n IdentityFile ~/a\n", {
    host: "web1",
  });
  assert.deepEqual(found.identityFiles, ["/home/ann/a", "/home/ann/b"]);
});

Deno.test("resolveSshConfig() lets a ProxyCommand count behind ProxyJump none", async () => {
  const found = await settings("ProxyJump none\nProxyCommand nc %h %p\n", { host: "web1" });
  assert.deepEqual([found.proxyJump, found.proxyCommand], [[], "nc %h %p"]);
});

for (const text of ["HostName a b\n", "IdentityFile ~/a ~/b\n", 'User ""\n']) {
  Deno.test(`resolveSshConfig() refuses ${JSON.stringify(text)}, naming the line`, async () => {
    await assert.rejects(settings(text, { host: "web1" }), (error) => {
      assert.ok(isBadInput(error));
      assert.match(String(error), /"\/home\/ann\/\.ssh\/config" line 1/);
      return true;
    });
  });
}

Deno.test("resolveSshConfig() names what only the system's ssh follows", async () => {
  const config =
    "Match exec true\n User other\nHost web1\n ProxyCommand nc %h %p\n CertificateFile ~/c\n PKCS11Provider /p\n";
  const found = await settings(config, { host: "web1" });
  assert.deepEqual(found.sshOnly, ["ProxyCommand", "CertificateFile", "PKCS11Provider", "Match exec"]);
  const usual =
    "ProxyCommand none\nCertificateFile none\nSecurityKeyProvider internal\nGSSAPIAuthentication yes\nMatch final all\n User x\n";
  assert.deepEqual((await settings(usual, { host: "web1" })).sshOnly, []);
});
