import { Buffer } from "node:buffer";
// @ts-types="npm:@types/ssh2@1.15.6"
import ssh2 from "npm:ssh2@1.17.0";
import { generateKeyPairSync } from "node:crypto";

/** One round of questions and the only answers that are right. */
export interface Round {
  readonly title?: string;
  readonly instructions?: string;
  readonly prompts: readonly { readonly prompt: string; readonly echo?: boolean; readonly answer: string }[];
}

/** A small SSH server whose logins are a script: questions as a PAM stack with one-time codes asks them, and plain passwords. */
export interface PromptingServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** What clients tried, in order: "password hunter2", "answers 123,456". */
  readonly tried: string[];
}

/** What it takes: questions, a password, or (`all`) one after the other. */
export interface PromptingSetup {
  readonly rounds?: readonly Round[];
  readonly password?: string;
  readonly all?: boolean;
}

/** Starts it on 127.0.0.1; `echo hello` is the only command it knows. */
export async function startPrompting(setup: PromptingSetup): Promise<PromptingServer> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const tried: string[] = [];
  const clients = new Set<ssh2.Connection>();
  const hostKeys = [String(privateKey.export({ type: "pkcs1", format: "pem" }))];
  const server = new ssh2.Server({ hostKeys }, (client) => {
    clients.add(client);
    client.on("authentication", authenticator(setup, tried));
    client.on("ready", () => client.on("session", (accept) => serveHello(accept())));
    client.on("error", () => clients.delete(client));
    client.on("close", () => clients.delete(client));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    host: "127.0.0.1",
    port: (server.address() as { port: number }).port,
    user: "ann",
    tried,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.end();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

/** The logins of one connection. */
function authenticator(setup: PromptingSetup, tried: string[]): (context: ssh2.AuthContext) => void {
  const open = new Set<ssh2.AuthenticationType>([
    ...(setup.password === undefined ? [] : ["password" as const]),
    ...(setup.rounds === undefined ? [] : ["keyboard-interactive" as const]),
  ]);
  const settle = (context: ssh2.AuthContext, method: ssh2.AuthenticationType, right: boolean) => {
    if (right) open.delete(method);
    if (right && (setup.all !== true || open.size === 0)) return context.accept();
    context.reject([...open], right);
  };
  return (context) => {
    if (context.method === "password") {
      tried.push(`password ${context.password}`);
      return settle(context, "password", context.password === setup.password);
    }
    if (context.method !== "keyboard-interactive" || setup.rounds === undefined) return context.reject([...open]);
    ask(context, setup.rounds, { tried, done: (right) => settle(context, "keyboard-interactive", right) });
  };
}

/** Asks one round after the other, until an answer is wrong. */
function ask(
  context: ssh2.KeyboardAuthContext,
  [round, ...rest]: readonly Round[],
  end: { readonly tried: string[]; done(right: boolean): void },
): void {
  if (round === undefined) return end.done(true);
  const prompts = round.prompts.map(({ prompt, echo }) => ({ prompt, echo: echo ?? false }));
  context.prompt(prompts, round.title ?? "", round.instructions ?? "", (answers) => {
    end.tried.push(`answers ${answers.join(",")}`);
    const right = round.prompts.every(({ answer }, index) => answer === answers[index]);
    return right ? ask(context, rest, end) : end.done(false);
  });
}

function serveHello(session: ssh2.Session): void {
  session.on("exec", (accept) => {
    const channel = accept();
    channel.write(Buffer.from("hello\n"));
    channel.exit(0);
    channel.end();
  });
}
