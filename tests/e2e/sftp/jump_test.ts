import assert from "node:assert/strict";
import { call, client, login, loginFails, makeHome } from "../../support/ssh_client.ts";
import { type Sshd, startSshd } from "../../support/servers/sftp.ts";
import { serverTest } from "../../support/servers/install.ts";

const server = "sftp";

/** A home whose config reaches `inner` through `outer`; both keys are known and both logins are named there. */
async function traveller(outer: Sshd, inner: Sshd, knownHosts?: string): Promise<{ home: string } & AsyncDisposable> {
  const block = (name: string, sshd: Sshd, more: string) =>
    `Host ${name}\n HostName 127.0.0.1\n Port ${sshd.port}\n User ${sshd.user}\n IdentityFile ${sshd.privateKeyPath}\n${more}`;
  const both = await Promise.all([outer, inner].map((sshd) => Deno.readTextFile(sshd.knownHosts)));
  return await makeHome({
    config: block("gate", outer, "") + block("inner", inner, " ProxyJump gate\n"),
    known_hosts: knownHosts ?? both.join(""),
  });
}

/** A user who knows nothing but the name "inner". */
function guest(inner: Sshd, { home }: { readonly home: string }, secrets: Readonly<Record<string, string>> = {}) {
  const address = { scheme: "sftp", host: "inner", path: "", pins: [] };
  return { ...client({ ...inner, home }, { secrets }), address };
}

serverTest("connectSftp() goes through a jump host, over one login there for several links", { server }, async () => {
  await using outer = await startSshd();
  await using inner = await startSshd();
  await using ann = await traveller(outer, inner);
  const connector = await login(guest(inner, ann), 0);
  assert.equal(connector.peer, inner.fingerprint);
  const links = await Promise.all([1, 2, 3].map(() => connector.connect(call)));
  assert.equal((await outer.log()).match(/^Accepted publickey/gm)?.length, 1);
  assert.equal((await inner.log()).match(/^Accepted publickey/gm)?.length, 3);
  for (const link of links) await link[Symbol.asyncDispose]();
  await using again = await connector.connect(call);
  assert.equal(again.closed.aborted, false);
  assert.equal((await outer.log()).match(/^Accepted publickey/gm)?.length, 2);
});

serverTest("connectSftp() goes through two jump hosts in a row", { server }, async () => {
  await using first = await startSshd({ requestLog: false });
  await using second = await startSshd({ requestLog: false });
  await using inner = await startSshd();
  await using ann = await traveller(first, inner, "");
  const hop = (sshd: Sshd) => `${sshd.user}@127.0.0.1:${sshd.port}`;
  const config =
    `Match host 127.0.0.1\n IdentityFile ${first.privateKeyPath}\n IdentityFile ${second.privateKeyPath}\n` +
    ` IdentityFile ${inner.privateKeyPath}\nHost inner\n HostName 127.0.0.1\n Port ${inner.port}\n User ${inner.user}\n` +
    ` IdentityFile ${inner.privateKeyPath}\n ProxyJump ${hop(first)},${hop(second)}\n`;
  await Deno.writeTextFile(`${ann.home}/.ssh/config`, config);
  const known = await Promise.all([first, second, inner].map((sshd) => Deno.readTextFile(sshd.knownHosts)));
  await Deno.writeTextFile(`${ann.home}/.ssh/known_hosts`, known.join(""));
  await login(guest(inner, ann), 2);
  assert.match(await second.log(), /Accepted publickey/);
});

serverTest("connectSftp() checks a jump host under its own name, before the server behind it", { server }, async () => {
  await using outer = await startSshd();
  await using inner = await startSshd();
  await using ann = await traveller(outer, inner, await Deno.readTextFile(inner.knownHosts));
  const error = await loginFails(guest(inner, ann), "hostKey");
  assert.match(error.message, /host key of gate is not known/);
  assert.ok(error.message.includes(outer.fingerprint));
  assert.equal((await inner.log()).match(/^Connection from/gm), null);
});

serverTest("connectSftp() keeps the server's pin and password from its jump host", { server }, async () => {
  await using outer = await startSshd();
  await using inner = await startSshd();
  await using ann = await traveller(outer, inner);
  await Deno.writeTextFile(outer.authorizedKeys, "");
  const target = guest(inner, ann, { password: "secret", SshPrivateKeyPassphrase: "secret" });
  const error = await loginFails({ ...target, options: { SshHostKeyFingerprint: inner.fingerprint } }, "auth");
  assert.match(error.message, /@gate/);
  assert.deepEqual(target.fetched, []);
});

serverTest("connectSftp() refuses jump hosts that lead in a circle", { server }, async () => {
  await using outer = await startSshd();
  await using ann = await makeHome({ config: "Host inner\n ProxyJump gate\nHost gate\n ProxyJump inner\n" });
  const error = await loginFails(guest(outer, ann), "badInput");
  assert.match(error.message, /ProxyJump/);
});
