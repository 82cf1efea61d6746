import type { AuthMethod } from "./types.ts";

/** The sources of answers in a keyboard-interactive login. `prompt` returns undefined if there is no terminal. */
export interface AnswerSources {
  readonly account: string;
  /** A password to send once, if the server asks for one. */
  readonly password: string | undefined;
  prompt(prompt: string, echo: boolean): Promise<string | undefined>;
  /** Returns the error with which the login rejects if a question has no answer. */
  noAnswerError(question: string): Error;
}

/** The answers of such a login: `password` can be sent again; `hasOneTimeCode` is set if there were answers that cannot. */
export interface GivenAnswers {
  password: string | undefined;
  hasOneTimeCode: boolean;
}

/**
 * Returns a keyboard-interactive login (RFC 4256): the password if the server asks for one, the user's answers to all
 * other questions.
 */
export function keyboardInteractive(sources: AnswerSources, given: GivenAnswers): AuthMethod {
  let unusedPassword = sources.password;
  return {
    method: "keyboard-interactive",
    async answer(name, instructions, prompts) {
      const answers: string[] = [];
      for (const { prompt, echo } of prompts) {
        const forPassword = !echo && asksForPassword(prompt);
        if (forPassword && unusedPassword !== undefined) {
          given.password = unusedPassword;
          answers.push(unusedPassword);
          unusedPassword = undefined;
          continue;
        }
        const lead = answers.length === 0 ? [name, instructions] : [];
        const question = stripControls([...lead, prompt].filter((text) => text.trim() !== "").join(" "));
        const answer = await sources.prompt(`(${sources.account}) ${question}`, echo);
        if (answer === undefined) throw sources.noAnswerError(question);
        if (forPassword && given.password === undefined) given.password = answer;
        else given.hasOneTimeCode = true;
        answers.push(answer);
      }
      return answers;
    },
  };
}

/**
 * Whether the question asks for the permanent password, not for a one-time code. Names of users and hosts in it are
 * ignored.
 */
export function asksForPassword(prompt: string): boolean {
  const words = prompt.replace(/\S*@\S*|\S+'s(?= )/g, " ");
  if (/\b(one.?time|otp|token|verification|code|pin|current|new|retype|again)\b/i.test(words)) return false;
  return /pass(word|phrase)|kennwort|passwort|mot de passe|contrase|senha|wachtwoord|parola|пароль|密码|パスワード|암호/i
    .test(words);
}

/**
 * Removes characters from a server's text that could control a terminal: control characters and those that change the
 * text direction.
 */
function stripControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ").trim().slice(0, 300);
}
