import { dirname, join } from "node:path";
import process from "node:process";
import { SyncError } from "../../core/errors.ts";

/** A question of an ssh process: of the one that was started, or of one that it started itself, for a jump host. */
export interface HelperQuestion {
  /** The process that asks. */
  readonly pid: number;
  /** "host-key": whether to trust a host key; "askpass": a password, passphrase or other prompt. */
  readonly kind: "askpass" | "host-key";
  /** ssh's own hint: "none" for a notice that needs no answer. */
  readonly hint: string;
  /** The prompt, or "HOSTNAME ssh-ed25519 AAAA…". */
  readonly text: string;
}

/** Returns the answer, one line; undefined refuses one. */
export type AnswerQuestion = (question: HelperQuestion) => Promise<string | undefined>;

/**
 * A private folder with a program that ssh runs for its questions (SSH_ASKPASS, KnownHostsCommand) and the configuration
 * that ssh reads. A question is a file, its answer goes through a named pipe: no secret is written to a disk, and none is
 * in the arguments or in the environment of a process.
 */
export class SshHelper implements AsyncDisposable {
  readonly askpass: string;
  readonly configFile: string;
  readonly #dir: string;
  readonly #seen = new Set<string>();
  readonly #pipes = new Map<string, Deno.FsFile>();

  private constructor(dir: string) {
    this.#dir = dir;
    this.askpass = join(dir, "askpass");
    this.configFile = join(dir, "config");
  }

  /** Makes the folder. `config`: the text of the configuration file. */
  static async create(config: string): Promise<SshHelper> {
    const dir = await Deno.makeTempDir({ prefix: "tandem-ssh-" });
    await Deno.chmod(dir, 0o700);
    const helper = new SshHelper(dir);
    await Deno.writeTextFile(helper.configFile, config, { mode: 0o600 });
    for (const name of ["askpass", "host-key"]) await Deno.writeTextFile(join(dir, name), SCRIPT, { mode: 0o700 });
    try {
      await helper.#assertRuns();
      return helper;
    } catch (error) {
      await helper[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Rejects if the program cannot be run, since ssh would then send an empty password. */
  async #assertRuns(): Promise<void> {
    try {
      const { success } = await new Deno.Command(this.askpass, { env: { TANDEM_CHECK: "1" }, stdin: "null" }).output();
      if (success) return;
    } catch {
      // It cannot be started.
    }
    const message =
      `Programs in "${dirname(this.#dir)}" cannot be run (noexec), which the system's ssh needs for its ` +
      "questions; set TMPDIR to a folder where they can.";
    throw new SyncError("unsupported", message, { operation: "connect" });
  }

  /** Returns the value of KnownHostsCommand. It is quoted, and "%" is doubled, since ssh expands both. */
  get hostKeyCommand(): string {
    const path = join(this.#dir, "host-key").replaceAll("%", "%%").replace(/["\\]/g, "\\$&");
    return `/bin/sh "${path}" %I %t %K`;
  }

  /** Answers questions until the returned function is called. `onError` is called when an answer fails, which refuses it. */
  serve(answer: AnswerQuestion, onError: (error: unknown) => void): () => void {
    const timer = setInterval(() => {
      try {
        for (const [at, question] of this.#newQuestions()) {
          answer(question).then((text) => this.#reply(at, text)).catch(onError);
        }
      } catch (error) {
        onError(error);
      }
    }, POLL_MS);
    return () => clearInterval(timer);
  }

  #newQuestions(): readonly (readonly [at: string, question: HelperQuestion])[] {
    const names = [...Deno.readDirSync(this.#dir)].map(({ name }) => name).filter((name) => name.endsWith(".ask"));
    return names.filter((name) => !this.#seen.has(name)).map((name) => {
      this.#seen.add(name);
      const at = join(this.#dir, name.slice(0, -".ask".length));
      return [at, parseQuestion(Deno.readTextFileSync(`${at}.ask`))];
    });
  }

  /** Refuses all open questions, waits until the programs that asked have ended, and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    const waiting = () => [...Deno.readDirSync(this.#dir)].filter(({ name }) => name.endsWith(".answer"));
    for (const { name } of waiting()) this.#reply(join(this.#dir, name.slice(0, -".answer".length)), undefined);
    for (let round = 0; round < MAX_ROUNDS && waiting().length > 0; round++) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    for (const pipe of this.#pipes.values()) pipe.close();
    this.#pipes.clear();
    await Deno.remove(this.#dir, { recursive: true });
  }

  /** Writes an answer into the pipe, which stays open until dispose: the reader may open it later. */
  #reply(at: string, answer: string | undefined): void {
    if (this.#pipes.has(at)) return;
    try {
      Deno.statSync(`${at}.answer`);
      if (answer === undefined) Deno.writeTextFileSync(`${at}.no`, "", { mode: 0o600 });
      // Opened for both directions: opening for writing alone would wait for the reader.
      const pipe = Deno.openSync(`${at}.answer`, { read: true, write: true });
      this.#pipes.set(at, pipe);
      pipe.writeSync(new TextEncoder().encode(`${answer ?? ""}\n`));
    } catch (error) {
      // The program that asked has ended.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function parseQuestion(text: string): HelperQuestion {
  const [pid, kind, hint = "", ...lines] = text.split("\n");
  return {
    pid: Number(pid),
    kind: kind === "host-key" ? "host-key" : "askpass",
    hint,
    text: lines.join("\n").replace(/\n$/, ""),
  };
}

const POLL_MS = 15;
const MAX_ROUNDS = 100;

/**
 * Puts the question into a file and copies the answer from a pipe; a notice stays until ssh ends the program. If the program that must answer is gone, its ssh is
 * ended: an empty answer would be sent to the server as a password.
 */
const SCRIPT = `#!/bin/sh
[ -z "$TANDEM_CHECK" ] || exit 0
umask 077
at="\${0%/*}/$$"
hint="\${SSH_ASKPASS_PROMPT:-secret}"
[ "$hint" = none ] || mkfifo "$at.answer" || exit 1
printf '%s\\n' "$PPID" "\${0##*/}" "$hint" "$*" >"$at.new" && mv "$at.new" "$at.ask" || exit 1
[ "$hint" != none ] || exec sleep 120
(
  while [ -p "$at.answer" ] && kill -0 ${process.pid}; do sleep 1; done
  [ -p "$at.answer" ] || exit
  kill "$PPID"
  : 1<>"$at.answer"
) </dev/null >/dev/null 2>&1 &
head -n 1 "$at.answer"
kill $! 2>/dev/null
[ ! -e "$at.no" ]
code=$?
rm -f "$at.answer" "$at.ask" "$at.no"
exit $code
`;
