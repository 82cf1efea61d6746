import assert from "node:assert/strict";
import process from "node:process";
import { type HelperQuestion, SshHelper } from "../../../../lib/ssh/system/helper.ts";

const ignore = Deno.build.os === "windows";

/** Runs the helper's program as ssh would. */
async function ask(
  program: string,
  text: string,
  env: Readonly<Record<string, string>> = {},
): Promise<[boolean, string]> {
  const { success, stdout } = await new Deno.Command(program, { args: [text], env, stdin: "null" }).output();
  return [success, new TextDecoder().decode(stdout)];
}

Deno.test({
  name: "SshHelper hands over questions and their answers, several at once",
  ignore,
  async fn() {
    await using helper = await SshHelper.create("");
    const asked: HelperQuestion[] = [];
    const stop = helper.serve((question) => {
      asked.push(question);
      return Promise.resolve(question.text === "refuse" ? undefined : `${question.text.length} \\n "$x" %s`);
    }, (error) => assert.fail(String(error)));
    const texts = ["one", "a longer\none", "refuse", ""];
    const answers = await Promise.all(texts.map((text) => ask(helper.askpass, text)));
    stop();
    assert.deepEqual(answers, [
      [true, `3 \\n "$x" %s\n`],
      [true, `12 \\n "$x" %s\n`],
      [false, "\n"],
      [true, `0 \\n "$x" %s\n`],
    ]);
    assert.deepEqual(asked.map(({ text }) => text).sort(), [...texts].sort());
    for (const question of asked) {
      assert.deepEqual([question.pid, question.kind, question.hint], [process.pid, "askpass", "secret"]);
    }
  },
});

Deno.test({
  name: "SshHelper refuses what is unanswered when it ends, and leaves no file",
  ignore,
  async fn() {
    const helper = await SshHelper.create("Host x\n");
    assert.equal(await Deno.readTextFile(helper.configFile), "Host x\n");
    assert.equal(((await Deno.stat(helper.askpass)).mode ?? 0) & 0o777, 0o700);
    const seen = Promise.withResolvers<void>();
    const stop = helper.serve(() => {
      seen.resolve();
      return new Promise(() => {});
    }, () => {});
    const answer = ask(helper.askpass, "Password: ");
    await seen.promise;
    stop();
    await helper[Symbol.asyncDispose]();
    assert.deepEqual(await answer, [false, "\n"]);
    await assert.rejects(Deno.stat(helper.configFile));
  },
});

Deno.test({
  name: "SshHelper shows a notice until ssh ends it",
  ignore,
  async fn() {
    await using helper = await SshHelper.create("");
    const seen = Promise.withResolvers<HelperQuestion>();
    const stop = helper.serve((question) => {
      seen.resolve(question);
      return Promise.resolve(undefined);
    }, (error) => assert.fail(String(error)));
    const env = { SSH_ASKPASS_PROMPT: "none" };
    const child = new Deno.Command(helper.askpass, { args: ["Confirm user presence"], env, stdin: "null" }).spawn();
    assert.equal((await seen.promise).hint, "none");
    stop();
    child.kill("SIGTERM");
    assert.equal((await child.status).success, false);
  },
});
