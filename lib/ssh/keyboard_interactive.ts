import type { Login } from "./types.ts";

/** How the questions of a keyboard-interactive login are answered. `ask` gives undefined where nobody can answer. */
export interface Answering {
  readonly shown: string;
  /** A password to give once, where the server asks for one. */
  readonly password: string | undefined;
  ask(prompt: string, echo: boolean): Promise<string | undefined>;
  /** What to reject with when a question stays open. */
  unanswered(question: string): Error;
}

/** What was said in such a login: `password` would do again, `oneTime` answers would not. */
export interface Said {
  password: string | undefined;
  oneTime: boolean;
}

/** A keyboard-interactive login: the password where the server asks for one, a person's answers to everything else (RFC 4256). */
export function interactiveLogin(answering: Answering, said: Said): Login {
  let unused = answering.password;
  return {
    method: "keyboard-interactive",
    async answer(name, instructions, prompts) {
      const answers: string[] = [];
      for (const { prompt, echo } of prompts) {
        const forPassword = !echo && asksForPassword(prompt);
        if (forPassword && unused !== undefined) {
          said.password = unused;
          answers.push(unused);
          unused = undefined;
          continue;
        }
        const lead = answers.length === 0 ? [name, instructions] : [];
        const question = clean([...lead, prompt].filter((text) => text.trim() !== "").join(" "));
        const answer = await answering.ask(`(${answering.shown}) ${question}`, echo);
        if (answer === undefined) throw answering.unanswered(question);
        if (forPassword && said.password === undefined) said.password = answer;
        else said.oneTime = true;
        answers.push(answer);
      }
      return answers;
    },
  };
}

/** A question for the password that stays the same, not for a code that is good once. The names of user and host in it say nothing. */
export function asksForPassword(prompt: string): boolean {
  const words = prompt.replace(/\S*@\S*|\S+'s(?= )/g, " ");
  if (/\b(one.?time|otp|token|verification|code|pin|current|new|retype|again)\b/i.test(words)) return false;
  return /pass(word|phrase)|kennwort|passwort|mot de passe|contrase|senha|wachtwoord|parola|пароль|密码|パスワード|암호/i
    .test(words);
}

/** A server's words without what could steer a terminal: control characters and those that turn the direction of text. */
function clean(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ").trim().slice(0, 300);
}
