import assert from "node:assert/strict";
import { asksForPassword, type GivenAnswers, keyboardInteractive } from "../../../lib/ssh/keyboard_interactive.ts";

for (
  const prompt of [
    "Password: ",
    "ann@new.code's password:",
    "token's password: ",
    "Kennwort für ann:",
    "Passwort:",
    "Mot de passe :",
    "密码：",
  ]
) {
  Deno.test(`asksForPassword() takes "${prompt}" for the password`, () => assert.equal(asksForPassword(prompt), true));
}

for (
  const prompt of [
    "One-time password (OATH) for `ann': ",
    "OTP: ",
    "Verification code: ",
    "Passcode or option (1-3): ",
    "New password: ",
    "Current password: ",
    "PIN for token: ",
    "Is that right?",
  ]
) {
  Deno.test(`asksForPassword() leaves "${prompt}" to a person`, () => assert.equal(asksForPassword(prompt), false));
}

interface Heard {
  readonly said: GivenAnswers;
  readonly questions: string[];
  answer(...prompts: readonly (readonly [string, boolean])[]): Promise<readonly string[]>;
}

function hear(password: string | undefined, answers: readonly (string | undefined)[]): Heard {
  const said: GivenAnswers = { password: undefined, hasOneTimeCode: false };
  const questions: string[] = [];
  const login = keyboardInteractive({
    account: "ann@web1",
    password,
    prompt: (prompt) => Promise.resolve(answers[questions.push(prompt) - 1]),
    noAnswerError: (question) => new Error(`open: ${question}`),
  }, said);
  assert.ok(login.method === "keyboard-interactive");
  return {
    said,
    questions,
    answer: (...prompts) => login.answer("", "", prompts.map(([prompt, echo]) => ({ prompt, echo }))),
  };
}

Deno.test("interactiveLogin() gives a password once, then asks", async () => {
  const heard = hear("secret", ["typed"]);
  assert.deepEqual(await heard.answer(["Password: ", false]), ["secret"]);
  assert.deepEqual(await heard.answer(["Password: ", false]), ["typed"]);
  assert.deepEqual(heard.questions, ["(ann@web1) Password:"]);
});

Deno.test("interactiveLogin() never gives the password where it would be shown", async () => {
  const heard = hear("secret", ["shown"]);
  assert.deepEqual(await heard.answer(["Password: ", true]), ["shown"]);
  assert.deepEqual([heard.said.password, heard.said.hasOneTimeCode], [undefined, true]);
});

Deno.test("interactiveLogin() answers a round without questions", async () => {
  const heard = hear("secret", []);
  assert.deepEqual(await heard.answer(), []);
  assert.deepEqual(heard.said, { password: undefined, hasOneTimeCode: false });
});

Deno.test("interactiveLogin() rejects with the question that nobody answers", async () => {
  await assert.rejects(hear(undefined, []).answer(["Code: ", true]), /open: Code:/);
});

Deno.test("interactiveLogin() takes control characters and turned text out of a question, and cuts it", async () => {
  const heard = hear(undefined, ["x"]);
  await heard.answer([`\u009b2JCode\r\n\u202e: ${"a".repeat(1_000)}`, true]);
  assert.match(heard.questions[0] ?? "", /^\(ann@web1\) 2JCode : a{1,300}$/);
});
