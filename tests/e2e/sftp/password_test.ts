import assert from "node:assert/strict";
import { join } from "node:path";
import { call, client, type ClientOptions, login, loginFails, makeHome } from "../../support/ssh_client.ts";
import { startPrompting } from "../../support/servers/prompting.ts";
import { makeKey, startSshd } from "../../support/servers/sftp.ts";
import { serverTest } from "../../support/servers/install.ts";

const password = "correct horse battery";
const anyKey = { SshHostKeyPolicy: "GiveUpSecurityAndAcceptAny", SshConfigFile: "none", SshAgent: "none" };
const ignore = Deno.build.os !== "linux" || Deno.uid() !== 0;
const asRoot = { server: "sftp", ignore };
const home = "/nonexistent";

function given(secret: string, more: ClientOptions = {}): ClientOptions {
  return { options: anyKey, secrets: { password: secret }, ...more };
}

serverTest("connectSftp() logs in with a given password, on further links too", asRoot, async () => {
  await using sshd = await startSshd({ password });
  await using nobody = await makeHome();
  const ann = client({ ...sshd, ...nobody }, given(password));
  await login(ann, 3);
  assert.deepEqual(ann.questions, []);
  assert.ok(!JSON.stringify(ann.warnings).includes(password));
});

serverTest("connectSftp() tries a given password before keys that nobody asked for", asRoot, async () => {
  await using sshd = await startSshd({ password, config: ["MaxAuthTries 2"] });
  await using stranger = await makeHome();
  for (const name of ["id_ed25519", "id_ecdsa"]) await makeKey(join(stranger.home, ".ssh", name), name.slice(3));
  await login(client({ ...sshd, ...stranger }, given(password)));
  assert.equal((await sshd.log()).match(/^Failed publickey/gm), null);
});

serverTest("connectSftp() sends a wrong password once, and never tells it", asRoot, async () => {
  await using sshd = await startSshd({ password });
  await using nobody = await makeHome();
  const error = await loginFails(client({ ...sshd, ...nobody }, given("wrong horse")), "auth");
  assert.equal((await sshd.log()).match(/^Failed password/gm)?.length, 1);
  assert.match(error.message, /refused the given password/);
  assert.ok(!error.message.includes("wrong horse"));
});

serverTest("connectSftp() leaves the password alone where the named key fits", asRoot, async () => {
  await using sshd = await startSshd({ password });
  const options = { ...anyKey, SshPrivateKeyPath: sshd.privateKeyPath };
  const ann = client(sshd, { options, secrets: { password } });
  await login(ann);
  assert.deepEqual(ann.fetched, []);
});

serverTest("connectSftp() asks for a password up to three times, and hands the right one on", asRoot, async () => {
  await using sshd = await startSshd({ password });
  await using nobody = await makeHome();
  const answers = ["wrong", password];
  const ann = client({ ...sshd, ...nobody }, { options: anyKey, ask: () => answers.shift() });
  await login(ann, 2);
  assert.equal(ann.questions.length, 2);
  assert.ok(ann.questions[0]?.includes(`${sshd.user}@127.0.0.1`));
  assert.deepEqual([...ann.kept], [["password", password]]);
});

serverTest("connectSftp() gives both factors that a server wants", asRoot, async () => {
  await using sshd = await startSshd({ password, config: ["AuthenticationMethods publickey,password"] });
  await login(client(sshd, given(password)), 2);
});

serverTest("connectSftp() logs in where there is no shell and no view beyond a folder", asRoot, async () => {
  await using sshd = await startSshd({ password, chroot: true });
  await using nobody = await makeHome();
  const connector = await login(client({ ...sshd, ...nobody }, given(password)), 0);
  await using link = await connector.connect(call);
  await link.sftp(call);
});

Deno.test("connectSftp() gives the password to a server that asks for it by keyboard-interactive", async () => {
  await using asking = await startPrompting({ rounds: [{ prompts: [{ prompt: "Password: ", answer: password }] }] });
  const ann = client({ ...asking, home }, given(password));
  await login(ann, 2);
  assert.deepEqual([ann.questions, asking.tried.length], [[], 2]);
});

Deno.test("connectSftp() sends a wrong password by one of two methods only", async () => {
  const rounds = [{ prompts: [{ prompt: "Password: ", answer: password }] }];
  await using asking = await startPrompting({ rounds, password });
  await loginFails(client({ ...asking, home }, given("wrong")), "auth");
  assert.deepEqual(asking.tried, ["password wrong"]);
});

Deno.test("connectSftp() asks a person for a one-time code, without what could steer the terminal", async () => {
  const code = { prompt: "\u001b[2JVerification code: ", echo: true, answer: "123456" };
  const rounds = [{ prompts: [{ prompt: "Password: ", answer: password }] }, { title: "Bank", prompts: [code] }];
  await using asking = await startPrompting({ rounds });
  const ann = client({ ...asking, home }, { ...given(password), ask: () => "123456" });
  const connector = await login(ann, 1);
  assert.deepEqual(ann.questions, ["(ann@127.0.0.1) Bank  [2JVerification code:"]);
  assert.deepEqual([...ann.kept], []);
  await assert.rejects(async () => await connector.connect(call), /one-time code/);
  assert.deepEqual(asking.tried, [`answers ${password}`, "answers 123456"]);
});

Deno.test("connectSftp() ends with the server's question where nobody can answer", async () => {
  await using asking = await startPrompting({ rounds: [{ prompts: [{ prompt: "Token code: ", answer: "1" }] }] });
  const error = await loginFails(client({ ...asking, home }, given(password)), "auth");
  assert.match(error.message, /asks "Token code:" and there is no terminal/);
  assert.deepEqual(asking.tried, []);
});

Deno.test("connectSftp() gives a password and then a code where both are wanted", async () => {
  const rounds = [{ prompts: [{ prompt: "OTP: ", answer: "7" }] }];
  await using asking = await startPrompting({ rounds, password, all: true });
  await login(client({ ...asking, home }, { ...given(password), ask: () => "7" }), 1);
  assert.deepEqual(asking.tried, [`password ${password}`, "answers 7"]);
});

Deno.test("connectSftp() needs a user from somewhere", async () => {
  const ann = client({ host: "127.0.0.1", port: 1, user: "", home }, { options: anyKey });
  const { user: _, ...address } = ann.address;
  const error = await loginFails({ ...ann, address }, "badInput");
  assert.match(error.message, /-UserName/);
});
